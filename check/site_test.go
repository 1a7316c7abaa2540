package check

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
	"github.com/caddypay/caddypay/wechat"
)

var ownKey, otherKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// world is a site between an emulated Ping++ and WeChat and a legacy shop, with all that is looked at.
type world struct {
	*stand
	site Site
	book Book

	pingpp pingpp.Config // what the site's client is made of
	lite   wechat.Config
	pub    wechat.Config
	door   http.Handler // what answers the webhook's URL
	mu     sync.Mutex
	secret string // that the door waits for
	came   bool
	figure Figures
	swept  time.Time
}

const weixinSecret = "Mark0123456789abcdef0123456789ab"

func newWorld(t *testing.T, plant func(http.Handler) http.Handler) *world {
	t.Helper()
	w := &world{stand: newStand(t, plant)}
	app := sandbox.WeChatApp{AppID: "wx0123456789abcdef", Secret: weixinSecret}
	box := sandboxtest.Start(t, sandbox.Config{App: "app_test1", TestKey: "sk_test_Mark0123456789", LiveKey: "sk_live_Mark0123456789", MerchantKey: &ownKey().PublicKey,
		WxLite: app, WxPub: app, Now: time.Now})
	w.pingpp = pingpp.Config{App: "app_test1", Key: redact.New("sk_test_Mark0123456789"), SigningKey: ownKey(), Endpoint: box.Server.URL, Transport: box.Client.Transport}
	w.lite = wechat.Config{AppID: app.AppID, Secret: redact.New(app.Secret), Endpoint: box.Server.URL, Transport: box.Client.Transport}
	w.pub = w.lite
	w.door = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.came = r.Header.Get(KnockHeader) == w.secret
		rw.WriteHeader(http.StatusNoContent)
	})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.door.ServeHTTP(rw, r) }))
	t.Cleanup(srv.Close)
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	srv.Client().CloseIdleConnections()
	w.site = Site{Name: "shop.test", Scope: testScope, Public: true, Emulated: true, Now: time.Now, Priced: true, Delivered: true,
		Own: &ownKey().PublicKey, Webhook: []*rsa.PublicKey{&sandboxtest.Key().PublicKey}, Shop: &w.shop,
		WeChat: map[string]func(context.Context) error{},
		Door: &Door{URL: srv.URL + "/pay/webhooks", Listen: srv.Listener.Addr().String(), Outside: true, Roots: roots, Random: rand.Text,
			Expect: func(secret string) (func() bool, func()) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.secret, w.came = secret, false
				return func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.came }, func() {}
			}},
		Figures: func(context.Context) (Figures, error) { return w.figure, nil },
		Swept:   func(context.Context) (time.Time, error) { return w.swept, nil },
	}
	w.swept = time.Now().Add(-20 * time.Hour)
	w.book = Book{File: "/var/lib/caddy/pay.db", Write: func(context.Context) error { return nil }, Kind: "",
		Sizes: func() (int64, int64, error) { return 46 << 20, 3 << 20, nil }, Free: func() (int64, error) { return 50 << 30, nil },
		Grown: func() (int64, time.Duration) { return 0, time.Hour }, Users: func() []User { return nil }}
	return w
}

// look carries out all checks.
func (w *world) look(t *testing.T) []Finding {
	t.Helper()
	client, err := pingpp.New(w.pingpp)
	if err != nil {
		t.Fatal(err)
	}
	w.site.Pingpp = client.Probe
	lite, err := wechat.NewMiniProgram(w.lite)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := wechat.NewOfficialAccount(w.pub)
	if err != nil {
		t.Fatal(err)
	}
	w.site.WeChat["wx_lite"] = func(ctx context.Context) error { _, err := lite.Exchange(ctx, "caddypay-check"); return err }
	w.site.WeChat["wx_pub"] = func(ctx context.Context) error { _, err := pub.AccessToken(ctx); return err }
	return run(t.Context(), append(w.book.Checks(), w.site.Checks()...), time.Minute, time.Minute)
}

// All is well with the demo's world.
func TestNothingIsPlanted(t *testing.T) {
	found := newWorld(t, nil).look(t)
	if n := len(outcome(found, OK)); n != len(found) || n < 18 {
		t.Errorf("%d of %d are well:%s", n, len(found), show(found))
	}
}

