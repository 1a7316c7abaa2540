package caddymodule

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The demo has the operator's console on its site, led to by its page and its output: with the payment that was made, nothing at risk and
// nothing wrong, and with every action.
func TestDemoServesItsConsole(t *testing.T) {
	addr := freeAddr(t)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- payCommand(t, w, "demo", "--json", "--port", addr[strings.LastIndex(addr, ":")+1:]).ExecuteContext(ctx)
		w.Close()
	}()
	defer func() {
		stop()
		go func() { _, _ = io.Copy(io.Discard, r) }()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	var at struct{ Site, Console string }
	for lines := bufio.NewScanner(r); at.Console == ""; {
		if !lines.Scan() {
			t.Fatal("the demo ended before it named its console")
		}
		if err := json.Unmarshal(lines.Bytes(), &at); err != nil {
			t.Fatal(err)
		}
	}
	c := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // of this run's own authority
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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
