package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

func TestOpenidTakesACodeAnyWay(t *testing.T) {
	w := newWorld(t)
	for name, send := range map[string]func(code string) answer{
		"GET":        func(c string) answer { return w.do("GET", "/pay/openid?code="+c, "") },
		"POST query": func(c string) answer { return w.do("POST", "/pay/openid?code="+c, "") },
		"POST JSON":  func(c string) answer { return w.do("POST", "/pay/openid", `{"code":"`+c+`"}`) },
		"POST JSON utf-8": func(c string) answer {
			return w.do("POST", "/pay/openid", `{"code":"`+c+`"}`, "Content-Type", "application/json; charset=utf-8")
		},
	} {
		t.Run(name, func(t *testing.T) {
			code := w.sandbox.NewCode(payer)
			w.hide(code)
			a := send(code)
			if a.status != 200 || a.text("openid") != payer || a.text("session") == "" {
				t.Fatalf("answered %d %s", a.status, a.body)
			}
			if seconds := a.field("expires_in").(float64); seconds < 7198 || seconds > 7200 {
				t.Errorf("expires_in is %v", seconds)
			}
			var members map[string]any
			if _ = json.Unmarshal(a.body, &members); len(members) != 3 {
				t.Errorf("the answer has other members: %s", a.body)
			}
			if a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
			}
			w.hide(a.text("session"))
		})
	}
}

func TestOpenidRefuses(t *testing.T) {
	w := newWorld(t)
	plain := httptest.NewServer(w.handler(w.site))
	defer plain.Close()
	for _, c := range []struct {
		name   string
		answer answer
		status int
		code   string
	}{
		{"no code", w.do("GET", "/pay/openid", ""), 400, "code_missing"},
		{"empty code", w.do("GET", "/pay/openid?code=", ""), 400, "code_missing"},
		{"empty body", w.do("POST", "/pay/openid", ""), 400, "code_missing"},
		{"no code in the body", w.do("POST", "/pay/openid", "{}"), 400, "code_missing"},
		{"null code", w.do("POST", "/pay/openid", `{"code":null}`), 400, "code_missing"},
		{"code is a number", w.do("POST", "/pay/openid", `{"code":1}`), 400, "json_invalid"},
		{"two codes", w.do("POST", "/pay/openid", `{"code":"a","code":"b"}`), 400, "json_invalid"},
		{"form", w.do("POST", "/pay/openid", "code=a", "Content-Type", "application/x-www-form-urlencoded"), 415, "content_type"},
		{"large", w.do("POST", "/pay/openid", `{"code":"`+strings.Repeat("a", 4<<10)+`"}`), 413, "too_large"},
		{"foreign code", w.do("GET", "/pay/openid?code=0nobodysCode", ""), 401, "code_invalid"},
		{"garbage", w.do("GET", "/pay/openid?code=%00%ff%0a", ""), 401, "code_invalid"},
		{"long", w.do("GET", "/pay/openid?code="+strings.Repeat("a", 5000), ""), 401, "code_invalid"},
		{"PUT", w.do("PUT", "/pay/openid?code=a", ""), 405, "method_not_allowed"},
		{"plain HTTP", w.doAt(plain, "GET", "/pay/openid?code=a", ""), 403, "https_required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantProblem(t, c.answer, c.status, c.code)
			if c.status == 405 && c.answer.header.Get("Allow") != "GET, POST" {
				t.Errorf("Allow %q", c.answer.header.Get("Allow"))
			}
		})
	}
	if n := w.calls("jscode2session"); n != 1 {
		t.Errorf("WeChat was asked %d times, want only for the code that could be one", n)
	}
}

func TestUsedCodeGivesTheSameIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.newSite(w.openLedger(), zap.NewNop()) // another process
	second := httptest.NewTLSServer(w.handler(other))
	defer second.Close()
	code := w.sandbox.NewCode(payer)
	w.hide(code)
	first := w.do("GET", "/pay/openid?code="+code, "")
	w.clock.Add(time.Hour)
	for _, s := range []*httptest.Server{w.server, second} {
		a, err := s.Client().Get(s.URL + "/pay/openid?code=" + code)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			OpenID    string `json:"openid"`
			Session   string `json:"session"`
			ExpiresIn int64  `json:"expires_in"`
		}
		if err := json.NewDecoder(a.Body).Decode(&got); err != nil || got.OpenID != payer {
			t.Errorf("the used code gave %v, %v", got, err)
		}
		a.Body.Close()
		s.Client().CloseIdleConnections()
		if got.ExpiresIn > 3600 {
			t.Errorf("a used code prolongs the session: %d s", got.ExpiresIn)
		}
		w.hide(got.Session)
	}
	if n := w.calls("jscode2session"); n != 1 || first.status != 200 {
		t.Errorf("WeChat was asked %d times, the first answer was %d", n, first.status)
	}
	w.clock.Add(time.Hour) // the session's time is over
	wantProblem(t, w.do("GET", "/pay/openid?code="+code, ""), 401, "code_invalid")

	w.sessionKeys = [][]byte{newSessionKey()} // who has other keys does not know the user either
	code = w.sandbox.NewCode(payer)
	w.do("GET", "/pay/openid?code="+code, "")
	w.config.Sessions.Keys = w.newConfig(w.ledger, zap.NewNop()).Sessions.Keys
	wantProblem(t, w.do("GET", "/pay/openid?code="+code, ""), 401, "code_invalid")
}

func TestRotatedKeyStillKnowsTheCode(t *testing.T) {
	w := newWorld(t)
	code := w.sandbox.NewCode(payer)
	w.do("GET", "/pay/openid?code="+code, "")
	w.sessionKeys = append([][]byte{newSessionKey()}, w.sessionKeys...)
	w.config.Sessions.Keys = w.newConfig(w.ledger, zap.NewNop()).Sessions.Keys
	if a := w.do("GET", "/pay/openid?code="+code, ""); a.status != 200 || a.text("openid") != payer {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

func TestParallelCallsExchangeOnce(t *testing.T) {
	for name, c := range map[string]struct{ processes, exchanges int }{
		"one process":   {1, 1},
		"two processes": {2, 2}, // the second may ask too, and learns that the code is used
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			servers := []*httptest.Server{w.server}
			if c.processes == 2 {
				second := httptest.NewTLSServer(w.handler(w.newSite(w.openLedger(), zap.NewNop())))
				defer second.Close()
				servers = append(servers, second)
			}
			code := w.sandbox.NewCode(payer)
			w.hide(code)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					if a := w.doAt(servers[i%c.processes], "GET", "/pay/openid?code="+code, ""); a.status != 200 || a.text("openid") != payer {
						t.Errorf("answered %d %s", a.status, a.body)
					}
				})
			}
			wg.Wait()
			if n := w.calls("jscode2session"); n > c.exchanges {
				t.Errorf("WeChat was asked %d times", n)
			}
		})
	}
}

func TestWeChatErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		fault  string
		status int
		code   string
		retry  string
	}{
		{"-1", 503, "wechat_busy", "2"},
		{"45011", 503, "wechat_busy", "20"},
		{"40029", 401, "code_invalid", ""},
		{"40163", 401, "code_invalid", ""},
		{"42003", 401, "code_invalid", ""},
		{"40226", 403, "wechat_blocked", ""},
		{"40013", 502, "wechat_misconfigured", ""},
		{"40125", 502, "wechat_misconfigured", ""},
		{"40243", 502, "wechat_misconfigured", ""},
		{"41002", 502, "wechat_misconfigured", ""},
		{"41004", 502, "wechat_misconfigured", ""},
		{"40066", 502, "wechat_misconfigured", ""},
		{"48001", 502, "wechat_rejected", ""},
		{"502", 502, "wechat_unavailable", ""},
		{"500", 502, "wechat_unavailable", ""},
		{"200_null", 502, "wechat_unavailable", ""},
		{"200_html", 502, "wechat_unavailable", ""},
		{"empty", 502, "wechat_unavailable", ""},
		{"drop", 502, "wechat_unavailable", ""},
		{"truncate", 502, "wechat_unavailable", ""},
		{"endless", 502, "wechat_unavailable", ""},
	} {
		t.Run(c.fault, func(t *testing.T) {
			w.fault("jscode2session", c.fault, 1)
			code := w.sandbox.NewCode(payer)
			w.hide(code)
			a := w.do("GET", "/pay/openid?code="+code, "")
			wantProblem(t, a, c.status, c.code)
			if got := a.header.Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After %q, want %q", got, c.retry)
			}
		})
	}
	if a := w.do("GET", "/pay/openid?code="+w.sandbox.NewCode(payer), ""); a.status != 200 {
		t.Errorf("afterwards: %d %s", a.status, a.body)
	}
}

