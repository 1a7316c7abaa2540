// Package sandbox emulates the two outside services that a merchant's payment touches, Ping++ and
// WeChat, closely enough that official client libraries cannot tell. It shares no code with this
// module's own clients: an emulator built from the client it tests would prove nothing.
//
// A [Sandbox] is one http.Handler over two rooms, each in a package that says what it serves and what is like the real thing:
// pingxx is Ping++ (/v1, /notify, /mock.php) and weixin is WeChat (/sns, /cgi-bin, /connect, /wxa). They do not know each other. What they
// share they are given: a clock, dice, and the faults that their desks let happen; and WeChat is told of the payments that Ping++ takes in the
// mini program in live mode, since it is WeChat who took them. What pulls at both is here, under /sandbox/.
//
// # Levers
//
//	POST   /sandbox/charges/{id}/pay     as if the user had paid; answers the paid charge
//	POST   /sandbox/refunds              {"charge", "amount"? (default the rest), "description"?, "status"?}: as if refunded in the
//	                                     dashboard; status: pending (default, then succeeds by itself), succeeded, failed; answers the refund
//	POST   /sandbox/refunds/{id}/succeed a pending refund succeeds now; answers it
//	POST   /sandbox/refunds/{id}/fail    a pending refund fails now; answers it
//	POST   /sandbox/wechat/codes         {"openid"?, "unionid"?} → {"code"}: as if a user had called wx.login
//	POST   /sandbox/wechat/user          {"openid"?, "unionid"?, "snapshot"?}: who the visitors of the official account's pages are from now on
//	POST   /sandbox/wechat/program       {"managed"?, "confirmed"?, "delay_ms"?, "order_detail_path"?}: whether WeChat holds the mini program's money until
//	                                     shipping is reported, whether its merchant numbers are authorised, after how long a payment is known; answers all
//	POST   /sandbox/wechat/orders/{id}   {"order_state"? (3, 4, 5 or 6), "in_complaint"?, "known"?}: as if the buyer or WeChat had moved it; id is a paid
//	                                     live charge's transaction_no; answers the order
//	POST   /sandbox/faults               {"on", "fault", "times"? (default 1), "delay_ms"?}: the next calls fail so
//	DELETE /sandbox/faults               no more faults
//	GET    /sandbox/state                charges, orders, WeChat's orders, events with their deliveries, calls per operation, faults left (?limit= of each list, default 1000)
//	GET    /sandbox/events/{id}          one event with its deliveries
//	POST   /sandbox/events               {"type", "charge" or "object", "livemode"?}: make and send an event of any type
//	POST   /sandbox/webhooks             sign and send the body as it is, whatever it is
//	GET    /sandbox/pingpp.pub.pem       the public key that webhooks and API answers verify with
//
// # Faults
//
// Each room lists its own. A fault that answers something else leaves everything undone; after
// drop, truncate, endless and wrong_… the work is done and only the answer is lost. slow waits
// delay_ms (default 10 s) and then does what was asked.
//
// # Bounds
//
// A request body has at most 1 MiB. The newest 100,000 charges, events, login codes, WeChat's orders and unfinished
// deliveries are kept; refunds go with their charge.
package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
	"github.com/caddypay/caddypay/sandbox/weixin"
	"github.com/caddypay/caddypay/sandbox/weixin/shipping"
)

const maxBody = 1 << 20 // bytes of any request body

