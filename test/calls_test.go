package test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// newClient makes a client that trusts the local authority of this stage, which exists once Caddy runs.
func (s *stage) newClient(tr *http.Transport) *http.Client {
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: &trusting{root: s.file("storage/pki/authorities/local/root.crt"), tr: tr}, Timeout: 90 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// over is a client that speaks one protocol with the site.
func (s *stage) over(carrier string) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 100}
	client := s.newClient(tr)
	switch carrier {
	case "h1":
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetHTTP1(true)
	case "h2":
		tr.ForceAttemptHTTP2 = true
	case "h3":
		h3 := new(http3.Transport)
		s.t.Cleanup(func() { _ = h3.Close() })
		client.Transport.(*trusting).h3 = h3
	}
	return client
}

// trusting reads its root certificate when it is first used.
type trusting struct {
	root string
	tr   *http.Transport
	h3   *http3.Transport // in its place over HTTPS; nil: none

	mu  sync.Mutex
	tls *tls.Config // once the root is there
}

func (c *trusting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		if err := c.trust(); err != nil {
			return nil, err
		}
		if c.h3 != nil {
			return c.h3.RoundTrip(r)
		}
	}
	return c.tr.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (c *trusting) CloseIdleConnections() { c.tr.CloseIdleConnections() }

func (c *trusting) trust() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tls != nil {
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
	c.tls = &tls.Config{RootCAs: roots}
	c.tr.TLSClientConfig = c.tls.Clone()
	if c.h3 != nil {
		c.h3.TLSClientConfig = c.tls.Clone()
	}
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

// browser is a client that keeps its cookies.
func (s *stage) browser() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := *s.client
	c.Jar = jar
	return &c
}

// inWeChat is what the browser inside WeChat says.
var inWeChat = []string{"User-Agent", "Mozilla/5.0 MicroMessenger/8.0", "Accept", "text/html"}

// get opens a page of the site, or an address, inside WeChat.
func (s *stage) get(browser *http.Client, address string) *answer {
	s.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = s.url(address)
	}
	a, err := s.try(browser, "GET", address, nil, inWeChat...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// follow goes where an answer sends the browser.
func (s *stage) follow(browser *http.Client, a *answer) *answer {
	s.t.Helper()
	if a.StatusCode != http.StatusFound {
		s.t.Fatalf("no redirect: %s", a)
	}
	return s.get(browser, a.Header.Get("Location"))
}

// callback opens a page that sends the browser to log in, and returns the address to which WeChat sends it back.
func (s *stage) callback(browser *http.Client, page string) string {
	s.t.Helper()
	a := s.get(browser, page)
	for range 3 {
		if address := a.Header.Get("Location"); strings.HasPrefix(address, s.url("/pay/oauth/callback?")) {
			u, err := url.Parse(address)
			if err != nil {
				s.t.Fatal(err)
			}
			s.keepSecret(u.Query().Get("code"), "a login code")
			return address
		}
		a = s.follow(browser, a)
	}
	s.t.Fatalf("WeChat does not send the browser back: %s", a)
	return ""
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

// answered reports whether a call was answered with these very bytes.
func (o *outside) answered(call string, body []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.answers[call], func(b []byte) bool { return bytes.Equal(b, body) })
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
