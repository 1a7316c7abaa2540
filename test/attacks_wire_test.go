package test

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wireAttack is a request that no honest client sends, and what becomes of it. Whatever becomes of it, no shop sees what onlooker forbids.
type wireAttack struct {
	name string
	over string // the protocols that can say it; "": all
	letter
	want outcome
}

type outcome struct {
	asked  bool   // the shop gets the request
	known  bool   // and is told of the user
	code   string // the problem that answers instead; "" and not asked: any refusal, also the end of the stream
	either bool   // the shop may get it: it is harmless if read rightly, and harmful if not
}

var (
	passes      = outcome{asked: true}
	passesKnown = outcome{asked: true, known: true}
	refused     = outcome{}
	harmless    = outcome{either: true}
)

func answered(code string) outcome { return outcome{code: code} }

// visitors are the ways in which one user is known.
type visitors struct{ openid, appid, session, cookie, pageOpenid, pageAppid string }

// The site before every kind of shop, over every protocol: a shop is never told what the client made up, nor what is ours alone.
func TestAttacksOnTheWire(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	shops := newShops(t)
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	key := base64.StdEncoding.EncodeToString(raw)
	s.keepSecret(key, "the session key")
	sites := plainSite
	for _, b := range shops {
		sites += b.site()
	}
	s.startFull(strings.ReplaceAll(strings.Replace(sites, "<pay>", "pay {"+fullBlock+sessionKey+"}", 1), "<sessionkey>", key))
	who := s.visitors()
	roots := s.trusted(t)
	for _, b := range shops {
		for _, carrier := range carriers {
			t.Run(b.name+"/"+carrier.name, func(t *testing.T) {
				for _, attack := range wireAttacks(b, who) {
					if attack.over == "" || slices.Contains(strings.Fields(attack.over), carrier.name) {
						attack.run(t, b, who, roots, carrier.send)
					}
				}
				wireAttack{name: "afterwards", want: passes}.run(t, b, who, roots, carrier.send)
			})
		}
	}
	// What was still on its way has come by now.
	s.caddy.stop(t)
	for _, b := range shops {
		for _, h := range b.got(t) {
			if err := who.onlooker(h); err != nil {
				t.Errorf("%s sees in the end %v\nin %v", b.name, err, h)
			}
		}
	}
}

// visitors makes a user of the mini program and one of the official account.
func (s *stage) visitors() visitors {
	s.t.Helper()
	openid, session := s.login()
	b := s.browser()
	s.get(b, s.callback(b, "/pay/oauth/start"))
	u, err := url.Parse(s.url("/"))
	if err != nil {
		s.t.Fatal(err)
	}
	who := visitors{openid: openid, appid: s.box.WxLite().AppID, session: session, pageAppid: s.box.WxPub().AppID}
	for _, c := range b.Jar.Cookies(u) {
		who.cookie = c.Name + "=" + c.Value
		s.keepSecret(c.Value, "a session")
	}
	var page seen
	s.get(b, "/shop").into(s.t, &page)
	if who.pageOpenid = page.Header.Get("X-Wx-Openid"); who.pageOpenid == "" || who.cookie == "" {
		s.t.Fatalf("the official account's user is not known: %v", page)
	}
	return who
}

func (a wireAttack) run(t *testing.T, b *shop, who visitors, roots *tls.Config, send func(string, *tls.Config, letter) reply) {
	t.Helper()
	if a.want.either {
		a.letter = a.elsewhere()
	}
	what := fmt.Sprintf("%s: %.200q", a.name, a.h1(b.address()))
	if a.pseudo != nil {
		what = fmt.Sprintf("%s: %.200q", a.name, a.heads(b.address()))
	}
	got := send(b.address(), roots, a.letter)
	if errors.Is(got.broken, errSilent) {
		t.Fatalf("%s: %s", what, got)
	}
	heard := b.got(t)
	for _, h := range heard {
		if err := who.onlooker(h); err != nil {
			t.Errorf("%s\nthe shop sees %v\nin %v", what, err, h)
		}
	}
	heard = slices.DeleteFunc(heard, func(h sighting) bool { return strings.HasPrefix(h.Target, harmlessPath) }) // they may come late
	switch {
	case a.want.either:
	case a.want.asked && (len(heard) != 1 || got.status != 200):
		t.Errorf("%s\nwas answered %s, and the shop has got %d requests", what, got, len(heard))
	case a.want.asked:
		if openid := heard[0].value("X-WX-OPENID"); (openid != "") != a.want.known {
			t.Errorf("%s\nthe shop is told of %q", what, openid)
		}
	case len(heard) != 0:
		t.Errorf("%s\nhas reached the shop: %v", what, heard)
	case a.want.code != "" && (got.status < 400 || !strings.Contains(got.body, fmt.Sprintf("%q", a.want.code))):
		t.Errorf("%s\nwas answered %s, want %s", what, got, a.want.code)
	case a.want.code == "" && got.status >= 200 && got.status < 400 && got.body != "":
		t.Errorf("%s\nwas answered %s", what, got)
	}
}