// Config says what a Sandbox is like. Its zero value is a usable sandbox: what is empty is made up.
type Config struct {
	App     string // Ping++ app id; default: app_ and 16 random characters
	TestKey string // default: sk_test_ and 24 random characters
	LiveKey string // default: sk_live_ and 24 random characters

	// MerchantKey is the merchant's public key. When set, every API request must be signed with its
	// private half; when nil, signatures are not looked at.
	MerchantKey *rsa.PublicKey

	// SigningKey is Ping++'s own key, which signs webhooks and API answers. Default: a new 2048-bit key.
	SigningKey *rsa.PrivateKey

	WxLite WeChatApp // the mini program
	WxPub  WeChatApp // the official account

	// Managed says that WeChat holds the mini program's money until shipping is reported. Default: it does not; a lever changes that.
	Managed bool

	Webhooks     []string // where events go, in test and live mode; see SetWebhooks
	LiveWebhooks []string // where those of live mode go as well
	TestWebhooks []string // where those of test mode go as well
	// WebhookClient sends webhooks; default: one of its own with a 30 s timeout. Close closes its idle connections.
	WebhookClient *http.Client

	// PublicURL is where a browser finds the sandbox, like https://sandbox.example.com: test charges' QR codes and addresses point
	// there. Default: as the request that created the charge did.
	PublicURL string

	// TimeScale divides every wait of webhooks, refunds and WeChat's orders: at 60 a minute takes a second. Default 1.
	TimeScale float64

	Now    func() time.Time // default time.Now; tells objects' times and expiry and what becomes of WeChat's orders, not the webhook waits
	Rand   io.Reader        // default crypto/rand; makes ids, keys and codes
	Logger *zap.Logger      // default: nothing is logged
	Sent   func(Sent)       // default: none; hears of every try of a webhook once it is over, of several at the same time
}

// WeChatApp identifies a WeChat account.
type WeChatApp = weixin.App

// Sandbox emulates Ping++ and WeChat; make one with New. It is safe for concurrent use.
type Sandbox struct {
	cfg    Config
	cancel context.CancelFunc
	faults *desk.Faults
	pingxx *pingxx.Room
	weixin *weixin.Room
}

// New returns a sandbox whose webhook worker runs until Close.
func New(cfg Config) (*Sandbox, error) {
	if cfg.TimeScale == 0 {
		cfg.TimeScale = 1
	}
	if !(cfg.TimeScale > 0 && cfg.TimeScale <= 1e9) {
		return nil, fmt.Errorf("sandbox: time_scale is %v: write a positive number, 60 makes a minute take a second", cfg.TimeScale)
	}
	if u, err := url.Parse(cfg.PublicURL); cfg.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("sandbox: public_url is %q: write an address like https://sandbox.example.com", cfg.PublicURL)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	d := dice.New(cfg.Rand)
	wxKey, err := cfg.fill(d)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	faults := desk.NewFaults(pingxx.Faults(), weixin.Faults())
	wx := weixin.New(weixin.Config{WxLite: cfg.WxLite, WxPub: cfg.WxPub, Managed: cfg.Managed, TimeScale: cfg.TimeScale, Now: cfg.Now, Dice: d, Faults: faults,
		Done: ctx.Done()})
	px, err := pingxx.Start(ctx, pingxx.Config{
		App: cfg.App, TestKey: cfg.TestKey, LiveKey: cfg.LiveKey, MerchantKey: cfg.MerchantKey, SigningKey: cfg.SigningKey,
		WxAppID: cfg.WxLite.AppID, WxKey: wxKey, PublicURL: cfg.PublicURL, TimeScale: cfg.TimeScale, Client: cfg.WebhookClient, Sent: cfg.Sent,
		Now: cfg.Now, Dice: d, Faults: faults, Log: cfg.Logger,
		Paid: func(p trade.Payment) { wx.Orders.Paid(shipping.Payment(p)) }, Refunded: wx.Orders.Refunded,
	})
	if err != nil {
		cancel()
		return nil, err
	}
	s := &Sandbox{cfg: cfg, cancel: cancel, faults: faults, pingxx: px, weixin: wx}
	s.SetWebhooks(cfg.Webhooks...)
	s.SetLiveWebhooks(cfg.LiveWebhooks...)
	s.SetTestWebhooks(cfg.TestWebhooks...)
	return s, nil
}

