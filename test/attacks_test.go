package test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// attackedSite has four pay blocks whose sessions have the same key: what keeps them apart is what the sessions say.
const attackedSite = `
https://localhost:<port> {
	pay {` + fullBlock + sessionKey + `
		login POST /internal/pay/login
	}
	pay /live {<live>` + sessionKey + `}
	pay /app {<app2>` + sessionKey + `}
	pay /wechat {<wechat2>` + events + sessionKey + `}
	reverse_proxy <backend>
}
`

const sessionKey = `
	session {
		key <sessionkey>
	}
`

// attacked is a shop that somebody attacks.
type attacked struct {
	*stage
	second *sandbox.Sandbox // another mini program is at home there
	book   *book
}

// book is what the shop's backend knows of orders.
type book struct {
	mu     sync.Mutex
	quotes map[string]string // its JSON, where it is not an ordinary one for 100 fen
	asked  []http.Header     // of the requests for prices
}

// What attackers try with a whole site, over every protocol: each attempt is refused with its code, and nothing comes of it.
func TestAttacks(t *testing.T) {
	t.Parallel()
	var sites []*attacked
	for _, carrier := range carriers {
		sites = append(sites, newAttacked(t, carrier.name))
	}
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, s *attacked)
	}{
		{"price from the client", attackPrice},
		{"another user", attackUser},
		{"foreign session", attackWithForeignSession},
		{"unionid as open_id", attackWithUnionID},
		{"OAuth state", attackState},
		{"open redirect", attackRedirect},
		{"cross-site POST", attackFromAnotherSite},
		{"forced login", attackLogin},
		{"trusted headers", attackHeaders},
		{"private login path", attackLoginPath},
		{"old cheaper attempt", attackOldPrice},
		{"order numbers", attackOrderNo},
		{"JSON", attackJSON},
		{"prices in JSON", attackQuote},
		{"jssdk", attackJSSDK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, s := range sites {
				t.Run(carriers[i].name, func(t *testing.T) {
					in := *s
					in.stage = s.in(t)
					tt.run(t, &in)
				})
			}
		})
	}
}

// newAttacked makes a shop whose visitors all come over one protocol.
func newAttacked(t *testing.T, carrier string) *attacked {
	second, err := sandbox.New(sandbox.Config{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	elsewhere := httptest.NewServer(second)
	t.Cleanup(elsewhere.Close)
	s := &attacked{newStage(t, false), second, &book{quotes: make(map[string]string)}}
	s.client = s.over(carrier)
	ordinary := s.backend.Config.Handler
	s.backend.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if orderNo, ok := strings.CutPrefix(r.URL.Path, ordersPath); ok {
			s.book.mu.Lock()
			s.book.asked = append(s.book.asked, r.Header.Clone())
			quote := s.book.quotes[orderNo]
			s.book.mu.Unlock()
			if quote != "" {
				fmt.Fprint(w, quote)
				return
			}
		}
		ordinary.ServeHTTP(w, r)
	})
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	key := base64.StdEncoding.EncodeToString(raw)
	s.keepSecret(key, "the session key")
	s.keepSecret(second.WxLite().Secret, "an AppSecret")
	simple := strings.Replace(accounts, "timeout     5s", "timeout 5s", 1) // with the channels that need nothing more
	s.startFull(strings.NewReplacer("<sessionkey>", key,
		"<live>", strings.Replace(simple, "{env.PINGPP_KEY}", s.box.LiveKey(), 1),
		"<app2>", strings.Replace(simple, "<app>", "app_somebodyelses0", 1),
		"<wechat2>", strings.NewReplacer("<appid>", second.WxLite().AppID, "{env.WX_SECRET}\n\t\tendpoint <outside>", second.WxLite().Secret+"\n\t\tendpoint "+elsewhere.URL).Replace(simple),
	).Replace(attackedSite))
	return s
}

// quotes makes the backend answer for an order.
func (s *attacked) quotes(orderNo, answer string, values ...any) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.quotes[orderNo] = fmt.Sprintf(answer, values...)
}

// enter logs a mini program's user in.
func (s *attacked) enter(unionid string) (openid, session string) {
	s.t.Helper()
	openid = "oAttacked" + rand.Text()[:19]
	return openid, s.enterAt("/pay", s.outside.URL, openid, unionid)
}

// enterAt logs a user in at a pay block whose WeChat is at an address.
func (s *attacked) enterAt(prefix, wechat, openid, unionid string) (session string) {
	s.t.Helper()
	a, err := s.try(s.client, "POST", wechat+"/sandbox/wechat/codes", map[string]string{"openid": openid, "unionid": unionid})
	if err != nil {
		s.t.Fatal(err)
	}
	var made struct{ Code string }
	a.into(s.t, &made)
	var got struct{ OpenID, Session string }
	b := s.call("POST", prefix+"/openid", map[string]string{"code": made.Code})
	b.into(s.t, &got)
	if b.StatusCode != http.StatusOK || got.OpenID != openid || got.Session == "" {
		s.t.Fatalf("login at %s: %s", prefix, b)
	}
	for value, what := range map[string]string{made.Code: "a login code", openid: "a whole openid", got.Session: "a session"} {
		s.keepSecret(value, what)
	}
	return got.Session
}

// member is a browser inside WeChat whose user is logged in.
func (s *attacked) member() *http.Client {
	s.t.Helper()
	b := s.browser()
	if a := s.get(b, s.callback(b, "/pay/oauth/start")); a.StatusCode != http.StatusFound {
		s.t.Fatalf("login: %s", a)
	}
	return b
}

// order is the body of a request for a charge.
func order(orderNo, channel string) map[string]string {
	return map[string]string{"order_no": orderNo, "channel": channel}
}

// nothing runs attacks, and checks that nothing came of them: no charge, refund or reversal at Ping++, no attempt in the ledger, no
// event at the backend.
func (s *attacked) nothing(t *testing.T, attacks func(), orders ...string) {
	t.Helper()
	done := func() (n int) {
		for _, call := range []string{"create_charge", "create_refund", "reverse_charge"} {
			n += s.box.State(0).Calls[call]
		}
		return n
	}
	calls, heard := done(), len(s.backend.events(""))
	attacks()
	if n := done() - calls; n != 0 {
		t.Errorf("Ping++ was called %d times", n)
	}
	if n := len(s.backend.events("")) - heard; n != 0 {
		t.Errorf("the backend heard %d events", n)
	}
	l := s.ledger()
	for _, no := range orders {
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			if attempts, err := l.Attempts(t.Context(), ledger.Scope{App: s.box.App(), Mode: mode}, no); err != nil || len(attempts) != 0 {
				t.Errorf("the ledger has %d attempts of order %s, %v", len(attempts), no, err)
			}
		}
	}
}

// asks is how often the backend was asked for a price.
func (s *attacked) asks() int {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	return len(s.book.asked)
}

// refuses checks what was refused, and with which code.
func refuses(t *testing.T, what string, a *answer, status int, code string) {
	t.Helper()
	if a.StatusCode != status || a.code() != code || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s: %s\nwant %d %s, and no cookie", what, a, status, code)
	}
}
