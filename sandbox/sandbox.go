// Package sandbox emulates the two outside services that a merchant's payment touches, Ping++ and
// WeChat, closely enough that official client libraries cannot tell. It shares no code with this
// module's own clients: an emulator built from the client it tests would prove nothing.
//
// A [Sandbox] is one http.Handler:
//
//	POST /v1/charges                     create a charge, through any channel that Ping++ documents
//	GET  /v1/charges/{id}                one charge
//	GET  /v1/charges?app[id]=app_…       a list: limit, starting_after, ending_before, created[gt|gte|lt|lte], channel, paid, refunded, reversed
//	POST /v1/charges/{id}/reverse        cancel an unpaid charge
//	POST /v1/charges/{id}/refunds        refund a paid charge, whole or in parts
//	GET  /v1/charges/{id}/refunds/{id}   one refund
//	GET  /v1/charges/{id}/refunds        a list: limit, starting_after, ending_before
//	POST /v1/orders                      create an order; GET /v1/orders?app=app_… lists: page, per_page, paid, refunded, created[…]
//	GET  /v1/orders/{id}                 one order; PUT changes it, or with {"status":"canceled"} cancels it
//	POST /v1/orders/{id}/pay             make the charge that pays it; GET /v1/orders/{id}/charges[/{id}] shows them: page, per_page
//	POST /v1/orders/{id}/order_refunds   refund it, a list; GET /v1/orders/{id}/order_refunds[/{id}] shows them: page, per_page
//	GET  /v1/events/{id}                 one event, the very bytes that its webhook carried
//	GET  /notify/charges/{id}?livemode=false   what pingpp.js calls in test mode instead of opening the pay sheet: pays the charge
//	GET  /mock.php?ch_id=…&channel=…     the page on which a tester pays or cancels a test charge; QR codes of test mode lead there
//	GET  /sns/jscode2session             WeChat's exchange of a login code for an openid
//	GET  /connect/oauth2/authorize       WeChat's page that sends an official account's visitor back with a code; inside WeChat only
//	GET  /sns/oauth2/access_token        WeChat's exchange of that code for an openid
//	POST /cgi-bin/stable_token           the official account's access token; GET /cgi-bin/token the classic one
//	GET  /cgi-bin/ticket/getticket       the ticket that pages are signed with
//
// # What is like the real thing
//
// The key alone (Basic user name or Bearer) picks the mode; test and live objects never meet. Request
// signatures are checked over the raw request target, when Config.MerchantKey is set; a timestamp
// more than 15 minutes off is refused. Every API answer is signed; those to Ping++'s Node SDK, and all that are
// not the API's, say Connection: close. Error messages follow Accept-Language (Chinese, or English). Parameters are checked as Ping++ documents
// them, and then as the channel would: those refusals are 402 channel_error. Credentials have the shape of each channel's; in
// test mode those that are a URL lead to the mock page, as at Ping++.
//
// A used order number: the same six elements (app, channel, number, amount, subject, body) are answered with the first charge,
// unchanged, whatever else differs, another openid too: WeChat's channels for 2 hours, wx_wap for 5 minutes, all others and those
// of a scanned code for 1 minute. After that, or with another element, WeChat refuses a repeated number (商户订单号重复); the
// others make a new charge of the same elements and refuse other ones. A number that is paid or closed is refused by all, and of several
// charges with one number only one can be paid. The numbers of channels of one service are one.
//
// WeChat's credentials die before their charge does: after 2 hours, that of wx_wap after 5 minutes. Ping++ goes on showing them, and the
// payment is refused.
//
// A paid charge sends charge.succeeded to every URL of Config.Webhooks, and to those of its own mode: at most 8 tries, 2 min, 10 min,
// 10 min, 1 h, 2 h, 6 h and 15 h apart (divided by Config.TimeScale), until the first 2xx. Redirects
// are not followed.
//
// A reversed charge cannot be paid, and its number cannot be used again; a paid one cannot be reversed
// (400, charge_unexpected_status), nor a reversed one again (400, charge_closed), nor one of a channel that Ping++ does not
// name for it (400, param channel).
//
// A refund is pending, as WeChat's are, and succeeds after 10 s (divided by Config.TimeScale), which sends
// refund.succeeded; a refund that fails sends nothing, since Ping++ documents no event for it. Whether Ping++ counts pending
// refunds in a charge's amount_refunded is not documented: here only what has succeeded counts, while
// refunded is true from the first refund on, whatever became of it, and pending refunds take from what
// is left to refund. WeChat's bounds hold: 50 refunds of a charge, within a year of its payment; and the shorter descriptions of some
// channels. A
// charge shows its newest 10 refunds.
//
// The charge of an order is paid like any other; charge.succeeded is followed by order.succeeded once the order is paid whole, and
// refund.succeeded by order.refunded. Its charge can be refunded through the order only (400, charge_request_invalid). Where no
// charge_order_no is given it is the merchant_order_no. There are no coupons and balances; royalty_users are checked, and nothing
// becomes of them. Until it is paid an order can be changed (amount, subject, body and the like), and canceled, which closes its unpaid
// charges; a user that the cancellation names must be the order's uid.
//
// Where official examples send numbers for texts (terminal_id, order_type, hb_fq_num, …) both are taken, and PHP's [] for an empty
// extra or metadata. With expand[]=app, or "expand" in the body, an answer holds the app whole; with charge those that name a charge.
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
//	POST   /sandbox/faults               {"on", "fault", "times"? (default 1), "delay_ms"?}: the next calls fail so
//	DELETE /sandbox/faults               no more faults
//	GET    /sandbox/state                charges, events with their deliveries, calls per operation, faults left (?limit=, default 1000)
//	GET    /sandbox/events/{id}          one event with its deliveries
//	POST   /sandbox/events               {"type", "charge" or "object", "livemode"?}: make and send an event of any type
//	POST   /sandbox/webhooks             sign and send the body as it is, whatever it is
//	GET    /sandbox/pingpp.pub.pem       the public key that webhooks and API answers verify with
//
// A login code lives 5 minutes and works once. A code "sandbox-<anything>" needs no lever: it works
// once, as a login of a user whose openid is derived from <anything>. "the code is a mock one", which WeChat's
// developer tools give when they have no AppID, always works, as the login of one and the same user.
//
// # Faults
//
// On create_charge, get_charge, list_charges, reverse_charge, create_refund, get_refund, list_refunds,
// create_order, get_order, list_orders, pay_order, cancel_order, order_charges, refund_order, order_refunds and get_event: 400 (without code and param), 502 (HTML), 502_json, 500, 200_error (status 200 with an error in the body), 200_null,
// 200_html, empty, 402 (the channel refuses), 403 and 429 (too many requests), 401, slow, drop, truncate,
// endless; and a well-formed object that is not the one asked for: wrong_charge on create_charge,
// get_charge and reverse_charge (of another order), wrong_refund on create_refund and get_refund,
// wrong_event on get_event. On notify: 502, 500, 200_html, empty, slow, drop. On
// jscode2session, oauth_access_token, stable_token, token and getticket: any WeChat errcode ("-1", "45011", "40226"), and 502, 500, 200_null, 200_html, empty,
// slow, drop, truncate, endless. A fault that answers something else leaves everything undone; after
// drop, truncate, endless and wrong_… the work is done and only the answer is lost. slow waits
// delay_ms (default 10 s) and then does what was asked.
//
// On refund, per refund however it is made, unless a lever says its status: failed (refused at once:
// status failed and refund_refused_msg with HTTP 200), failed_later (pending, then failed), stuck (pending
// until a lever settles it). And, besides one of these, what the refund forgets, in answers, lists and
// events alike: no_metadata, no_description, no_texts (both).
//
// On webhook, per event: duplicate (sent once more after it was received), late (first try after
// delay_ms, default 2 min divided by TimeScale), missing (never sent), disorder (sent after the next
// event's first try, or alone after a scaled minute). Per try: bad_signature, empty_signature,
// no_signature, altered_body. As a lasting state, give times up to 1,000,000: with empty_signature the
// webhooks are those of older accounts' test mode, and only GET /v1/events/{id} confirms an event.
//
// # Bounds
//
// A request body has at most 1 MiB. The newest 100,000 charges, events, login codes and unfinished
// deliveries are kept; refunds go with their charge.
package sandbox

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddypay/caddypay/sandbox/store"

	"github.com/caddypay/caddypay/sandbox/dice"
	"go.uber.org/zap"
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

	Webhooks     []string // where events go, in test and live mode; see SetWebhooks
	LiveWebhooks []string // where those of live mode go as well
	TestWebhooks []string // where those of test mode go as well
	// WebhookClient sends webhooks; default: one of its own with a 30 s timeout. The connections of a
	// transport that is given here are the caller's to close.
	WebhookClient *http.Client

	// PublicURL is where a browser finds the sandbox, like https://sandbox.example.com: test charges' QR codes and addresses point
	// there. Default: as the request that created the charge did.
	PublicURL string

	// TimeScale divides every wait of the webhook schedule: at 60 a minute takes a second. Default 1.
	TimeScale float64

	Now    func() time.Time // default time.Now; tells objects' times and expiry, not the webhook waits
	Rand   io.Reader        // default crypto/rand; makes ids, keys and codes
	Logger *zap.Logger      // default: nothing is logged
	Sent   func(Sent)       // default: none; hears of every try of a webhook once it is over, of several at the same time
}

