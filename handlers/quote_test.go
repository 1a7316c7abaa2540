package handlers

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/session"
)

func TestQuoteAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	now := w.clock.Now()
	status := func(code int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(code)
			io.WriteString(rw, body)
		}
	}
	with := func(name string, v any) http.HandlerFunc { return w.answerQuote(map[string]any{name: v}) }
	raw := func(body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			io.WriteString(rw, strings.ReplaceAll(body, "$NO", r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]))
		}
	}
	amount := func(text string) http.HandlerFunc {
		return raw(`{"order_no":"$NO","currency":"cny","subject":"tea","amount":` + text + `}`)
	}
	pairs := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint("k", i)] = "v"
		}
		return m
	}
	for _, c := range []struct {
		name   string
		quote  http.HandlerFunc
		status int
		code   string // empty: a charge
	}{
		{"404", status(404, "no"), 404, "order_not_found"},
		{"403", status(403, "no"), 404, "order_not_found"},
		{"409", status(409, "no"), 409, "order_already_paid"},
		{"410", status(410, "no"), 409, "order_closed"},
		{"500", status(500, "no"), 502, "backend_unavailable"},
		{"502", status(502, "no"), 502, "backend_unavailable"},
		{"401", status(401, "no"), 502, "backend_unavailable"},
		{"400", status(400, "no"), 502, "backend_unavailable"},
		{"201", status(201, `{"order_no":"1001","amount":1,"subject":"x"}`), 502, "backend_unavailable"},
		{"204", status(204, ""), 502, "backend_unavailable"},
		{"302", func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/login?t="+backendToken, http.StatusFound)
		}, 502, "backend_unavailable"},
		{"closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, "backend_unavailable"},
		{"broken off", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "1000")
			io.WriteString(rw, `{"order_no":`)
			panic(http.ErrAbortHandler)
		}, 502, "backend_unavailable"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 502, "backend_unavailable"},
		{"slow body", func(rw http.ResponseWriter, r *http.Request) {
			io.WriteString(rw, "{")
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		}, 502, "backend_unavailable"},
		{"HTML", status(200, "<!DOCTYPE html><title>Shop</title>"), 502, "quote_invalid"},
		{"empty", status(200, ""), 502, "quote_invalid"},
		{"null", status(200, "null"), 502, "quote_invalid"},
		{"array", status(200, "[]"), 502, "quote_invalid"},
		{"huge", raw(`{"order_no":"$NO","amount":1,"subject":"x","body":"` + strings.Repeat("x", maxQuote) + `"}`), 502, "quote_invalid"},
		{"PHP notice before", raw("Notice: x\n{}"), 502, "quote_invalid"},
		{"two objects", raw(`{"order_no":"$NO","amount":1,"subject":"x"}{}`), 502, "quote_invalid"},
		{"amount twice", raw(`{"order_no":"$NO","amount":1,"subject":"x","amount":2}`), 502, "quote_invalid"},
		{"openid in broken JSON", raw(`{"openid":"` + payer + `",}`), 502, "quote_invalid"},
		{"openid in an array", raw(`{"order_no":"$NO","amount":1,"subject":"x","openid":["` + payer + `"]}`), 502, "quote_invalid"},

		{"other order_no", with("order_no", "1002"), 502, "quote_invalid"},
		{"no order_no", with("order_no", nil), 502, "quote_invalid"},
		{"order_no is a number", with("order_no", 1001), 502, "quote_invalid"},
		{"other case", raw(`{"Order_No":"$NO","amount":1,"subject":"x"}`), 502, "quote_invalid"},
		{"other openid", with("openid", stranger), 404, "order_not_found"},
		{"own openid", with("openid", payer), 201, ""},
		{"null openid", raw(`{"order_no":"$NO","amount":1,"subject":"x","openid":null}`), 201, ""},

		{"amount missing", with("amount", nil), 502, "quote_invalid"},
		{"amount null", amount("null"), 502, "amount_invalid"},
		{"amount negative", amount("-1"), 502, "amount_invalid"},
		{"amount 0", amount("0"), 409, "nothing_to_pay"},
		{"amount -0", amount("-0"), 502, "amount_invalid"},
		{"amount fraction", amount("19.99"), 502, "amount_invalid"},
		{"amount 1999.0", amount("1999.0"), 502, "amount_invalid"},
		{"amount 1e3", amount("1e3"), 502, "amount_invalid"},
		{"amount string", amount(`"1999"`), 502, "amount_invalid"},
		{"amount true", amount("true"), 502, "amount_invalid"},
		{"amount array", amount("[1999]"), 502, "amount_invalid"},
		{"amount over 64 bits", amount("18446744073709551617"), 502, "amount_invalid"},
		{"amount huge", amount("999999999999999999"), 502, "amount_invalid"},
		{"amount over max", amount("2000001"), 502, "amount_invalid"},
		{"amount is max", amount("2000000"), 201, ""},
		{"amount 1", amount("1"), 201, ""},

		{"currency missing", with("currency", nil), 201, ""},
		{"currency null", raw(`{"order_no":"$NO","amount":1,"subject":"x","currency":null}`), 201, ""},
		{"currency usd", with("currency", "usd"), 502, "amount_invalid"},
		{"currency CNY", with("currency", "CNY"), 502, "amount_invalid"},
		{"status payable", with("status", "payable"), 201, ""},
		{"status empty", with("status", ""), 201, ""},
		{"status paid", with("status", "paid"), 409, "order_already_paid"},
		{"status closed", with("status", "closed"), 409, "order_closed"},
		{"status paid and no price", raw(`{"order_no":"$NO","status":"paid"}`), 409, "order_already_paid"},
		{"status closed and no price", raw(`{"order_no":"$NO","status":"closed","amount":null}`), 409, "order_closed"},
		{"status paid of another order", raw(`{"order_no":"x","status":"paid"}`), 502, "quote_invalid"},
		{"status paid of another user", raw(`{"order_no":"$NO","status":"paid","openid":"` + stranger + `"}`), 404, "order_not_found"},
		{"status unknown", with("status", "PAID"), 502, "quote_invalid"},
		{"status is a number", with("status", 1), 502, "quote_invalid"},

		{"time_expire past", with("time_expire", now.Add(-time.Hour).Unix()), 409, "order_closed"},
		{"time_expire soon", with("time_expire", now.Add(59*time.Second).Unix()), 409, "order_closed"},
		{"time_expire far", with("time_expire", time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC).Unix()), 201, ""},
		{"time_expire beyond", with("time_expire", int64(999999999999999999)), 502, "quote_invalid"},
		{"time_expire milliseconds", with("time_expire", now.Add(time.Hour).UnixMilli()), 502, "quote_invalid"},
		{"time_expire a date in digits", with("time_expire", int64(20261123091000)), 502, "quote_invalid"},
		{"time_expire a duration", with("time_expire", 7200), 502, "quote_invalid"},
		{"time_expire string", with("time_expire", "2026-11-23"), 502, "quote_invalid"},
		{"time_expire fraction", with("time_expire", 1.5), 502, "quote_invalid"},
		{"time_expire 0", with("time_expire", 0), 201, ""},
		{"time_expire null", raw(`{"order_no":"$NO","amount":1,"subject":"x","time_expire":null}`), 201, ""},

		{"metadata", with("metadata", pairs(9)), 201, ""},
		{"metadata []", raw(`{"order_no":"$NO","amount":1,"subject":"x","metadata":[],"extra":[]}`), 201, ""},
		{"metadata too many", with("metadata", pairs(10)), 502, "quote_invalid"},
		{"metadata too long", with("metadata", map[string]string{"k": strings.Repeat("长", 1000)}), 502, "quote_invalid"},
		{"metadata nested", with("metadata", map[string]any{"k": map[string]string{}}), 502, "quote_invalid"},
		{"metadata number", with("metadata", map[string]any{"k": 1}), 502, "quote_invalid"},
		{"metadata of ours", with("metadata", map[string]string{"pay_order_no": "9"}), 502, "quote_invalid"},
		{"metadata array", with("metadata", []int{1}), 502, "quote_invalid"},
		{"extra open_id", with("extra", map[string]string{"open_id": stranger, "limit_pay": "no_credit"}), 201, ""},
		{"extra array", with("extra", []int{1}), 502, "quote_invalid"},
		{"extra unknown to Ping++", with("extra", map[string]string{"nonsense": "x"}), 502, "provider_rejected"},

		{"subject missing", with("subject", nil), 502, "quote_invalid"},
		{"subject blank", with("subject", " \n"), 502, "quote_invalid"},
		{"subject emoji", with("subject", "tea 🍵"), 201, ""},
		{"subject of emoji", with("subject", "🍵👨‍👩‍👧"), 201, ""},
		{"body emoji", with("body", "tea 🍵"), 201, ""},
		{"subject control", with("subject", "tea\x01"), 502, "quote_invalid"},
		{"subject not UTF-8", raw("{\"order_no\":\"$NO\",\"amount\":1,\"subject\":\"\xff\"}"), 502, "quote_invalid"},
		{"subject long", with("subject", strings.Repeat("长", 33)), 201, ""},
		{"body long", with("body", strings.Repeat("长", 500)), 201, ""},
		{"subject number", with("subject", 1), 502, "quote_invalid"},
		{"BOM", raw("\xef\xbb\xbf" + `{"order_no":"$NO","amount":1,"subject":"x"}`), 201, ""},
		{"other members", with("anything", map[string]int{"x": 1}), 201, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.config.Orders.Timeout = 10 * time.Second
			if strings.HasPrefix(c.name, "slow") {
				w.config.Orders.Timeout = 500 * time.Millisecond
			}
			w.setQuote(c.quote)
			before := w.calls("create_charge")
			no := fmt.Sprintf("N%d", time.Now().UnixNano())
			a := w.pay(session, no)
			if c.code != "" {
				wantProblem(t, a, c.status, c.code)
				w.wantStates(no) // the number is free again
				if w.calls("create_charge") != before && c.code != "provider_rejected" {
					t.Error("Ping++ was asked")
				}
				return
			}
			if a.status != c.status {
				t.Fatalf("answered %d %s, want %d", a.status, a.body, c.status)
			}
			if n := utf8.RuneCountInString(a.text("subject")); n > 32 || utf8.RuneCountInString(a.text("body")) > 128 {
				t.Errorf("subject and body are too long: %s", a.body)
			}
			if extra := a.field("extra").(map[string]any); extra["open_id"] != payer {
				t.Errorf("open_id is %v", extra["open_id"])
			}
		})
	}
	w.config.Orders.Timeout = 10 * time.Second
	w.config.Orders.Max = 0
	w.setQuote(amount("1000000001"))
	wantProblem(t, w.pay(session, "1001"), 502, "amount_invalid")
	w.setQuote(amount("1000000000"))
	w.created(session, "1001")
}