// fill makes up the keys and names that the configuration leaves empty, and the merchant's key at WeChat.
func (c *Config) fill(d *dice.Dice) (wxKey string, err error) {
	probe := make([]byte, 16)
	if _, err := io.ReadFull(c.Rand, probe); err != nil {
		return "", fmt.Errorf("sandbox: reading randomness: %w", err)
	}
	for _, f := range []struct {
		field            *string
		prefix, alphabet string
		n                int
	}{
		{&c.App, "app_", dice.Alnum, 16},
		{&c.TestKey, pingxx.TestPrefix, dice.Alnum, 24},
		{&c.LiveKey, pingxx.LivePrefix, dice.Alnum, 24},
		{&c.WxLite.AppID, "wx", dice.HexDigits, 16},
		{&c.WxLite.Secret, "", dice.HexDigits, 32},
		{&c.WxPub.AppID, "wx", dice.HexDigits, 16},
		{&c.WxPub.Secret, "", dice.HexDigits, 32},
		{&wxKey, "", dice.Alnum, 32},
	} {
		if *f.field == "" {
			*f.field = f.prefix + d.Draw(f.alphabet, f.n)
		}
	}
	if !strings.HasPrefix(c.TestKey, pingxx.TestPrefix) || c.TestKey == pingxx.TestPrefix {
		return "", errors.New("sandbox: test_key: write a key that starts with sk_test_")
	}
	if !strings.HasPrefix(c.LiveKey, pingxx.LivePrefix) || c.LiveKey == pingxx.LivePrefix {
		return "", errors.New("sandbox: live_key: write a key that starts with sk_live_")
	}
	if c.SigningKey == nil {
		key, err := rsa.GenerateKey(c.Rand, 2048)
		if err != nil {
			return "", fmt.Errorf("sandbox: making Ping++'s key: %w", err)
		}
		c.SigningKey = key
	}
	return wxKey, nil
}

// Close stops the webhook worker and waits for it; deliveries that are not finished are dropped. The
// handler goes on answering, but sends nothing any more.
func (s *Sandbox) Close() {
	s.cancel()
	s.pingxx.Wait()
}

// App is the Ping++ app id.
func (s *Sandbox) App() string { return s.cfg.App }

// TestKey is the secret key of test mode.
func (s *Sandbox) TestKey() string { return s.cfg.TestKey }

// LiveKey is the secret key of live mode.
func (s *Sandbox) LiveKey() string { return s.cfg.LiveKey }

// WxLite is the mini program that jscode2session knows.
func (s *Sandbox) WxLite() WeChatApp { return s.cfg.WxLite }

// WxPub is the official account whose pages' visitors log in.
func (s *Sandbox) WxPub() WeChatApp { return s.cfg.WxPub }

// PublicKeyPEM is the public half of Ping++'s key, as the dashboard shows it (PEM, SPKI).
func (s *Sandbox) PublicKeyPEM() []byte { return s.pingxx.PublicKey() }

// Serves reports whether a path is Ping++'s, WeChat's or a lever's. A server that has other things to
// serve asks before it hands a request over; ServeHTTP answers 404 to the rest.
func Serves(path string) bool {
	return pingxx.Serves(path) || weixin.Serves(path) || strings.HasPrefix(path, leverPrefix)
}

// ServeHTTP answers for Ping++ (/v1, /notify, /mock.php), for WeChat (/sns, /cgi-bin, /connect, /wxa), and the levers (/sandbox).
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Ping++'s Node SDK never writes its request to a connection that is used again, whoever in its process used it before.
	if strings.Contains(r.UserAgent(), "NodeBindings") || !strings.HasPrefix(r.URL.Path, pingxx.APIPrefix) {
		w.Header().Set("Connection", "close")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch path := r.URL.Path; {
	case pingxx.Serves(path):
		s.pingxx.ServeHTTP(w, r)
	case weixin.Serves(path):
		s.weixin.ServeHTTP(w, r)
	case strings.HasPrefix(path, leverPrefix):
		s.serveLevers(w, r)
	default: // what Serves does not name
		http.Error(w, "the sandbox serves Ping++ under /v1/, /notify/charges/ and /mock.php, WeChat under /sns/, /cgi-bin/, /connect/ and /wxa/, and its levers under /sandbox/", http.StatusNotFound)
	}
}

var _ http.Handler = (*Sandbox)(nil)