// Every fault is named by exactly one finding.
func TestPlantedFaults(t *testing.T) {
	other := func(status int) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
	}
	for _, tt := range []struct {
		name, id string
		says     string
		plant    func(http.Handler) http.Handler
		change   func(*world)
	}{
		{"the pair is swapped", "signing-key", "not that of signing_key", nil, func(w *world) { w.pingpp.SigningKey, w.site.Own = otherKey(), &otherKey().PublicKey }},
		{"own key pasted as Ping++'s", "webhook-key", "your own public key", nil, func(w *world) { w.site.Webhook = []*rsa.PublicKey{&ownKey().PublicKey} }},
		{"another's key as Ping++'s", "webhook-key", "not Ping++'s", nil, func(w *world) { w.site.Own = nil; w.site.Webhook = []*rsa.PublicKey{&ownKey().PublicKey} }},
		{"a key that Ping++ does not know", "pingpp-key", "refuses the key", nil, func(w *world) { w.pingpp.Key = redact.New("sk_test_Mark9876543210") }},
		{"test key on a live site", "mode", "test key on a live site", nil, func(w *world) { w.site.LiveToo = true }},
		{"clock", "clock", "off Ping++'s", nil, func(w *world) {
			w.site.Now = func() time.Time { return time.Now().Add(20 * time.Minute) }
			w.pingpp.Now, w.swept = w.site.Now, w.site.Now()
		}},
		{"Ping++ out of reach", "pingpp", "cannot be reached", nil, func(w *world) {
			w.pingpp.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: noDial}
		}},
		{"AppSecret", "wechat-secret", "refuses the AppSecret (40125)", nil, func(w *world) { w.lite.Secret = redact.New(strings.Repeat("0", 32)) }},
		{"AppID", "wechat-secret", "does not know the AppID (40013)", nil, func(w *world) { w.pub.AppID = "wx0000000000000000" }},
		{"IP whitelist", "wechat-ip", "IP whitelist", nil, func(w *world) {
			w.pub.Transport = saying(`{"errcode":40164,"errmsg":"invalid ip 203.0.113.7, not in whitelist"}`)
		}},
		{"WeChat out of reach", "wechat", "WeChat cannot be reached", nil, func(w *world) { w.lite.Transport = &http.Transport{DialContext: noDial} }},
		{"no events", "config", "stay pending", nil, func(w *world) { w.site.Delivered = false }},
		{"webhook URL not served", "webhook-url", "something else than pay answers", nil, func(w *world) { w.door = other(200) }},
		{"webhook URL on a closed port", "webhook-url", "does not serve", nil, func(w *world) {
			w.site.Door.Listen = closedPort(t)
			w.site.Door.URL = "http://shop.test/pay/webhooks"
			w.site.Door.Outside = false
		}},
		{"webhook URL leads elsewhere", "webhook-url", "leads elsewhere", nil, func(w *world) {
			srv := httptest.NewTLSServer(other(200))
			t.Cleanup(srv.Close)
			w.site.Door.URL = srv.URL
		}},
		{"plain HTTP in front", "webhook-url", "plain HTTP", nil, func(w *world) {
			door := w.door
			w.door = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				door.ServeHTTP(httptest.NewRecorder(), r)
				rw.WriteHeader(http.StatusForbidden)
			})
		}},
		{"certificate of nobody's", "certificate", "no authority that the world trusts", nil, func(w *world) { w.site.Door.Roots = nil }},
		{"certificate ended", "certificate", "ended on", nil, func(w *world) { w.shown(t, time.Now().Add(-time.Hour)) }},
		{"backend redirects", "backend-redirect", `302 to "/login"`, answering(quotes, always, 302, ""), nil},
		{"backend's token differs", "backend-refuses", "does it compare X-Pay-Token", nil, func(w *world) { w.stand.prices.Backend.Token = redact.New(strings.Repeat("y", 32)) }},
		{"backend is live", "backend-refuses", "wrong X-Pay-Mode", header(quotes, "X-Pay-Mode", "live"), nil},
		{"backend shows a page", "backend-quote", "not JSON", answering(quotes, always, 200, "<html>"), nil},
		{"backend fails", "backend-quote", "answered 500", answering(quotes, always, 500, ""), nil},
		{"backend down", "backend-reach", "cannot be reached", nil, func(w *world) { w.stand.prices.Backend.RoundTripper = nowhere(t) }},
		{"ledger not writable", "ledger-write", "no space left", nil, func(w *world) {
			w.book.Write = func(context.Context) error { return errors.New("no space left on device") }
		}},
		{"disk full", "disk", "as good as full", nil, func(w *world) { w.book.Free = func() (int64, error) { return 10 << 20, nil } }},
		{"disk full tomorrow", "disk", "as good as full", nil, func(w *world) { w.book.Grown = func() (int64, time.Duration) { return 10 << 30, 2 * time.Hour } }},
		{"-wal grows", "wal", "sqlite3, pid 4711", nil, func(w *world) {
			w.book.Sizes = func() (int64, int64, error) { return 46 << 20, 1479 << 20, nil }
			w.book.Users = func() []User { return []User{{4711, "sqlite3", time.Now(), false}} }
		}},
		{"Caddy started twice", "ledger-users", "another process (caddy, pid 4711, started ", nil, func(w *world) {
			w.book.Since = time.Now().Add(-HandOver - time.Second)
			w.book.Users = func() []User {
				return []User{{4710, "sqlite3", w.book.Since, false}, {4711, "caddy", w.book.Since, true}}
			}
		}},
		{"two caddypays at one port", "webhook-url", "another process of caddypay listens for", nil, func(w *world) { w.door = twin }},
		{"the domain leads to another caddypay", "webhook-url", "another process of caddypay than this one answers", nil, func(w *world) {
			srv := httptest.NewTLSServer(twin)
			t.Cleanup(srv.Close)
			w.site.Door.URL = srv.URL
		}},
		{"network file system", "file-system", "is on NFS", nil, func(w *world) { w.book.Kind = "NFS" }},
		{"no sweep", "sweep", "only up to", nil, func(w *world) { w.swept = time.Now().Add(-60 * time.Hour) }},
		{"dead events", "events-dead", "2 events were given up", nil, func(w *world) { w.figure.Dead = 2 }},
		{"held payments", "events-held", "3 payments are held", nil, func(w *world) { w.figure.Held = 3 }},
		{"events wait", "events-pending", "(¥19.99 at risk): your backend answered 302 to /login", nil, func(w *world) {
			w.figure = Figures{AtRisk: 1999, Pending: 7, OldestPending: time.Now().Add(-time.Hour), LastError: "your backend answered 302 to /login"}
		}},
		{"an event was refused just now", "events-pending", "did not take an event that waits: your backend answered 403", nil, func(w *world) {
			w.figure = Figures{Pending: 1, OldestPending: time.Now(), LastError: "your backend answered 403", Refused: true}
		}},
		{"a person has paused it", "delivery-paused", "by alice", nil, func(w *world) {
			w.figure = Figures{Pending: 7, OldestPending: time.Now().Add(-time.Hour), Paused: time.Now().Add(-time.Hour), PausedBy: "alice"}
		}},
		{"webhooks are silent", "webhooks-silent", "none by a webhook", nil, func(w *world) { w.figure.Queries = 4 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.plant)
			if tt.change != nil {
				tt.change(w)
			}
			found := w.look(t)
			bad := append(outcome(found, Fail), outcome(found, Warn)...)
			if !slices.Equal(bad, []string{tt.id}) {
				t.Fatalf("found %q, not %s:%s", bad, tt.id, show(found))
			}
			f := found[slices.IndexFunc(found, func(f Finding) bool { return f.ID == tt.id && f.Result != OK })]
			if !strings.Contains(f.Text.EN, tt.says) || f.Text.ZH == "" || f.Fix.EN == "" || f.Fix.ZH == "" {
				t.Errorf("it says %q (%q); fix %q (%q)", f.Text.EN, f.Text.ZH, f.Fix.EN, f.Fix.ZH)
			}
			for _, f := range found {
				said := f.Text.EN + f.Text.ZH + f.Fix.EN + f.Fix.ZH + strings.Join(f.Commands, "")
				for _, never := range []string{"%!", shopToken, weixinSecret, w.pingpp.Key.Reveal()} {
					if strings.Contains(said, never) {
						t.Errorf("%s says %s", f.ID, said)
					}
				}
			}
		})
	}
}

