package caddymodule

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/session"
)

// With the filter of Caddyfile.example in both places, no log of a site whose backend fails holds a session, a cookie, a login code, the
// backend token or an openid, at any level: over HTTP, with PHP, and from a backend that breaks off in the middle of its answer.
func TestLogsOfAFailingSite(t *testing.T) {
	example := string(must(os.ReadFile("../Caddyfile.example")))
	snippet := regexp.MustCompile(`(?ms)^\(nothing_secret\) \{\n.*?^\}\n`).FindString(example)
	if n := strings.Count(example, "import nothing_secret"); snippet == "" || n != 2 {
		t.Fatalf("Caddyfile.example filters %d loggers with %q; want the default logger and the site's", n, snippet)
	}
	for name, tc := range map[string]struct {
		addr, transport string
		want            []string // what the log must tell, so that there was something to hide
	}{
		"down":       {freeAddr(t), "", []string{`"logger":"http.log.error`, `"msg":"upstream roundtrip"`}},
		"PHP down":   {freeAddr(t), "{\n\ttransport fastcgi {\n\troot /\n\tsplit .php\n\tenv PAY_BACKEND_TOKEN " + testToken + "\n\t}\n}", []string{`"logger":"http.log.error`, `"msg":"roundtrip"`}},
		"breaks off": {breaksOff(t), "", []string{`"msg":"aborting with incomplete response"`}},
	} {
		t.Run(name, func(t *testing.T) {
			failingSite(t, snippet, "import nothing_secret", tc.addr, tc.transport, func(log string, secrets map[string]string) {
				for _, want := range tc.want {
					if !strings.Contains(log, want) {
						t.Errorf("no log has %s:\n%s", want, log)
					}
				}
				for what, secret := range secrets {
					if i := strings.Index(log, secret); i >= 0 {
						line, _, _ := strings.Cut(log[strings.LastIndexByte(log[:i], '\n')+1:], "\n")
						t.Errorf("a log holds the %s:\n%s", what, line)
					}
				}
			})
		})
	}
	t.Run("without the filter", func(t *testing.T) { // or the test above sees nothing
		failingSite(t, "", "", freeAddr(t), "", func(log string, secrets map[string]string) {
			for _, what := range []string{"session", "code", "backend token", "openid"} {
				if !strings.Contains(log, secrets[what]) {
					t.Errorf("no log holds the %s", what)
				}
			}
		})
	})
}

// failingSite runs a site before a backend that fails, asks it for all kinds of things, and hands over everything that was logged.
func failingSite(t *testing.T, snippet, filter, backend, transport string, check func(log string, secrets map[string]string)) {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	global := strings.Replace(globals(dir, "debug", ledgerIn(dir)), "roll_disabled\n\t\t}\n", "roll_disabled\n\t\t}\n"+filter+"\n", 1)
	pay := payBlock(t, dir, "", "allow_http", "upstream "+backend+" "+transport, "orders GET /internal/pay/orders/{order_no}", "login POST /internal/pay/login")
	pay = strings.Replace(pay, "wechat wx_lite {", "wechat wx_lite {\n\t\t\tendpoint http://"+freeAddr(t), 1) // WeChat is down too
	access := filepath.Join(dir, "access")
	run(t, snippet+global+"http://"+addr+" {\n\tlog {\noutput file "+access+" {\nroll_disabled\n}\n"+filter+"\n}\n"+pay+
		"\twechat_auth /members/*\n\treverse_proxy "+backend+" "+transport+"\n}\n")
	mine := token(t, "/pay", session.Identity{OpenID: "o-Mark-openid", UnionID: "u-Mark-unionid"})
	for _, r := range []struct {
		method, target, body string
		header               []string
	}{
		{"GET", "/shop.php", "", []string{"X-Pay-Session", mine}},
		{"POST", "/shop.php", "a=b", []string{"Authorization", "Bearer " + mine}},
		{"GET", "/shop.php", "", []string{"Cookie", "pay_session=" + mine + "; shop=Mark-cookie"}},
		{"GET", "/members/1.php", "", []string{"X-Pay-Session", mine}},
		{"POST", "/pay/charges", `{"order_no":"1001","channel":"wx_lite"}`, []string{"X-Pay-Session", mine, "Content-Type", "application/json"}},
		{"POST", "/pay/openid?code=Mark-code", "", nil},
		{"GET", "/pay/checkout?order_no=1001", "", []string{"X-Pay-Session", mine}},
	} {
		req := must(http.NewRequest(r.method, "http://"+addr+r.target, strings.NewReader(r.body)))
		for i := 0; i < len(r.header); i += 2 {
			req.Header.Set(r.header[i], r.header[i+1])
		}
		if resp, err := client(t).Do(req); err == nil { // an answer that breaks off may be an error
			_ = resp.Body.Close()
		}
	}
	// Caddy refuses an empty Host before any route, so that pay cannot keep the line out of the access log.
	conn := must(net.Dial("tcp", addr))
	defer conn.Close()
	fmt.Fprintf(conn, "GET /pay/openid?code=Mark-code HTTP/1.1\r\nHost:\r\nX-Pay-Session: %s\r\nConnection: close\r\n\r\n", mine)
	resp := must(http.ReadResponse(bufio.NewReader(conn), nil))
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Error(resp.Status)
	}
	read := func() string {
		return string(must(os.ReadFile(filepath.Join(dir, "log")))) + string(must(os.ReadFile(access)))
	}
	eventually(t, "the last request is in both logs", func() bool { return strings.Count(read(), `"host":""`) >= 2 })
	check(read(), map[string]string{
		"session": mine, "cookie": "Mark-cookie", "code": "Mark-code", "backend token": testToken, "openid": "o-Mark-openid", "unionid": "u-Mark-unionid",
	})
}

// breaksOff is a backend that promises more than it says.
func breaksOff(t *testing.T) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("some"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}
