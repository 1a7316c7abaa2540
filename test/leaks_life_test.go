package test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddypay/caddypay/ledger"
)

// leakySite has everything that a secret can be in, with the filter of Caddyfile.example and every log at debug. All secrets are placeholders.
const leakySite = `<filter>
{
	debug
	admin localhost:<admin>
	http_port <plain>
	https_port <port>
	local_certs
	skip_install_trust
	grace_period 10s
	auto_https disable_redirects
	storage file_system <dir>/storage
	log {
		output stderr
		import nothing_secret
	}
	metrics
	pay {
		ledger sqlite <dir>/ledger.db
		notify wecom {env.PAY_CHAT_URL} {
			language en
		}
		notify dingtalk {env.PAY_DINGTALK_URL} {
			secret {env.PAY_DINGTALK_SECRET}
		}
	}
}

https://localhost:<port> {
	log {
		output file <dir>/access.log
		import nothing_secret
	}
	handle_path /ops/* {
		basic_auth {
			mark <hash>
		}
		pay_console
	}
	pay {` + accounts + merchantAPI + `
		wechat wx_pub {
			app_id   <pub>
			secret   {env.WX_PUB_SECRET}
			endpoint <outside>
		}
		session {
			key {env.PAY_SESSION_KEY}
		}
		login POST /internal/pay/login
		events POST /internal/pay/events {
			secret  {env.PAY_EVENTS_SECRET}
			expect  body success
			timeout 15s
			retry   50ms 50ms
		}
		reconcile {
			after 1s
		}
		checkout {
			channels   wx_pub wx_pub_qr alipay_qr
			return_url https://localhost:<port>/orders
		}
	}
	wechat_auth /members/*
	reverse_proxy <backend>
}
`

// After a whole life of a shop, with everything that can go wrong in it, no secret, login code, session_key, token or whole openid stands anywhere
// but where mayHold says: not in a log at any level, the admin API, /config/, autosave.json, metrics, the console, its files, what commands print, the
// messages to the chat, what others than its payer are answered, or what the adapter says of a wrong Caddyfile.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	s := newLeaky(t)
	s.payments()
	s.learn()
	s.operators()
	s.wrongCaddyfiles()
	eventually(t, 2*time.Minute, func() error {
		if n := len(s.chat.got()); n < 2 {
			return errorf("the chats were told %d messages", n)
		}
		return nil
	})
	for _, message := range s.chat.got() {
		s.add("chat", message)
	}
	for path, text := range map[string]string{"access.log": s.file("access.log"), "autosave.json": s.file("config/caddy/autosave.json"), "ledger.db": s.file("ledger.db")} {
		s.read(path, text)
	}
	if _, err := os.Stat(s.file("ledger.db-wal")); err == nil {
		s.read("ledger.db-wal", s.file("ledger.db-wal"))
	}
	s.caddy.stop(t)
	s.add("log", s.caddy.log.String())
	s.learn()
	s.search()
	s.sawAll()
}

func (s *leaky) read(name, file string) {
	s.t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) == 0 {
		s.t.Fatalf("%s: %d bytes, %v", name, len(raw), err)
	}
	s.add("file "+name, string(raw))
}

// sawAll checks that there was something to look at: a secret that is found nowhere because nothing was said proves nothing.
func (s *leaky) sawAll() {
	s.t.Helper()
	var seen strings.Builder
	for _, o := range s.all {
		if o.where == "log" || o.where == "file autosave.json" || strings.HasPrefix(o.where, "admin GET /config/") || strings.HasPrefix(o.where, "chat") {
			seen.WriteString(o.text)
		}
	}
	for _, want := range []string{`"level":"debug"`, `"msg":"login"`, `"msg":"charge created"`, `"msg":"webhook refused"`, `"msg":"money at risk"`, `"msg":"event delivered"`,
		`"msg":"upstream roundtrip"`, "{env.PINGPP_KEY}", "{env.PAY_DINGTALK_SECRET}", "no attempts are left"} {
		if !strings.Contains(seen.String(), want) {
			s.t.Errorf("nothing that was looked at has %s", want)
		}
	}
	placeholders := []string{"{env.PINGPP_KEY}", "{env.PINGPP_SIGNING}", "{env.WX_SECRET}", "{env.WX_PUB_SECRET}", "{env.PAY_BACKEND_TOKEN}", "{env.PAY_EVENTS_SECRET}",
		"{env.PAY_MERCHANT_TOKEN}", "{env.PAY_SESSION_KEY}", "{env.PAY_CHAT_URL}", "{env.PAY_DINGTALK_URL}", "{env.PAY_DINGTALK_SECRET}"}
	for _, o := range s.all {
		if o.where != "file autosave.json" && o.where != "admin GET /config/" {
			continue
		}
		for _, p := range placeholders {
			if !strings.Contains(o.text, p) {
				s.t.Errorf("%s has no %s", o.where, p)
			}
		}
	}
}