const harmlessPath = "/harmless"

// elsewhere is the same request to a path of its own.
func (l letter) elsewhere() letter {
	l.text = strings.Replace(l.text, " /shop ", " "+harmlessPath+" ", 1)
	l.pseudo = slices.Clone(l.pseudo)
	for i, value := range l.pseudo {
		if value == "/shop" {
			l.pseudo[i] = harmlessPath
		}
	}
	if l.path == "" {
		l.path = harmlessPath
	}
	return l
}

// readAs is the name under which CGI and its heirs have a header.
var mark = regexp.MustCompile(`[^A-Z0-9]`)

func readAs(name string) string {
	return strings.TrimPrefix(mark.ReplaceAllString(strings.ToUpper(name), "-"), "HTTP-")
}

// value is what a shop reads under a name.
func (h sighting) value(name string) string {
	for _, field := range h.Fields {
		if readAs(field[0]) == name {
			return field[1]
		}
	}
	return ""
}

// onlooker returns what a shop must never see; a body is the client's own.
func (w visitors) onlooker(h sighting) error {
	h.Body = ""
	for _, word := range []string{"evil", "internal/pay", w.session, w.cookie, strings.SplitN(w.cookie, "=", 2)[1]} {
		if strings.Contains(fmt.Sprint(h), word) {
			return errorf("%q", word)
		}
	}
	if len(h.Trailers) > 0 {
		return errorf("the trailers %v", h.Trailers)
	}
	for _, field := range h.Fields {
		name := readAs(field[0])
		if !strings.HasPrefix(name, "X-WX-") && !strings.HasPrefix(name, "X-PAY-") {
			continue
		}
		genuine := map[string][]string{"X-WX-OPENID": {w.openid, w.pageOpenid}, "X-WX-APPID": {w.appid, w.pageAppid}, "X-WX-SOURCE": {"wx_client"}}[name]
		if !slices.Contains(genuine, field[1]) {
			return errorf("%s: %q", field[0], field[1])
		}
	}
	return nil
}

