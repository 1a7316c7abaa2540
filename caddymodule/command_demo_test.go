package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// runningDemo is a demo that stays up until the end of the test, and a client for its site.
func runningDemo(t *testing.T) (at struct{ Site, Console string }, client *http.Client) {
	t.Helper()
	addr := freeAddr(t)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- payCommand(t, w, "demo", "--json", "--port", addr[strings.LastIndex(addr, ":")+1:]).ExecuteContext(ctx)
		w.Close()
	}()
	t.Cleanup(func() {
		stop()
		go func() { _, _ = io.Copy(io.Discard, r) }()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for lines := bufio.NewScanner(r); at.Console == ""; {
		if !lines.Scan() {
			t.Fatal("the demo ended before it named its console")
		}
		if err := json.Unmarshal(lines.Bytes(), &at); err != nil {
			t.Fatal(err)
		}
	}
	return at, &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // of this run's own authority
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// The demo has the operator's console on its site, led to by its page and its output: with the payment that was made, nothing at risk and
// nothing wrong, and with every action.
func TestDemoServesItsConsole(t *testing.T) {
	at, c := runningDemo(t)
	ask := func(address string, form url.Values) (int, string) {
		t.Helper()
		method := http.MethodGet
		if form != nil {
			method = http.MethodPost
		}
		req := must(http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode())))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept-Language", "en")
		resp := must(c.Do(req))
		defer resp.Body.Close()
		return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
	}
	if status, body := ask(at.Site+"/", nil); status != 200 || !strings.Contains(body, `href="/console/"`) {
		t.Error(status, body)
	}
	if status, _ := ask(at.Site+"/console", nil); status != http.StatusFound {
		t.Error(status)
	}
	if status, body := ask(at.Console, nil); status != 200 || !strings.Contains(body, "Your backend has acknowledged every payment.") || !strings.Contains(body, "s-reachable") {
		t.Error(status, body)
	}
	if status, body := ask(at.Console+"health", nil); status != 200 || strings.Contains(body, "r-fail") || !strings.Contains(body, "r-ok") {
		t.Error(status, body)
	}
	var orders struct{ app, no string }
	_, body := ask(at.Console+"orders", nil)
	if _, link, ok := strings.Cut(body, `href="order?`); ok {
		q := must(url.ParseQuery(strings.ReplaceAll(link[:strings.IndexByte(link, '"')], "&amp;", "&")))
		orders.app, orders.no = q.Get("app"), q.Get("order_no")
	}
	if orders.no == "" {
		t.Fatal(body)
	}
	if status, body := ask(at.Console+"pause", url.Values{"app": {orders.app}, "mode": {"test"}, "reason": {"a cup of tea"}}); status != http.StatusSeeOther {
		t.Error(status, body)
	}
	if status, body := ask(at.Console+"audit", nil); status != 200 || !strings.Contains(body, "<td>demo</td>") {
		t.Error(status, body)
	}
}

// The demo's page has what WeChat keeps: that of the payment which the command made is free, that of the next waits for its buyer.
func TestDemoKeepsTheMoney(t *testing.T) {
	at, c := runningDemo(t)
	type kept struct {
		OrderNo string `json:"order_no"`
		Steps   map[string]string
	}
	seen := func() kept { // the first of what the page is told
		t.Helper()
		resp := must(c.Get(at.Site + "/demo/steps"))
		defer resp.Body.Close()
		line := must(bufio.NewReader(resp.Body).ReadBytes('\n'))
		var s struct{ Kept kept }
		if err := json.Unmarshal(bytes.TrimPrefix(line, []byte("data: ")), &s); err != nil {
			t.Fatal(err, string(line))
		}
		return s.Kept
	}
	call := func(method, path, session, body string, into any) int {
		t.Helper()
		req := must(http.NewRequestWithContext(t.Context(), method, at.Site+path, strings.NewReader(body)))
		req.Header.Set("Content-Type", "application/json")
		if session != "" {
			req.Header.Set("X-Pay-Session", session)
		}
		resp := must(c.Do(req))
		defer resp.Body.Close()
		raw := must(io.ReadAll(resp.Body))
		if resp.StatusCode < 300 {
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatalf("%s: %v %s", path, err, raw)
			}
		}
		return resp.StatusCode
	}
	first := seen()
	if len(first.Steps) != 3 || first.OrderNo == "" {
		t.Errorf("the demo's own payment: %+v", first)
	}
	var nothing struct{}
	if status := call("POST", "/demo/receive", "", "", &nothing); status != http.StatusOK && status != http.StatusConflict {
		t.Errorf("confirmed again: %d", status)
	}
	if status := call("POST", "/demo/pay", "", `{"charge":"ch_none"}`, &nothing); status != http.StatusConflict {
		t.Errorf("a charge that is none: %d", status)
	}

	var code, login, order, charge struct {
		Code, Session, ID string
		OrderNo           string `json:"order_no"`
	}
	call("POST", "/demo/login", "", "", &code)
	call("GET", "/live/openid?code="+url.QueryEscape(code.Code), "", "", &login)
	call("POST", "/live-shop/orders", login.Session, `{"product":"cup"}`, &order)
	call("POST", "/live/charges", login.Session, `{"order_no":"`+order.OrderNo+`","channel":"wx_lite"}`, &charge)
	if status := call("POST", "/demo/receive", "", "", &nothing); charge.ID == "" || seen().OrderNo != first.OrderNo {
		t.Fatalf("the charge is %q before it is paid: %d", charge.ID, status)
	}
	call("POST", "/demo/pay", "", `{"charge":"`+charge.ID+`"}`, &nothing)
	eventually(t, "the second payment's shipping is reported", func() bool {
		k := seen()
		return k.OrderNo == order.OrderNo && strings.HasPrefix(k.Steps["shipping_reported"], "pickup · Cup")
	})
	if k := seen(); k.Steps["money_released"] != "" || !strings.Contains(k.Steps["money_frozen"], "¥45.00") {
		t.Errorf("before its buyer confirms: %+v", k)
	}
	if status := call("POST", "/demo/receive", "", "", &nothing); status != http.StatusOK || seen().Steps["money_released"] == "" {
		t.Errorf("confirmed: %d %+v", status, seen())
	}
}
