package pingxx_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestKeys(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for _, c := range []struct {
		name          string
		authorize     func(*http.Request)
		status        int
		want, wantNot string
	}{
		{"bearer", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+b.TestKey()) }, 404, "ch_1", ""},
		{"bearer in lower case", func(r *http.Request) { r.Header.Set("Authorization", "bearer "+b.LiveKey()) }, 404, "ch_1", ""},
		{"basic", func(r *http.Request) { r.SetBasicAuth(b.TestKey(), "") }, 404, "ch_1", ""},
		{"none", func(*http.Request) {}, 401, "没有提供", ""},
		{"wrong", func(r *http.Request) { r.SetBasicAuth("sk_test_abcdefgh", "") }, 401, "提供了无效的 API KEY: sk_test_********。", "abcdefgh"},
		{"no key at all", func(r *http.Request) { r.SetBasicAuth("hunter2", "") }, 401, "*******", "hunter2"},
		{"truncated", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+b.TestKey()[:31]) }, 401, "sk_test_****", ""},
		{"garbage", func(r *http.Request) { r.Header.Set("Authorization", "Basic %%%") }, 401, "", ""},
	} {
		r := b.Request("GET", "/v1/charges/ch_1", "")
		c.authorize(r)
		a := b.Do(r)
		body := string(a.Body)
		if a.Status != c.status || !strings.Contains(body, c.want) || c.wantNot != "" && strings.Contains(body, c.wantNot) {
			t.Errorf("%s: %d %s", c.name, a.Status, body)
		}
		if a.Field("error.type") != "invalid_request_error" {
			t.Errorf("%s: type %v", c.name, a.Field("error.type"))
		}
	}
}

// signRequest makes a request's signature headers, as a merchant would.
func signRequest(t *testing.T, r *http.Request, body, target string, at time.Time) {
	t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256([]byte(body + target + stamp))
	sig, err := rsa.SignPKCS1v15(nil, sandboxtest.Key(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Pingplusplus-Request-Timestamp", stamp)
	r.Header.Set("Pingplusplus-Signature", base64.StdEncoding.EncodeToString(sig))
}

func TestRequestSignatures(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{MerchantKey: &sandboxtest.Key().PublicKey})
	order := b.Order("A1001")
	now := b.Clock.Now()
	list := "/v1/charges?app%5Bid%5D=" + b.App() + "&limit=3"
	for _, c := range []struct {
		name, method, target, body string
		spoil                      func(*http.Request)
		status                     int
		want                       string
	}{
		{"create", "POST", "/v1/charges", order, nil, 200, `"object":"charge"`},
		{"chunked", "POST", "/v1/charges", order, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(order)); r.ContentLength = -1 }, 200, `"object":"charge"`},
		{"query as sent", "GET", list, "", nil, 200, `"object":"list"`},
		{"bare brackets", "GET", "/v1/charges?app[id]=" + b.App(), "", nil, 200, `"object":"list"`},
		{"bare question mark", "GET", "/v1/charges/ch_1?", "", nil, 404, "ch_1"},
		{"question mark not signed", "GET", "/v1/charges/ch_1?", "", func(r *http.Request) { signRequest(t, r, "", "/v1/charges/ch_1", now) }, 400, "无效的签名"},
		{"body alone signed", "POST", "/v1/charges", order, func(r *http.Request) { signRequest(t, r, order, "", now) }, 400, "无效的签名"},
		{"missing", "POST", "/v1/charges", order, func(r *http.Request) { r.Header.Del("Pingplusplus-Signature") }, 400, "没有提供签名串"},
		{"not base64", "POST", "/v1/charges", order, func(r *http.Request) { r.Header.Set("Pingplusplus-Signature", "!") }, 400, "无效的签名"},
		{"another body", "POST", "/v1/charges", order + " ", func(r *http.Request) { signRequest(t, r, order, "/v1/charges", now) }, 400, "无效的签名"},
		{"other timestamp", "POST", "/v1/charges", order, func(r *http.Request) { r.Header.Set("Pingplusplus-Request-Timestamp", "1") }, 400, "无效的签名"},
		{"old timestamp", "POST", "/v1/charges", order, func(r *http.Request) { signRequest(t, r, order, "/v1/charges", now.Add(-time.Hour)) }, 400, "时间戳"},
	} {
		r := b.Request(c.method, c.target, c.body, "Authorization", "Bearer "+b.TestKey())
		if strings.HasSuffix(c.target, "?") {
			r.URL.ForceQuery = true
		}
		signRequest(t, r, c.body, c.target, now)
		if c.spoil != nil {
			c.spoil(r)
		}
		if a := b.Do(r); a.Status != c.status || !strings.Contains(string(a.Body), c.want) {
			t.Errorf("%s: %d %s", c.name, a.Status, a.Body)
		}
	}
}