func newLeaky(t *testing.T) *leaky {
	t.Helper()
	s := &leaky{stage: newStage(t, false), chat: new(sink)}
	chat := httptest.NewServer(s.chat)
	t.Cleanup(chat.Close)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	sessionKey, chatKey, dingtalk := base64.StdEncoding.EncodeToString(key), rand.Text(), "SEC"+rand.Text()+rand.Text()
	block, _ := pem.Decode(privatePEM(t, merchantKey))
	inPEM := base64.StdEncoding.EncodeToString(block.Bytes)
	for value, what := range map[string]string{
		sessionKey: "the session key", dingtalk: "the chat's secret", chatKey: "the chat's key", s.box.WxPub().Secret: "the official account's AppSecret",
		inPEM[100:160]: "the signing key", // a part that no line end is in, as it stands in PEM text
	} {
		s.keepSecret(value, what)
	}
	password := rand.Text()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s.recordBackend()
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, _ *http.Request, h heard) {
			no := h.Header.Get("X-Pay-Order-No")
			switch {
			case strings.HasPrefix(no, "ECHO") && h.Nth == 1: // a backend in debug mode
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprintf(w, "Fatal error near %s", h.Body)
			case strings.HasPrefix(no, "DEAD"):
				w.Header().Set("Location", "/login")
				w.WriteHeader(http.StatusFound)
				fmt.Fprint(w, "<a href=/login?user=oLeakUser00000000000000000001>log in</a>")
			default:
				fmt.Fprint(w, "success")
			}
		}
		s.backend.quote = func(orderNo string) (int, any) {
			if strings.HasPrefix(orderNo, "DOWN") {
				return http.StatusInternalServerError, map[string]any{"error": "no price for oLeakUser00000000000000000001"}
			}
			return http.StatusOK, map[string]any{"order_no": orderNo, "amount": 100, "subject": "Tea"}
		}
	})
	ordinary := s.backend.onSite
	s.backend.onSite = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/internal/pay/login" {
			fmt.Fprint(w, `{"user":7}`)
			return
		}
		ordinary(w, r)
	}
	s.client.Transport = &recording{s.client.Transport, "site", fmt.Sprintf("localhost:%d", s.port), &s.outputs}
	file := strings.NewReplacer("<filter>", example(t, "nothing_secret"), "<pub>", s.box.WxPub().AppID, "<hash>", string(hash),
		"<dir>/merchant.pem", "{env.PINGPP_SIGNING}").Replace(leakySite)
	s.write("Caddyfile", []byte(s.fill(file)))
	env := append(s.env(), "PINGPP_SIGNING="+string(privatePEM(t, merchantKey)), "WX_PUB_SECRET="+s.box.WxPub().Secret, "PAY_SESSION_KEY="+sessionKey,
		"PAY_CHAT_URL="+chat.URL+"/cgi-bin/webhook/send?key="+chatKey, "PAY_DINGTALK_URL="+chat.URL+"/robot/send?access_token="+chatKey, "PAY_DINGTALK_SECRET="+dingtalk)
	p, err := spawn(s.dir, env, "run", "--config", s.file("Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	s.caddy = p
	t.Cleanup(func() { s.finish(p) })
	s.ready()
	operator := *s.client
	operator.Transport = &signed{operator.Transport, password}
	s.operator = &operator
	return s
}

// signed is the transport of somebody who has logged in.
type signed struct {
	http.RoundTripper
	password string
}

func (b *signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth("mark", b.password)
	return b.RoundTripper.RoundTrip(r)
}

// payments is the life of the shop: logins, payments, refunds, and what goes wrong.
func (s *leaky) payments() {
	t := s.t
	t.Helper()
	const openid = "oLeakUser00000000000000000001"
	session := s.enter(openid, "oLeakUnion0000000000000000001")

	// Logins that fail.
	for _, fault := range []string{"40029", "40163", "40013", "40125", "-1", "45011", "502", "200_html", "200_null", "truncate", "drop"} {
		s.fail("jscode2session", fault)
		code := s.box.NewCode(openid)
		s.keepSecret(code, "a login code")
		s.call("POST", "/pay/openid?code="+code, nil)
	}
	s.box.ClearFaults()
	code := s.box.NewCode(openid)
	s.keepSecret(code, "a login code")
	s.call("POST", "/pay/charges", map[string]string{"order_no": "CODE1001", "channel": "wx_lite", "code": code})

	// Charges that fail, at the backend and at Ping++.
	s.charge(session, "DOWN1001")
	for i, fault := range []string{"400", "401", "402", "403", "429", "500", "502", "200_error", "200_null", "200_html", "truncate", "drop", "wrong_charge"} {
		s.fail("create_charge", fault)
		s.charge(session, fmt.Sprint("FAULT10", 10+i))
		s.box.ClearFaults()
	}
	s.call("POST", "/pay/charges", map[string]any{"order_no": "X", "channel": "wx_lite", "extra": map[string]string{"open_id": openid}}, "X-Pay-Session", session)
	s.call("POST", "/pay/charges", map[string]any{"order_no": "X", "channel": "wx_lite"}, "X-Pay-Session", session+"x")

	// Payments whose backend understands, echoes what it got, and never understands.
	for _, no := range []string{"FINE1001", "ECHO1001", "DEAD1001"} {
		id := s.newCharge(session, no)
		s.call("GET", "/pay/charges/"+id+"?client=success", nil, "X-Pay-Session", session)
		if err := s.box.Pay(id); err != nil {
			t.Fatal(err)
		}
		s.call("GET", "/pay/charges/"+id+"?wait=5s", nil, "X-Pay-Session", session)
		s.call("GET", "/pay/orders/"+no+"/state", nil, "X-Pay-Session", session)
	}
	asked := s.newCharge(session, "ASKED1001") // no webhook comes: it is asked for
	s.fail("webhook", "missing")
	if err := s.box.Pay(asked); err != nil {
		t.Fatal(err)
	}
	s.hears("ASKED1001", "charge.succeeded")
	held := s.newCharge(session, "HELD1001")
	wrong := s.payment(held, func(c map[string]any) {
		c["amount"] = 1
		c["extra"] = map[string]any{"open_id": openid}
		c["credential"] = map[string]any{"wx_lite": map[string]any{"paySign": "LeakPaySign0001"}}
		s.keepSecret("LeakPaySign0001", "a credential")
	})
	s.accept(wrong)
	bad := wrong
	bad.Signature = sign(t, strangerKey, wrong.Body)
	s.send("/pay/webhooks", bad)
	s.send("/pay/webhooks", webhook{Body: wrong.Body})
	l := s.ledger()
	s.awaitState(t, l, wrong.ID, ledger.Held)
	eventually(t, shortly, func() error {
		page, err := l.ListEvents(t.Context(), ledger.Filter{Scope: s.scope(), States: []ledger.State{ledger.Dead}})
		if err != nil || len(page.Rows) == 0 {
			return errorf("no event is dead: %v", err)
		}
		return nil
	})

	// What a merchant's backend asks.
	s.merchant("POST", "/pay/refunds", refund("FINE1001", "RF1", 30))
	s.hears("FINE1001", "charge.succeeded", "refund.succeeded")
	s.fail("refund", "failed")
	s.merchant("POST", "/pay/refunds", refund("FINE1001", "RF2", 30))
	s.fail("create_refund", "502")
	s.merchant("POST", "/pay/refunds", refund("ECHO1001", "RF3", 30))
	s.box.ClearFaults()
	for _, path := range []string{"/pay/refunds/RF1", "/pay/refunds/RF2", "/pay/orders/FINE1001", "/pay/orders/HELD1001", "/pay/orders/NONE1001"} {
		s.merchant("GET", path, nil)
	}
	s.merchant("POST", "/pay/charges/"+s.newCharge(session, "BACK1001")+"/reverse", nil)
	s.call("GET", "/pay/orders/FINE1001", nil, "Authorization", "Bearer "+s.token)
	stranger := s.enter("oLeakStranger0000000000000001", "")
	s.call("GET", "/pay/charges/"+held, nil, "X-Pay-Session", stranger)
	s.charge(stranger, "FINE1001")

	s.pages(session)
}

// pages are those that a browser sees, inside WeChat too.
func (s *leaky) pages(session string) {
	s.box.SetWebUser(webUser)
	s.keepSecret(webUser.OpenID, "a whole openid")
	s.keepSecret(webUser.UnionID, "a unionid")
	member := s.browser()
	callback := s.callback(member, "/members/1")
	s.follow(member, s.get(member, callback))
	s.get(s.browser(), callback) // somebody else's round
	site, _ := url.Parse(s.url("/"))
	for _, c := range member.Jar.Cookies(site) {
		if len(c.Value) > 100 {
			s.keepSecret(c.Value, "a session")
		}
	}
	for _, path := range []string{"/pay/jssdk?url=" + url.QueryEscape(s.url("/members/1")), "/pay/checkout?order_no=WEB1001", "/pay/checkout?order_no=DOWN1001"} {
		s.get(member, path)
	}
	for _, on := range []string{"oauth_access_token", "getticket", "stable_token"} {
		s.fail(on, "40013")
		other := s.browser()
		s.get(other, s.callback(other, "/members/2"))
		s.get(member, "/pay/jssdk?url="+url.QueryEscape(s.url("/members/2")))
		s.box.ClearFaults()
	}
	s.call("GET", "/pay/checkout?order_no=WEB1002", nil, "Accept", "text/html")
	s.call("GET", "/members/3", nil, "X-Pay-Session", session)
	s.call("GET", "/members/4", nil)
	s.call("GET", "/shop", nil, "X-Pay-Session", session, "X-WX-OPENID", "forged")
	s.call("GET", "/pay/openid?code=wrongcode0123456789", nil)
	s.keepSecret("wrongcode0123456789", "a login code")
}