func TestNothingSecretIsAnswered(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/pay/openid", `{"code":"sandbox-somebody"}`)
	made, err := http.Post(w.outsideURL+"/sandbox/wechat/codes", "application/json", strings.NewReader(`{"openid":"`+payer+`","unionid":"uUNIONUNIONUNION"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer made.Body.Close()
	var code struct{ Code string }
	if err := json.NewDecoder(made.Body).Decode(&code); err != nil {
		t.Fatal(err)
	}
	b := w.do("GET", "/pay/openid?code="+code.Code, "")
	session := b.text("session")
	w.hide(code.Code, session, "uUNIONUNIONUNION")
	c := w.pay(session, "1001")
	if a.status != 200 || b.status != 200 || c.status != 201 {
		t.Fatalf("answered %d, %d, %d", a.status, b.status, c.status)
	}
	seen := 0
	for _, e := range w.outside.exchanges("/sns/") {
		var wx map[string]string
		if err := json.Unmarshal(e.got, &wx); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{wx["session_key"], "uUNIONUNIONUNION"} {
			if seen++; slices.ContainsFunc([]answer{a, b, c}, func(a answer) bool { return bytes.Contains(a.body, []byte(s)) }) {
				t.Errorf("an answer holds %q", s)
			}
		}
	}
	if seen != 4 {
		t.Errorf("%d secrets looked for, want 4", seen)
	}
	for _, e := range w.outside.exchanges("/v1/charges") {
		if bytes.Contains(e.sent, []byte("uUNION")) {
			t.Error("a unionid went to Ping++")
		}
	}
	got := w.backend.exchanges("/")[0].header
	if got.Get("X-WX-UNIONID") != "uUNIONUNIONUNION" {
		t.Errorf("the backend got the unionid %q", got.Get("X-WX-UNIONID"))
	}
}

func TestOpenidLogLine(t *testing.T) {
	w := newWorld(t)
	code := w.sandbox.NewCode(payer)
	w.hide(code, "codeInAChargePath", "codeInBrokenQuery")
	if a := w.do("HEAD", "/pay/openid?code="+code, ""); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD answered %d %s", a.status, a.body)
	}
	w.do("GET", "/pay/openid", "")
	w.do("GET", "/pay/charges/ch_1?code=codeInAChargePath", "")
	w.do("GET", "/pay/nowhere?code=codeInBrokenQuery;x=%zz", "")
	w.do("GET", "/pay/charges/ch_1?wait=1s", "")
	lines := w.logs.FilterMessage("handled request").All()
	if n := w.skipped.Load(); n != 4 || len(lines) != 4 {
		t.Fatalf("%d requests kept out of the server's log and %d lines of ours, want 4 and 4", n, len(lines))
	}
	m := lines[0].ContextMap()
	if m["method"] != "HEAD" || m["path"] != "/pay/openid" || m["status"] != int64(200) || m["client_ip"] != "192.0.2.7" {
		t.Errorf("our line: %v", m)
	}
	if m := lines[1].ContextMap(); m["status"] != int64(400) {
		t.Errorf("our line of a refusal: %v", m)
	}
}

func TestClosedLedgerWastesNoCode(t *testing.T) {
	w := newWorld(t)
	w.ledger.Close()
	wantProblem(t, w.do("GET", "/pay/openid?code="+w.sandbox.NewCode(payer), ""), 503, "ledger_unavailable")
	if n := w.calls("jscode2session"); n != 0 {
		t.Errorf("a code was wasted on a closed ledger: %d calls", n)
	}
}

// forgetful is a ledger whose disk is full.
type forgetful struct{ ledger.Ledger }

func (forgetful) SaveLogin(context.Context, ledger.Login) error {
	return errors.New("the disk is full")
}

func TestLoginThatCannotBeRemembered(t *testing.T) {
	w := newWorld(t)
	w.set(func(c *Config) {
		c.Ledger = func(context.Context) (ledger.Ledger, error) { return forgetful{w.ledger}, nil }
	})
	w.session(payer)
	if w.logs.FilterMessageSnippet("could not be remembered").Len() != 1 {
		t.Error("no warning")
	}
}

// The sentence that WeChat's developer tools give for a code reaches whoever is asked, which is the sandbox.
func TestCodeOfTheDeveloperTools(t *testing.T) {
	w := newWorld(t)
	for _, ask := range []func() answer{
		func() answer { return w.do("GET", "/pay/openid?code=the%20code%20is%20a%20mock%20one", "") },
		func() answer { return w.do("POST", "/pay/openid", `{"code":"the code is a mock one"}`) },
	} {
		if a := ask(); a.status != 200 || a.text("openid") == "" || a.text("session") == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}