// twin is the webhook's URL at another process of caddypay.
var twin = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set(KnockHeader, KnockUnknown)
	rw.WriteHeader(http.StatusUnauthorized)
})

// One Caddy that takes the other's place has the ledger open beside it, for a while, whichever of the two is asked; and nodes that share a database answer for
// each other.
func TestOthersAreWelcome(t *testing.T) {
	w := newWorld(t, nil)
	long, now := time.Now().Add(-time.Hour), time.Now()
	for _, since := range [][2]time.Time{{long, now}, {now, long}} {
		w.book.Since = since[0]
		w.book.Users = func() []User { return []User{{4711, "caddy", since[1], true}} }
		if found := w.look(t); len(outcome(found, OK)) != len(found) {
			t.Error(show(found))
		}
	}
	srv := httptest.NewTLSServer(twin)
	defer srv.Close()
	w.site.Door.URL, w.site.Door.Nodes = srv.URL, true
	if found := w.look(t); !slices.Equal(outcome(found, Unknown), []string{"webhook-url"}) || len(outcome(found, Fail)) > 0 {
		t.Error(show(found))
	}
}

// shown gives the door a certificate that ends then.
func (w *world) shown(t *testing.T, end time.Time) {
	t.Helper()
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-90 * 24 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &ownKey().PublicKey, ownKey())
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.door.ServeHTTP(rw, r) }))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: ownKey()}}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	w.site.Door.URL, w.site.Door.Listen, w.site.Door.Roots = srv.URL+"/pay/webhooks", srv.Listener.Addr().String(), x509.NewCertPool()
	w.site.Door.Roots.AddCert(cert)
}

// A certificate that ends soon is a warning.
func TestCertificateEndsSoon(t *testing.T) {
	w := newWorld(t, nil)
	w.shown(t, time.Now().Add(9*24*time.Hour))
	if found := w.look(t); !slices.Equal(outcome(found, Warn), []string{"certificate"}) || len(outcome(found, Fail)) > 0 {
		t.Error(show(found))
	}
}

// saying is a WeChat that has one answer.
type saying string

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	_, _ = rec.WriteString(string(s))
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func noDial(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("network is unreachable")}
}

func closedPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