func wireAttacks(b *shop, who visitors) (all []wireAttack) {
	add := func(name, over string, want outcome, l letter) {
		all = append(all, wireAttack{name, over, l, want})
	}
	forged := []string{"X-WX-OPENID", "evil", "x_wx_openid", "evil", "X-Wx_Openid", "evil", "x.wx.openid", "evil", "X~WX~OPENID", "evil", "X-WX-OPENID", "evil-too", "X-WX-", "evil",
		"X-Pay-Token", "evil", "X_PAY_TOKEN", "evil", "X-Pay-Mode", "evil", "x-pay-event", "evil", "X-Pay.Order_No", "evil", "X-WX-UNIONID", "evil", "X_WX_APPID", "evil"}
	session := []string{"X-Pay-Session", who.session}
	cookie := []string{"Cookie", "a=1; " + who.cookie + "; b=2"}

	add("nothing", "", passes, letter{})
	add("forged headers", "", passes, letter{fields: forged})
	add("forged headers and a session", "", passesKnown, letter{fields: append(session, forged...)})
	add("forged before a cookie", "", passesKnown, letter{fields: append(forged[:len(forged):len(forged)], cookie...)})
	add("a bearer", "", passesKnown, letter{fields: []string{"Authorization", "Bearer " + who.session}})
	add("two bearers", "", passesKnown, letter{fields: []string{"Authorization", "Bearer " + who.session, "Authorization", "Token token=\"" + who.session + "\""}})
	add("a cookie in crumbs", "", passesKnown, letter{fields: []string{"Cookie", "a=1", "Cookie", who.cookie, "Cookie", "b=2"}})
	add("two sessions", "", passes, letter{fields: []string{"X-Pay-Session", "evil", "X-Pay-Session", who.session}})
	add("a POST of another site", "", passes, letter{method: "POST", body: "a=b", fields: append(cookie, "Origin", "https://elsewhere.example")})
	add("a POST of this site", "", passesKnown, letter{method: "POST", body: "a=b", fields: append(cookie, "Origin", "https://"+b.address())})

	trailers := []string{"x-wx-openid", "evil", "x-pay-token", "evil", "x_wx_openid", "evil", "x-fine", "evil"}
	for _, declared := range [][]string{nil, {"Trailer", "X-WX-OPENID, X-Pay-Token"}, {"Trailer", "x-wx-openid", "Trailer", "x_wx_openid, x-fine", "TE", "trailers"}} {
		add("trailers", "", passes, letter{method: "POST", body: "body", fields: declared, trailers: trailers})
		add("trailers and a session", "", passesKnown, letter{method: "POST", body: "body", fields: append(declared[:len(declared):len(declared)], session...), trailers: trailers})
	}

	for _, names := range []string{"close, X-WX-OPENID", "x-wx-openid,x-wx-appid", "X-WX-Source, X-Pay-Session", "close, Cookie-2, x_wx_openid"} {
		add("Connection", "h1", passesKnown, letter{fields: append(session, "Connection", names)})
		add("Connection", "h2 h3", refused, letter{fields: append(session, "Connection", names)})
	}
	add("Connection names the session's cookie", "h1", harmless, letter{fields: append(cookie, "Connection", "cookie")})

	add("websocket of another site", "h1 h3", passes, letter{upgrade: true, fields: append(cookie, "Origin", "https://elsewhere.example")})
	add("websocket of nobody", "h1 h3", passes, letter{upgrade: true, fields: cookie})
	add("websocket of this site", "h1 h3", passesKnown, letter{upgrade: true, fields: append(cookie, "Origin", "https://"+b.address())})
	add("websocket, forged", "h1 h3", passes, letter{upgrade: true, fields: forged})
	add("websocket to a private path", "h1 h3", answered("not_found"), letter{upgrade: true, path: "/internal/pay/events"})
	add("websocket under the prefix", "h3", answered("method_not_allowed"), letter{upgrade: true, path: "/pay/webhooks"})
	add("extended CONNECT", "h2", refused, letter{upgrade: true, fields: cookie}) // the server has not said that it knows it
	add("extended CONNECT to something else", "h3", harmless, letter{pseudo: []string{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "https", ":authority", "<host>", ":path", "/shop"}, fields: forged})
	add("CONNECT", "h1", answered("target_invalid"), letter{method: "CONNECT", path: b.address()})
	add("CONNECT", "h2 h3", answered("target_invalid"), letter{pseudo: []string{":method", "CONNECT", ":authority", "<host>"}})

	for _, target := range privateTargets {
		add("private path", "", refused, letter{path: target})
		add("private path", "", refused, letter{method: "POST", path: target, body: "{}", fields: session})
	}
	for _, target := range []string{"/internal/pay/events", "/internal%2Fpay/events", "/shop/../internal/pay/orders/A1", "//internal/pay/events"} {
		add("private path", "", answered("not_found"), letter{path: target})
	}
	for _, target := range []string{"x:http://b/internal/pay/events", "x:/internal/pay/events", "http:internal/pay/events", "*", "internal/pay/events", "ftp://" + b.address() + "/shop"} {
		add("no path", "", refused, letter{path: target})
	}
	add("absolute form", "h1", answered("not_found"), letter{text: "GET https://<host>/internal/pay/events HTTP/1.1\nHost: elsewhere.example\n\n"})
	for _, value := range []string{"/internal/pay/events", "internal/pay/events", "https://b/internal/pay/events?evil", "/internal%2fpay%2fevents?evil", "/shop/..;/internal/pay/events"} {
		add("another path in a header", "", passes, letter{fields: []string{"X-Original-URL", value, "x_rewrite_url", value, "X-Rewrite-Url", value}})
	}

	add("claims of a proxy", "", passes, letter{fields: []string{"X-Forwarded-For", "evil", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "evil"}})
	add("another site's name in Host", "h2 h3", harmless, letter{fields: []string{"host", "evil.example"}})
	add("another site's name", "h2 h3", refused, letter{pseudo: []string{":method", "GET", ":scheme", "https", ":authority", "evil.example", ":path", "/shop"}})

	add("early data, says a proxy", "", answered("too_early"), letter{method: "POST", body: "body", fields: []string{"Early-Data", "1"}})
	add("early data under the prefix", "", answered("too_early"), letter{path: "/pay/openid?code=x", fields: []string{"Early-Data", "1"}})
	add("a page read early", "", passesKnown, letter{fields: append(session, "Early-Data", "1")})

	add("Expect", "", passes, letter{method: "POST", body: "body", fields: []string{"Expect", "100-continue"}})
	add("Expect something else", "h1", refused, letter{method: "POST", body: "body", fields: []string{"Expect", "evil"}})
	add("HTTP/1.0 without Host", "h1", refused, letter{text: "GET /shop HTTP/1.0\nX-WX-OPENID: evil\n\n"})
	add("HTTP/1.0", "h1", passes, letter{text: "GET /shop HTTP/1.0\nHost: <host>\nX-WX-OPENID: evil\nConnection: keep-alive, X-Fine\n\n"})
	all = append(all, framingAttacks()...)
	return append(all, fieldAttacks()...)
}

