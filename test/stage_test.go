package test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/sandbox"
)

// stage is a merchant's world: Ping++ and WeChat (the sandbox), a backend, and Caddy with a site in front of it.
type stage struct {
	t       testing.TB
	dir     string
	port    int // of the site, HTTPS
	plain   int // of plain HTTP
	admin   int
	live    bool
	noTLS   bool   // url is the site over plain HTTP
	binary  string // what start runs
	box     *sandbox.Sandbox
	outside *outside
	backend *backend
	token   string // X-Pay-Token
	api     string // the merchant API's token
	secret  string // signs what the backend receives
	client  *http.Client
	caddy   *process

	mu      *sync.Mutex       // guards secrets
	secrets map[string]string // what no log may hold, and what it is
}

// newStage sets the stage; Caddy starts with start. In live mode the site has the sandbox's live key.
func newStage(t testing.TB, live bool) *stage {
	t.Helper()
	ports := freePorts(t, 3)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	s := &stage{
		t: t, dir: t.TempDir(), port: ports[0], plain: ports[1], admin: ports[2], live: live,
		backend: newBackend(t), token: rand.Text() + rand.Text(), api: rand.Text() + rand.Text(), secret: "whsec_" + base64.StdEncoding.EncodeToString(key),
		mu: new(sync.Mutex), secrets: make(map[string]string), binary: binary,
	}
	s.client = s.newClient(&http.Transport{ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 100})
	box, err := sandbox.New(sandbox.Config{
		MerchantKey: &merchantKey.PublicKey, SigningKey: pingppKey, Webhooks: []string{s.url("/pay/webhooks")},
		WebhookClient: s.newClient(&http.Transport{}), TimeScale: 1200, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.box = box
	t.Cleanup(box.Close)
	s.outside = newOutside(t, s)
	s.write("merchant.pem", privatePEM(t, merchantKey))
	s.write("pingpp.pub.pem", box.PublicKeyPEM())
	for value, what := range map[string]string{
		box.TestKey(): "the test key", box.LiveKey(): "the live key", box.WxLite().Secret: "the AppSecret",
		s.token: "the backend token", s.api: "the merchant token", s.secret: "the events secret", base64.StdEncoding.EncodeToString(key): "the events secret",
	} {
		s.keepSecret(value, what)
	}
	return s
}

// in is the stage for a subtest: what fails there is the subtest's.
func (s *stage) in(t testing.TB) *stage {
	sub := *s
	sub.t = t
	return &sub
}

// keepSecret notes what no log may hold.
func (s *stage) keepSecret(value, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[value] = what
}

func (s *stage) url(path string) string {
	if s.noTLS {
		return fmt.Sprintf("http://localhost:%d%s", s.plain, path)
	}
	return fmt.Sprintf("https://localhost:%d%s", s.port, path)
}

func (s *stage) scope() ledger.Scope {
	if s.live {
		return ledger.Scope{App: s.box.App(), Mode: ledger.Live}
	}
	return ledger.Scope{App: s.box.App(), Mode: ledger.Test}
}

func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) write(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.file(name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Pieces of a Caddyfile; fill puts this stage's values into them. The grace period is for reloads under load: an HTTP/2
// connection that came at the moment of a reload may stay with the old configuration, and without a grace period Caddy
// waits for it at exit for ever.
const (
	globalOptions = `{
	admin localhost:<admin>
	http_port <plain>
	https_port <port>
	local_certs
	skip_install_trust
	persist_config off
	grace_period 10s
	auto_https disable_redirects
	storage file_system <dir>/storage
	pay {
		ledger sqlite <dir>/ledger.db
	}
}
`
	accounts = `
	pingpp {
		app         <app>
		key         {env.PINGPP_KEY}
		signing_key <dir>/merchant.pem
		webhook_key <dir>/pingpp.pub.pem
		endpoint    <outside>
		timeout     5s
	}
	wechat wx_lite {
		app_id   <appid>
		secret   {env.WX_SECRET}
		endpoint <outside>
	}
	upstream <backend>
	backend_token {env.PAY_BACKEND_TOKEN}
	limits {
		address 1000000/s
		openid  1000000/s
		attempts 1000000
		app     1000000/s
		refused 1000000/s
	}
	orders GET /internal/pay/orders/{order_no} {
		max 2000000
	}
`
	events = `
	events POST /internal/pay/events {
		secret  {env.PAY_EVENTS_SECRET}
		timeout 15s
		retry   100ms 200ms 400ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s
	}
`
	merchantAPI = `
	merchant_api {
		token {env.PAY_MERCHANT_TOKEN}
	}
`
	payBlock = "pay {" + accounts + events + "}\n"

	// Caddy's access log shows the headers of requests to the site itself, so that one is taken out.
	plainSite = `
https://localhost:<port> {
	log {
		output stderr
		format filter {
			request>headers>X-Pay-Session delete
		}
	}
	<pay>
	reverse_proxy <backend>
}
`
)

// fill replaces <name> by this stage's values; <pay> is an ordinary pay block.
func (s *stage) fill(text string) string {
	return strings.NewReplacer("<port>", fmt.Sprint(s.port), "<plain>", fmt.Sprint(s.plain), "<admin>", fmt.Sprint(s.admin),
		"<dir>", s.dir, "<app>", s.box.App(), "<appid>", s.box.WxLite().AppID, "<outside>", s.outside.URL, "<backend>", s.backend.addr(),
	).Replace(strings.ReplaceAll(text, "<pay>", payBlock))
}

func (s *stage) env() []string {
	key := s.box.TestKey()
	if s.live {
		key = s.box.LiveKey()
	}
	return []string{"PINGPP_KEY=" + key, "WX_SECRET=" + s.box.WxLite().Secret, "PAY_BACKEND_TOKEN=" + s.token, "PAY_EVENTS_SECRET=" + s.secret, "PAY_MERCHANT_TOKEN=" + s.api}
}

// start runs Caddy with these sites, and waits until it answers.
func (s *stage) start(sites string) *stage {
	s.t.Helper()
	s.write("Caddyfile", []byte(s.fill(globalOptions+sites)))
	s.restart()
	return s
}

// restart runs Caddy with the Caddyfile as it is.
func (s *stage) restart() {
	s.t.Helper()
	p, err := spawnOther(s.binary, s.dir, s.env(), "run", "--config", s.file("Caddyfile"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.caddy = p
	s.t.Cleanup(func() { s.finish(p) })
	s.ready()
}

// ready waits until the site answers over HTTPS.
func (s *stage) ready() {
	s.t.Helper()
	eventually(s.t, shortly, func() error {
		if err := s.caddy.running(); err != nil {
			return &fatalError{err}
		}
		resp, err := s.client.Get(s.url("/pay/webhooks"))
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// finish stops a process, and looks at what it has logged.
func (s *stage) finish(p *process) {
	s.t.Helper()
	if p.running() == nil {
		p.stop(s.t)
	}
	log := p.log.String()
	checkRace(s.t, log)
	s.checkSecrets(log)
	if s.t.Failed() {
		s.t.Logf("Caddy's log ends with:\n%s", p.log.tail())
	}
}

// checkSecrets looks for secrets in a log. Lines of Caddy's reverse proxy are its own: about a backend that breaks off it
// shows the headers that it sent there.
func (s *stage) checkSecrets(all string) {
	s.t.Helper()
	var ours strings.Builder
	for line := range strings.Lines(all) {
		if !strings.Contains(line, `"logger":"http.handlers.reverse_proxy"`) {
			ours.WriteString(line)
		}
	}
	log := ours.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, what := range s.secrets {
		if i := strings.Index(log, value); i >= 0 {
			line := log[strings.LastIndexByte(log[:i], '\n')+1:]
			line, _, _ = strings.Cut(line, "\n")
			s.t.Errorf("the log holds %s:\n%.1500s", what, strings.ReplaceAll(line, value, "«"+what+"»"))
		}
	}
}

// ledger opens the site's ledger as a second process does.
func (s *stage) ledger() ledger.Ledger {
	s.t.Helper()
	l, err := sqlite.Open(context.Background(), sqlite.Options{File: s.file("ledger.db")})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = l.Close() })
	return l
}
