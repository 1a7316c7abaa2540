package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddypay/caddypay/sandbox"
)

// mayHold is all that is meant to be where a secret or a whole id stands. Nothing else may hold any.
var mayHold = map[string][]string{
	"site POST /pay/openid":        {"a whole openid", "a session"},    // the payer's own, answered to the payer
	"site POST /pay/charges":       {"a whole openid", "a credential"}, // Ping++'s charge, byte for byte, to its own payer
	"site GET /pay/oauth/callback": {"a session"},                      // the cookie of the browser that began the round
	"site GET /members/":           {"a whole openid", "a unionid"},    // the backend's own page, which echoes X-WX-OPENID
	"site GET /shop":               {"a whole openid", "a unionid"},    // likewise
	"backend /":                    {"a whole openid", "a unionid"},    // X-WX-OPENID and X-WX-UNIONID, the body of an event, who has logged in
	"backend /internal/pay/":       {"the backend token"},              // X-Pay-Token
	"backend /internal/pay/events": {"a credential"},                   // Ping++'s event as it came
	"file ledger.db":               {"a whole openid", "a credential"}, // what has to be kept; mode 0600
}

// outputs are all texts that came out of Caddy, by where they came out.
type outputs struct {
	mu  sync.Mutex
	all []output
}

type output struct{ where, text string }

func (o *outputs) add(where, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, output{where, text})
}

// recording is a transport whose answers are outputs, if they are Caddy's.
type recording struct {
	http.RoundTripper
	who  string
	host string
	to   *outputs
}

func (rec *recording) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := rec.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if r.URL.Host != rec.host {
		return resp, nil
	}
	dump, err := httputil.DumpResponse(resp, true)
	if err != nil {
		return nil, err
	}
	rec.to.add(rec.who+" "+r.Method+" "+r.URL.Path, string(dump))
	return resp, nil
}

// leaky is a whole shop, of which everything that comes out is recorded.
type leaky struct {
	*stage
	outputs
	operator *http.Client // whom the console knows
	chat     *sink
}

// learn adds what WeChat and Ping++ have answered to the secrets.
func (s *leaky) learn() {
	names := map[string]string{
		"session_key": "a session_key", "access_token": "an access token", "refresh_token": "a refresh token", "ticket": "a ticket", "openid": "a whole openid",
		"unionid": "a unionid", "open_id": "a whole openid", "paySign": "a credential", "package": "a credential",
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				if text, ok := member.(string); ok && names[name] != "" && len(text) > 7 {
					s.keepSecret(text, names[name])
				}
				walk(member)
			}
		case []any:
			for _, member := range v {
				walk(member)
			}
		}
	}
	s.outside.mu.Lock()
	defer s.outside.mu.Unlock()
	for _, answers := range s.outside.answers {
		for _, raw := range answers {
			var v any
			if json.Unmarshal(raw, &v) == nil {
				walk(v)
			}
		}
	}
}

// search looks for every secret, as it is and in the forms that it may have taken, in everything that came out.
func (s *leaky) search() {
	s.t.Helper()
	s.stage.mu.Lock()
	defer s.stage.mu.Unlock()
	kinds := make(map[string]int)
	for secret, what := range s.secrets {
		kinds[what]++
		quoted, _ := json.Marshal(secret)
		for _, form := range []string{secret, url.QueryEscape(secret), string(quoted[1 : len(quoted)-1]), base64.StdEncoding.EncodeToString([]byte(secret))} {
			for _, o := range s.all {
				i := strings.Index(o.text, form)
				if i < 0 || allowed(o.where, what) {
					continue
				}
				s.t.Errorf("%s holds %s: …%s…", o.where, what, strings.ReplaceAll(o.text[max(0, i-200):min(len(o.text), i+len(form)+60)], form, "«"+what+"»"))
			}
		}
	}
	for _, what := range []string{
		"the test key", "the live key", "the signing key", "the AppSecret", "the official account's AppSecret", "the backend token", "the merchant token", "the events secret",
		"the session key", "the chat's key", "the chat's secret", "a login code", "a session_key", "an access token", "a ticket", "a whole openid", "a unionid", "a session", "a credential",
	} {
		if kinds[what] == 0 {
			s.t.Errorf("the run had nothing that was %s", what)
		}
	}
}

func allowed(where, what string) bool {
	for prefix, kinds := range mayHold {
		if strings.HasPrefix(where, prefix) && slices.Contains(kinds, what) {
			return true
		}
	}
	return false
}

// sink takes what is posted to it.
type sink struct {
	mu     sync.Mutex
	bodies []string
}

func (k *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bodies = append(k.bodies, string(body))
	_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
}

func (k *sink) got() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.bodies)
}

// example is a snippet of Caddyfile.example: the filter that it tells to use.
func example(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	snippet := regexp.MustCompile(`(?ms)^\(` + name + `\) \{\n.*?^\}\n`).Find(raw)
	if snippet == nil {
		t.Fatalf("Caddyfile.example has no snippet %s", name)
	}
	return string(snippet)
}

// recordBackend makes an output of all that the backend is sent.
func (s *leaky) recordBackend() {
	ordinary := s.backend.Config.Handler
	s.backend.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.add("backend "+r.URL.Path, fmt.Sprint(r.RequestURI, r.Header, string(body)))
		ordinary.ServeHTTP(w, r)
	})
}

// enter logs a user of the mini program in.
func (s *leaky) enter(openid, unionid string) (session string) {
	s.t.Helper()
	var made struct{ Code string }
	a, err := s.try(http.DefaultClient, "POST", s.outside.URL+"/sandbox/wechat/codes", map[string]string{"openid": openid, "unionid": unionid})
	if err != nil {
		s.t.Fatal(err)
	}
	a.into(s.t, &made)
	s.keepSecret(made.Code, "a login code")
	s.keepSecret(openid, "a whole openid")
	if unionid != "" {
		s.keepSecret(unionid, "a unionid")
	}
	var got struct{ Session string }
	b := s.call("POST", "/pay/openid", map[string]string{"code": made.Code})
	if b.into(s.t, &got); b.StatusCode != http.StatusOK || got.Session == "" {
		s.t.Fatalf("login: %s", b)
	}
	s.keepSecret(got.Session, "a session")
	return got.Session
}

// fail makes WeChat or Ping++ fail the next calls.
func (s *leaky) fail(on, name string) {
	s.t.Helper()
	if err := s.box.SetFault(on, name, 1); err != nil {
		s.t.Fatal(err)
	}
}

var webUser = sandbox.WebUser{OpenID: "oLeakWebUser0000000000000001", UnionID: "oLeakWebUnion000000000000001"}