var privateTargets = []string{
	"/internal/pay/events/", "/internal/pay/events?a=b", "/internal/pay/events;v=1", "/internal;x/pay/events", "/internal//pay///events", "/./internal/pay/./events",
	"/internal/pay/x/../events", "/INTERNAL/Pay/Events", "/internal/pay/%65vents", "/internal%252fpay/events", "/shop/%2e%2e%2finternal/pay/events", `/internal\pay\events`,
	"/internal%5cpay%5Cevents", "/internal/pay/events%00.txt", "/internal/pay/events::$DATA", "/x/..;/internal/pay/events", "/index.php/internal/pay/events", "/internal/pay/events.json",
	"//host/internal/pay/events", "/internal/pay/orders/A1?x", "/internal/pay/events#x", "/internal/pay/events/more",
}

// framingAttacks hide a second request in the first one: whoever counts the body otherwise than we do takes it for one.
func framingAttacks() (all []wireAttack) {
	const hidden = "GET /internal/pay/events HTTP/1.1\nHost: <host>\nX-WX-OPENID: evil\n\n"
	for _, head := range []string{
		"Content-Length: 5\nTransfer-Encoding: chunked\n", "Transfer-Encoding: chunked\nContent-Length: 5\n", "Transfer-Encoding: xchunked\n", "Transfer-Encoding: chunked, identity\n",
		"Transfer-Encoding: identity\nContent-Length: 5\n", "Transfer-Encoding : chunked\n", "Transfer-Encoding: chunked\nTransfer-Encoding: identity\n", "Transfer-Encoding:\tchunked\nContent-Length: 5\n",
		"Transfer-Encoding: \x0bchunked\nContent-Length: 5\n", "X-Fine: a\n Transfer-Encoding: chunked\nContent-Length: 5\n", "Content-Length: 5\nContent-Length: 6\n", "Content-Length: +5\n",
		"Content-Length: 5, 5\n", "Content-Length: 0x5\n", "Content-Length: -5\n", "Transfer_Encoding: chunked\nContent-Length: 5\n", "Transfer-Encoding: chunked\nContent_Length: 5\n",
		"Connection: Content-Length\nContent-Length: 5\n", "Connection: Transfer-Encoding\nTransfer-Encoding: chunked\n",
	} {
		all = append(all, wireAttack{"framing", "h1", letter{text: "POST /shop HTTP/1.1\nHost: <host>\nConnection: close\n" + head + "\n0\n\n" + hidden}, harmless})
	}
	for _, chunks := range []string{"0;evil=1\n\n", "4;a=\"\n\n0\n\n\"\nbody\n0\n\n", "00000000000000004\nbody\n0\n\n", "0x4\nbody\n0\n\n", "4\nbody0\n\n", "-1\n\n", "4 \nbody\n0 \n\n"} {
		all = append(all, wireAttack{"chunks", "h1", letter{text: "POST /shop HTTP/1.1\nHost: <host>\nConnection: close\nTransfer-Encoding: chunked\n\n" + chunks + hidden}, harmless})
	}
	for _, length := range []string{"0", "3", "5000", "+4", "4, 4"} {
		all = append(all, wireAttack{"a body of another length", "h2 h3", letter{method: "POST", body: "body" + hidden, fields: []string{"Content-Length", length}}, harmless})
	}
	all = append(all, wireAttack{"Transfer-Encoding", "h2 h3", letter{method: "POST", body: "0\r\n\r\n" + hidden, fields: []string{"Transfer-Encoding", "chunked"}}, refused})
	return all
}