func TestBackendIsDown(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.backendURL = "http://127.0.0.1:1"
	wantProblem(t, w.pay(session, "1001"), 502, "backend_unavailable")
}

func TestWhatTheQuoteRequestCarries(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	w.do("POST", "/pay/charges", order("1001"), "X-Pay-Session", session, "Authorization", "Bearer shops.own.jwt", "Cookie", "PHPSESSID=1; x=2",
		"Accept-Language", "en-GB", "User-Agent", "MicroMessenger/8", "Host", "shop.example.com",
		"X-WX-OPENID", stranger, "X_WX_OPENID", stranger, "X-Pay-Token", "forged", "X-Pay-Mode", "live", "X-Other", "1", "Referer", "https://servicewechat.com/", "X-Forwarded-For", "203.0.113.9")
	e := w.backend.exchanges("/")
	if len(e) != 2 || e[0].method != "GET" || !reflect.DeepEqual(e[0], e[1]) || e[0].path != "/internal/pay/orders/1001" || e[0].host != "shop.example.com" || len(e[0].sent) != 0 {
		t.Fatalf("the backend got %+v", e)
	}
	want := map[string]string{
		"Authorization": "Bearer shops.own.jwt", "Cookie": "PHPSESSID=1; x=2", "Accept-Language": "en-GB", "User-Agent": "MicroMessenger/8", "Accept": "application/json",
		"X-Wx-Openid": payer, "X-Wx-Appid": w.sandbox.WxLite().AppID, "X-Wx-Source": "wx_client", "X-Pay-Token": backendToken, "X-Pay-Mode": "test",
		"Accept-Encoding": "gzip", // the transport's own
	}
	for name, values := range e[0].header {
		if len(values) != 1 || values[0] != want[name] {
			t.Errorf("%s: %q, want %q", name, values, want[name])
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("missing: %v", want)
	}
}

// An old PHP shop has no routes, only files.
func TestOrderNoInTheQuery(t *testing.T) {
	w := newWorld(t)
	w.config.Orders.Path = "/pay_quote.php?act=price&no={order_no}"
	w.setQuote(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/pay_quote.php?act=price&no=1001" {
			t.Errorf("the backend was asked %s", r.URL.RequestURI())
		}
		fmt.Fprint(rw, `{"order_no":"1001","amount":1999,"subject":"Tea"}`)
	})
	if a := w.pay(w.session(payer), "1001"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestOurSessionNeverGoesToTheBackend(t *testing.T) {
	w := newWorld(t)
	login := w.session(payer)
	old := w.sealed(session.Identity{Kind: session.WxLite, OpenID: payer, AppID: w.sandbox.WxLite().AppID, Expires: w.clock.Now()})
	for name, c := range map[string]struct {
		header []string
		want   []string
	}{
		"Bearer":         {[]string{"Authorization", "Bearer " + login}, nil},
		"X-Pay-Session":  {[]string{"X-Pay-Session", login}, nil},
		"both":           {[]string{"X-Pay-Session", login, "Authorization", "Bearer " + login}, nil},
		"tab":            {[]string{"X-Pay-Session", login, "Authorization", "Bearer\t" + login}, nil},
		"quoted":         {[]string{"X-Pay-Session", login, "Authorization", `Token token="` + login + `", x=y`}, nil},
		"second value":   {[]string{"X-Pay-Session", login, "Authorization", "Basic c2hvcDpvd24=", "Authorization", "Bearer " + login}, []string{"Basic c2hvcDpvd24="}},
		"a shop's JWE":   {[]string{"X-Pay-Session", login, "Authorization", "Bearer a.b.c.d.e"}, []string{"Bearer a.b.c.d.e"}},
		"a shop's Basic": {[]string{"X-Pay-Session", login, "Authorization", "Basic c2hvcDpvd24="}, []string{"Basic c2hvcDpvd24="}},
		"expired":        {[]string{"X-Pay-Session", login, "Authorization", "Bearer " + old}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w.do("POST", "/pay/charges", order("1001"), c.header...)
			all := w.backend.exchanges("/")
			got := all[len(all)-1].header
			if fmt.Sprint(got["Authorization"]) != fmt.Sprint(c.want) {
				t.Errorf("the backend got %q, want %q", got["Authorization"], c.want)
			}
			if strings.Contains(fmt.Sprint(got), login) {
				t.Errorf("the backend got our session: %v", got)
			}
		})
	}
}

func TestExcerpt(t *testing.T) {
	for in, want := range map[string]string{
		`{"openid":"` + payer + `"}`:     `"{\"openid\":\"oAAAAA…\""`,
		"<html>\n":                       `"<html>\n"`,
		strings.Repeat("长", 100):         `"` + strings.Repeat("长", 13) + `\xe9"`,
		"\xff" + strings.Repeat("a", 39): `"\xffaaaaaa…"`,
	} {
		if got := backend.Excerpt([]byte(in), 40); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
