package test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
	box     *sandbox.Sandbox
	outside *outside
	backend *backend
	token   string // X-Pay-Token
	secret  string // signs what the backend receives
	client  *http.Client
	caddy   *process

	mu      sync.Mutex
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
		backend: newBackend(t), token: rand.Text() + rand.Text(), secret: "whsec_" + base64.StdEncoding.EncodeToString(key),
		secrets: make(map[string]string),
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
		s.token: "the backend token", s.secret: "the events secret", base64.StdEncoding.EncodeToString(key): "the events secret",
	} {
		s.keepSecret(value, what)
	}
	return s
}

// keepSecret notes what no log may hold.
func (s *stage) keepSecret(value, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[value] = what
}

func (s *stage) url(path string) string { return fmt.Sprintf("https://localhost:%d%s", s.port, path) }

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

// Pieces of a Caddyfile; fill puts this stage's values into them.
const (
	globalOptions = `{
	admin localhost:<admin>
	http_port <plain>
	https_port <port>
	local_certs
	skip_install_trust
	persist_config off
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
	orders GET /internal/pay/orders/{order_no} {
		max 2000000
	}
`
	events = `
	events POST /internal/pay/events {
		secret  {env.PAY_EVENTS_SECRET}
		timeout 2s
		retry   100ms 200ms 400ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s
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
	return []string{"PINGPP_KEY=" + key, "WX_SECRET=" + s.box.WxLite().Secret, "PAY_BACKEND_TOKEN=" + s.token, "PAY_EVENTS_SECRET=" + s.secret}
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
	p, err := spawn(s.dir, s.env(), "run", "--config", s.file("Caddyfile"))
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
	eventually(s.t, 30*time.Second, func() error {
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

// newClient makes a client that trusts the local authority of this stage, which exists once Caddy runs.
func (s *stage) newClient(tr *http.Transport) *http.Client {
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: &trusting{root: s.file("storage/pki/authorities/local/root.crt"), tr: tr}, Timeout: 90 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// trusting reads its root certificate when it is first used.
type trusting struct {
	root string
	tr   *http.Transport

	mu    sync.Mutex
	ready bool
}

func (c *trusting) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := c.trust(); err != nil {
		return nil, err
	}
	return c.tr.RoundTrip(r)
}

func (c *trusting) trust() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready {
		return nil
	}
	pem, err := os.ReadFile(c.root)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("the root certificate is not there yet")
	}
	c.tr.TLSClientConfig, c.ready = &tls.Config{RootCAs: roots}, true
	return nil
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	Body []byte
}

// code is the problem's code, or "".
func (a *answer) code() string {
	var p struct{ Code string }
	if a.Header.Get("Content-Type") == "application/problem+json" {
		_ = json.Unmarshal(a.Body, &p)
	}
	return p.Code
}

func (a *answer) String() string {
	return fmt.Sprintf("%d %s %.300s", a.StatusCode, a.Header.Get("Content-Type"), a.Body)
}

// into decodes the body.
func (a *answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		t.Fatalf("%v in the answer %s", err, a)
	}
}

// call makes a request to the site. A body that is not []byte is sent as JSON; headers come in pairs.
func (s *stage) call(method, path string, body any, headers ...string) *answer {
	s.t.Helper()
	a, err := s.try(s.client, method, s.url(path), body, headers...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *stage) try(client *http.Client, method, url string, body any, headers ...string) (*answer, error) {
	raw, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Language", "en")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &answer{resp, got}, nil
}

// login makes a user with a session.
func (s *stage) login() (openid, session string) {
	s.t.Helper()
	code := s.box.NewCode("")
	s.keepSecret(code, "a login code")
	a := s.call("GET", "/pay/openid?code="+code, nil)
	var got struct {
		OpenID, Session string
		ExpiresIn       int `json:"expires_in"`
	}
	a.into(s.t, &got)
	if a.StatusCode != http.StatusOK || got.OpenID == "" || got.Session == "" {
		s.t.Fatalf("login: %s", a)
	}
	s.keepSecret(got.Session, "a session")
	return got.OpenID, got.Session
}

// charge starts the payment of an order.
func (s *stage) charge(session, orderNo string) *answer {
	s.t.Helper()
	return s.call("POST", "/pay/charges", map[string]string{"order_no": orderNo, "channel": "wx_lite"}, "X-Pay-Session", session)
}

// newCharge starts the payment of an order, and returns the charge's id.
func (s *stage) newCharge(session, orderNo string) string {
	s.t.Helper()
	a := s.charge(session, orderNo)
	var c struct{ ID string }
	a.into(s.t, &c)
	if a.StatusCode != http.StatusCreated || c.ID == "" {
		s.t.Fatalf("charge: %s", a)
	}
	return c.ID
}

// outside is Ping++ and WeChat as Caddy reaches them: the sandbox, with a record of what it answered.
type outside struct {
	*httptest.Server

	mu      sync.Mutex
	answers map[string][][]byte // by method and path
}

func newOutside(t testing.TB, s *stage) *outside {
	o := &outside{answers: make(map[string][][]byte)}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &tee{ResponseWriter: w}
		s.box.ServeHTTP(rec, r)
		o.mu.Lock()
		o.answers[r.Method+" "+r.URL.Path] = append(o.answers[r.Method+" "+r.URL.Path], rec.body.Bytes())
		o.mu.Unlock()
		var login struct {
			SessionKey string `json:"session_key"`
			OpenID     string `json:"openid"`
		}
		if r.URL.Path == "/sns/jscode2session" && json.Unmarshal(rec.body.Bytes(), &login) == nil && login.OpenID != "" {
			s.keepSecret(login.SessionKey, "a session_key")
			s.keepSecret(login.OpenID, "a whole openid")
		}
	}))
	t.Cleanup(o.Close)
	return o
}

// last is the latest answer to a call.
func (o *outside) last(call string) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.answers[call]
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// tee keeps a copy of a response's body.
type tee struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (w *tee) Write(p []byte) (int, error) {
	w.body.Write(p)
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *tee) Unwrap() http.ResponseWriter { return w.ResponseWriter }