// fieldAttacks make two headers of one, or one that a careless reader takes for another.
func fieldAttacks() (all []wireAttack) {
	for _, lines := range []string{
		"X-WX-OPENID : evil\n", " X-WX-OPENID: evil\n", "X-Fine: a\n X-WX-OPENID: folded\n", "X-Fine: a\r\rX-WX-OPENID: evil\n", "X-Fine: a\x00\nX-WX-OPENID: evil\n", "X-WX-OPENID\n: evil\n",
		"\x00X-WX-OPENID: evil\n", "X-WX-OPENID\x00: evil\n", "X-WX-OPENID:evil\n", "X-WX-OPENID\t: evil\n", "X_WX_OPENID:\n evil\n", "Host: elsewhere.example\n", ": evil\n", "X-WX-OPENID;: evil\n",
	} {
		all = append(all, wireAttack{"lines", "h1", letter{text: "GET /shop HTTP/1.1\nHost: <host>\nConnection: close\n" + lines + "\n"}, harmless})
	}
	pseudo := func(more ...string) []string {
		return append([]string{":method", "GET", ":scheme", "https", ":authority", "<host>", ":path", "/shop"}, more...)
	}
	for _, fields := range [][]string{
		pseudo("x-fine", "a\r\nX-WX-OPENID: evil"), pseudo("x-fine", "a\nX-WX-OPENID: evil"), pseudo("x-fine\r\nX-WX-OPENID", "evil"), pseudo("X-WX-OPENID", "evil"), pseudo("x-wx-openid ", "evil"),
		pseudo(" x-wx-openid", "evil"), pseudo("x-wx-openid:", "evil"), pseudo("x-fine", "a\x00evil"), pseudo("x-fine", "1", ":path", "/internal/pay/events"), pseudo(":path", "/internal/pay/events"),
		pseudo(":evil", "1"), pseudo("", "evil"), pseudo("te", "evil"), pseudo("upgrade", "websocket"), pseudo("keep-alive", "evil"), pseudo("proxy-connection", "evil"), pseudo(":protocol", "websocket"),
		{":method", "GET", ":scheme", "https", ":authority", "<host>", ":path", "/shop HTTP/1.1\r\nX-WX-OPENID: evil"},
		{":method", "GET", ":scheme", "https", ":authority", "<host>", ":path", ""},
		{":method", "GET /internal/pay/events HTTP/1.1\r\nX-WX-OPENID: evil\r\n\r\nGET", ":scheme", "https", ":authority", "<host>", ":path", "/shop"},
		{":method", "GET", ":scheme", "https", ":authority", "<host>\r\nX-WX-OPENID: evil", ":path", "/shop"},
		{":method", "GET", ":scheme", "https", ":authority", "user@<host>", ":path", "/internal/pay/events"},
		{":method", "GET", ":scheme", "https", ":path", "/shop"},
		{":scheme", "https", ":authority", "<host>", ":path", "/shop"},
		{":method", "GET", ":scheme", "https", ":authority", "<host>", ":path", "https://<host>/internal/pay/events"},
	} {
		all = append(all, wireAttack{"fields", "h2 h3", letter{pseudo: fields}, refused})
	}
	// Harmless as they are, and so read in one way alone.
	for _, fields := range [][]string{
		{":method", "GET", ":scheme", "evil", ":authority", "<host>", ":path", "/shop"},
		{":method", "GET", ":scheme", "http\r\nevil", ":authority", "<host>", ":path", "/shop"},
		{":method", "GET", ":scheme", "https", ":authority", "<host>", ":path", "/shop", "x-fine", " a", "cookie", "a=1\t"},
	} {
		all = append(all, wireAttack{"odd fields", "h2 h3", letter{pseudo: fields}, harmless})
	}
	return all
}
