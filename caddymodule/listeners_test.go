package caddymodule

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
)

// What the error about a Unix socket tells to write is enough: a payer who comes through it pays from his own address.
func TestUnixSocket(t *testing.T) {
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"order_no":"20260101001","amount":1999,"subject":"Green tea"}`)
	})
	box, err := sandbox.New(sandbox.Config{App: "app_test1", TestKey: "sk_test_Mark0123456789", MerchantKey: &merchantKey().PublicKey, SigningKey: pingppKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	pingxx := httptest.NewServer(box)
	t.Cleanup(pingxx.Close)
	sockets, err := os.MkdirTemp("", "caddy") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	dir, socket := t.TempDir(), filepath.Join(sockets, "caddy.sock")
	block := strings.Replace(payBlock(t, dir, "", "upstream "+shop, "orders GET /orders/{order_no}"), "app app_test1", "app app_test1\n\t\t\tendpoint "+pingxx.URL, 1)
	run(t, globals(dir, ledgerIn(dir), "servers {\n\t\ttrusted_proxies_unix\n\t}")+"http://shop.example.com {\n\tbind unix/"+socket+"|0600\n"+block+"}\n")

	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	req, err := http.NewRequest(http.MethodPost, "http://shop.example.com/pay/charges", strings.NewReader(`{"order_no":"20260101001","channel":"wx_lite"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https",
		"X-Pay-Session": token(t, "/pay", session.Identity{OpenID: "o-payer"})} {
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated || !strings.Contains(string(answer), `"client_ip":"203.0.113.7"`) {
		t.Errorf("answered %d %s, %v", resp.StatusCode, answer, err)
	}
}