// WeChatApp identifies a WeChat account.
type WeChatApp struct {
	AppID  string // default: wx and 16 random hex digits
	Secret string // default: 32 random hex digits
}

// Sandbox emulates Ping++ and WeChat; make one with New. It is safe for concurrent use.
type Sandbox struct {
	cfg      Config
	mchKey   string // the WeChat merchant key that credentials are signed with
	pubPEM   []byte
	born     time.Time
	log      *zap.Logger
	dice     *dice.Dice
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	done     chan struct{} // closed when the webhook worker has ended
	wake     chan struct{} // tells the worker that the queue changed
	sender   *http.Client
	ownConns *http.Transport // when the sender's transport is ours to close

	mu           sync.Mutex // guards all below
	webhooks     webhooks
	charges      store.Of[*charge]
	orders       map[orderKey]*charge // see orderKey
	refunds      map[string]*refund   // of the charges that are kept
	orderObjects store.Of[*order]
	bought       map[boughtKey]*order // orders by the merchant's number
	settling     []*refund            // in the order in which they are settled
	events       store.Of[*event]
	codes        store.Of[*loginCode]
	webUser      WebUser
	tokens       store.Of[lent] // access tokens, by their value
	stable       lent           // the current ones
	classic      lent
	ticket       lent
	faults       []*fault
	calls        map[string]int
	queue        deliveryQueue
	held         []*delivery // out of order: waiting for another event
	sending      int
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
	s := &Sandbox{
		log:     cfg.Logger,
		dice:    dice.New(cfg.Rand),
		orders:  map[orderKey]*charge{},
		refunds: map[string]*refund{},
		bought:  map[boughtKey]*order{},
		calls:   map[string]int{},
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	s.cfg, s.born = cfg, cfg.Now()
	s.SetWebhooks(cfg.Webhooks...)
	s.SetLiveWebhooks(cfg.LiveWebhooks...)
	s.SetTestWebhooks(cfg.TestWebhooks...)
	if err := s.fillIdentity(); err != nil {
		return nil, err
	}
	s.useClient(cfg.WebhookClient)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.work()
	return s, nil
}

// fillIdentity makes up the keys and names that the configuration leaves empty.
func (s *Sandbox) fillIdentity() error {
	c := &s.cfg
	probe := make([]byte, 16)
	if _, err := io.ReadFull(c.Rand, probe); err != nil {
		return fmt.Errorf("sandbox: reading randomness: %w", err)
	}
	for _, f := range []struct {
		field *string
		made  func() string
	}{
		{&c.App, func() string { return "app_" + s.dice.Draw(dice.Alnum, 16) }},
		{&c.TestKey, func() string { return testPrefix + s.dice.Draw(dice.Alnum, 24) }},
		{&c.LiveKey, func() string { return livePrefix + s.dice.Draw(dice.Alnum, 24) }},
		{&c.WxLite.AppID, func() string { return "wx" + s.dice.Draw(dice.HexDigits, 16) }},
		{&c.WxLite.Secret, func() string { return s.dice.Draw(dice.HexDigits, 32) }},
		{&c.WxPub.AppID, func() string { return "wx" + s.dice.Draw(dice.HexDigits, 16) }},
		{&c.WxPub.Secret, func() string { return s.dice.Draw(dice.HexDigits, 32) }},
		{&s.mchKey, func() string { return s.dice.Draw(dice.Alnum, 32) }},
	} {
		if *f.field == "" {
			*f.field = f.made()
		}
	}
	if !strings.HasPrefix(c.TestKey, testPrefix) || c.TestKey == testPrefix {
		return errors.New("sandbox: test_key: write a key that starts with sk_test_")
	}
	if !strings.HasPrefix(c.LiveKey, livePrefix) || c.LiveKey == livePrefix {
		return errors.New("sandbox: live_key: write a key that starts with sk_live_")
	}
	if c.SigningKey == nil {
		key, err := rsa.GenerateKey(c.Rand, 2048)
		if err != nil {
			return fmt.Errorf("sandbox: making Ping++'s key: %w", err)
		}
		c.SigningKey = key
	}
	sum := sha256.Sum256(nil)
	if _, err := rsa.SignPKCS1v15(nil, c.SigningKey, crypto.SHA256, sum[:]); err != nil {
		return fmt.Errorf("sandbox: signing_key cannot sign: %w", err)
	}
	pem, err := publicPEM(&c.SigningKey.PublicKey)
	if err != nil {
		return fmt.Errorf("sandbox: signing_key: %w", err)
	}
	s.pubPEM = pem
	return nil
}

// Close stops the webhook worker and waits for it; deliveries that are not finished are dropped. The
// handler goes on answering, but sends nothing any more.
func (s *Sandbox) Close() {
	s.cancel()
	<-s.done
	if s.ownConns != nil {
		s.ownConns.CloseIdleConnections()
	}
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
func (s *Sandbox) PublicKeyPEM() []byte { return append([]byte(nil), s.pubPEM...) }

// Serves reports whether a path is Ping++'s, WeChat's or a lever's. A server that has other things to
// serve asks before it hands a request over; ServeHTTP answers 404 to the rest.
func Serves(path string) bool {
	for _, prefix := range []string{"/v1/", "/notify/charges/", "/sns/", "/cgi-bin/", "/connect/", "/sandbox/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return path == mockPath
}

// ServeHTTP answers for Ping++ (/v1, /notify, /mock.php), for WeChat (/sns, /cgi-bin, /connect), and the levers (/sandbox).
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Ping++'s Node SDK never writes its request to a connection that is used again, whoever in its process used it before.
	if strings.Contains(r.UserAgent(), "NodeBindings") || !strings.HasPrefix(r.URL.Path, "/v1/") {
		w.Header().Set("Connection", "close")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v1/"):
		s.serveAPI(w, r)
	case strings.HasPrefix(path, "/notify/charges/"):
		s.serveNotify(w, r, strings.TrimPrefix(path, "/notify/charges/"))
	case path == mockPath:
		s.serveMock(w, r)
	case strings.HasPrefix(path, "/sns/"), strings.HasPrefix(path, "/cgi-bin/"):
		s.serveWeChat(w, r)
	case strings.HasPrefix(path, "/connect/"):
		s.serveAuthorize(w, r)
	case strings.HasPrefix(path, "/sandbox/"):
		s.serveLevers(w, r)
	default: // what Serves does not name
		http.Error(w, "the sandbox serves /v1/charges, /v1/orders, /v1/events, /notify/charges, /mock.php, /sns/jscode2session and its levers under /sandbox/", http.StatusNotFound)
	}
}

var _ http.Handler = (*Sandbox)(nil)
