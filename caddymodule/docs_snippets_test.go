package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A snippet's outcome.
const (
	goesOn  = "goes on"              // what was asked for is so, or will be
	isOver  = "says that it is over" // it came to nothing, and the same again would too
	isError = "says that it failed"  // it may have come to something, or may the next time
)

// pageAnswers are what the caller of a route can meet.
var pageAnswers = []struct {
	name   string
	status int
	body   string
	refund string // what a refund's caller should make of it
	read   string // and what somebody who only asks
}{
	{"no server", 0, ``, isError, isError},
	{"refused", 409, `{"code":"refund_exceeds","detail":"More than what is left of the payment cannot be refunded.","status":409,"title":"Refund exceeds"}`, isOver, isError},
	{"refused by the channel", 402, `{"code":"refund_rejected","detail":"Ping++ or the payment channel refused the refund.","failure_code":"refund_refused","failure_msg":"余额不足","refund_no":"R1","status":402,"title":"Refund rejected"}`, isOver, isError},
	{"a wrong token", 401, `{"code":"token_invalid","detail":"The token is wrong.","status":401,"title":"Token invalid"}`, isOver, isError},
	{"in progress", 409, `{"code":"charge_in_progress","detail":"Try again shortly.","status":409,"title":"Charge in progress"}`, isError, isError},
	{"unavailable", 503, `{"code":"ledger_unavailable","detail":"Try again shortly.","status":503,"title":"Ledger unavailable"}`, isError, isError},
	{"a proxy's error page", 502, `<html><h1>502 Bad Gateway</h1></html>`, isError, isError},
	{"a proxy's refusal", 403, `<html><h1>403 Forbidden</h1></html>`, isError, isError},
	{"nothing", 500, ``, isError, isError},
	{"failed", 201, `{"refund_no":"R1","refund":"re_1","amount":50,"status":"failed","failure_code":"refund_refused_msg","failure_msg":"余额不足"}`, isOver, goesOn},
	{"failed before", 200, `{"refund_no":"R1","refund":"re_1","amount":50,"status":"failed","failure_code":"refund_refused_msg","failure_msg":"余额不足"}`, isOver, goesOn},
	{"made", 201, `{"refund_no":"R1","refund":"re_1","amount":50,"status":"pending","failure_code":null,"failure_msg":null}`, goesOn, goesOn},
	{"will be made", 202, `{"refund_no":"R1","refund":null,"amount":50,"status":"pending","failure_code":null,"failure_msg":null}`, goesOn, goesOn},
	{"back", 200, `{"refund_no":"R1","refund":"re_1","amount":50,"status":"succeeded","failure_code":null,"failure_msg":null}`, goesOn, goesOn},
	{"a page of another site", 200, `<html><h1>Welcome</h1></html>`, isError, goesOn}, // its text is all that who asks gets to see
}

// snippetSite answers each call in one way, and keeps the call; with the status 0 nobody is there.
type snippetSite struct {
	url  string
	call string
}

func newSnippetSite(t *testing.T, status int, body string) *snippetSite {
	t.Helper()
	if status == 0 {
		return &snippetSite{url: "http://" + freeAddr(t)}
	}
	s := &snippetSite{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		s.call = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Authorization") + " " + r.Header.Get("Content-Type") + " " + string(sent)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// runSnippet runs a command in a folder of its own, for a site at this address.
func runSnippet(t *testing.T, code, site string, command ...string) (out string, ok bool) {
	t.Helper()
	code = strings.ReplaceAll(code, "https://shop.example.com", site)
	cmd := exec.Command(command[0], append(command[1:], code)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PAY_MERCHANT_TOKEN="+merchantToken, "no_proxy=*")
	got, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%v; make deps installs what is missing on Debian", err)
	}
	return string(got), err == nil
}

// Each snippet of the pages that calls something does what is right whatever it meets: nobody there, a refusal, a failure, an answer that says
// "failed", and success. (Both languages show the same code; other tests see to that.) What it calls a success is one, and what may be one after all is not called a failure for good.
func TestDocsSnippetsMeetFailures(t *testing.T) {
	run := 0
	for _, page := range []string{"http-api.md", "backend.md", "channels.md", "sandbox.md", "../README.md"} {
		for i, s := range snippets(t, page) {
			t.Run(fmt.Sprint(filepath.Base(page), " ", i, " ", s[0]), func(t *testing.T) {
				switch language, code := s[0], s[1]; {
				case language == "caddyfile" || language == "json" || language == "text": // TestDocsSnippets adapts the first, TestHTTPAPIPages reads the second
				case language == "sh" && !strings.Contains(code, "curl "):
					if !regexp.MustCompile(`^(go run|make|xcaddy|caddy pay sandbox|caddy pay check|sed) `).MatchString(code) {
						t.Errorf("this test does not know what to do with\n%s", code)
					}
				case language == "sh" && page == "sandbox.md":
					testLevers(t, code)
					run++
				case language == "sh":
					testCurl(t, code)
					run++
				case language == "php" && strings.HasPrefix(code, "<?php\n"): // of the backend: TestDocsPHP and TestDocsPHPFails run it
				case language == "php":
					testRefundPHP(t, code)
					run++
				case language == "js" && strings.Contains(code, "/pay/charges"):
					testGuestPage(t, code)
					run++
				case language == "js":
					testJSSDK(t, code)
					run++
				default:
					t.Errorf("this test cannot run %s:\n%s", language, code)
				}
			})
		}
	}
	if run != 4+1+2+2+1 { // curl, PHP, JavaScript; the sandbox's levers, twice; and curl on the first page
		t.Errorf("%d snippets were run", run)
	}
}

// testCurl wants a call of the merchant API to end with 0 on success alone, and to show the answer in any case.
func testCurl(t *testing.T, code string) {
	for _, a := range pageAnswers {
		site := newSnippetSite(t, a.status, a.body)
		out, ok := runSnippet(t, code, site.url, "sh", "-c")
		want := a.read
		if strings.Contains(code, "-d '") {
			want = a.refund
		}
		if ok != (want == goesOn) {
			t.Errorf("%s: success is %t\n%s\n%s", a.name, ok, code, out)
		}
		if a.status != 0 && !strings.Contains(out, a.body) || a.status == 0 && !strings.Contains(out, "curl: ") {
			t.Errorf("%s: the answer is not to be seen: %s", a.name, out)
		}
		if a.status != 0 && !strings.Contains(site.call, "Bearer "+merchantToken) {
			t.Errorf("%s: called was %s", a.name, site.call)
		}
	}
}

// testLevers wants each call of the sandbox to end with 0 when the sandbox did it, and to show the answer in any case.
func testLevers(t *testing.T, code string) {
	for line := range strings.Lines(code) {
		for _, a := range pageAnswers {
			site := newSnippetSite(t, a.status, a.body)
			out, ok := runSnippet(t, strings.ReplaceAll(line, "http://localhost:8484", site.url), site.url, "sh", "-c")
			if ok != (a.status/100 == 2) {
				t.Errorf("%s: success is %t\n%s\n%s", a.name, ok, line, out)
			}
			if a.status != 0 && !strings.Contains(out, a.body) || a.status == 0 && !strings.Contains(out, "curl: ") {
				t.Errorf("%s: the answer is not to be seen: %s", a.name, out)
			}
			if a.status != 0 && !strings.HasPrefix(site.call, "POST /sandbox/") {
				t.Errorf("%s: called was %s", a.name, site.call)
			}
		}
	}
}

// testRefundPHP wants DomainException when the refund will not be made, RuntimeException when the same request has to be sent again.
func testRefundPHP(t *testing.T, code string) {
	const head = "$orderNo = '20260101001'; $refundNo = 'R1'; $fen = '50'; $why = '退货';\ntry {\n"
	const tail = "\necho 'GOES ON';\n} catch (DomainException $e) { echo 'OVER: ', $e->getMessage(); } catch (RuntimeException $e) { echo 'AGAIN: ', $e->getMessage(); }"
	for _, a := range pageAnswers {
		site := newSnippetSite(t, a.status, a.body)
		out, ok := runSnippet(t, head+code+tail, site.url, "php", "-d", "display_errors=1", "-d", "error_reporting=-1", "-r")
		want := map[string]string{goesOn: "GOES ON", isOver: "OVER: refund R1 ", isError: "AGAIN: send refund R1 again"}[a.refund]
		if !ok || !strings.HasPrefix(out, want) {
			t.Errorf("%s: %s, want %s", a.name, out, want)
		}
		if a.refund == isOver && !strings.Contains(out, "余额不足") && !strings.Contains(out, "More than what is left") && !strings.Contains(out, "refund_rejected") && !strings.Contains(out, "token_invalid") {
			t.Errorf("%s: it does not say why: %s", a.name, out)
		}
		const call = `POST /pay/refunds Bearer ` + merchantToken + ` application/json {"order_no":"20260101001","refund_no":"R1","amount":50,"description":"\u9000\u8d27"}`
		if a.status != 0 && site.call != call {
			t.Errorf("%s: called was %s", a.name, site.call)
		}
	}
}

// testJSSDK wants WeChat's library to be set up with a signature, and with nothing else.
func testJSSDK(t *testing.T, code string) {
	const head = `const calls = [], ask = fetch;
globalThis.location = {href: 'https://shop.example.com/a?b=1#/c'};
globalThis.fetch = (path) => ask(process.argv.at(-1) + path);
globalThis.wx = {config: (c) => calls.push(c)};
process.on('exit', () => console.log('configured: ' + JSON.stringify(calls)));
`
	const good = `{"appId":"wx1","timestamp":1767225600,"nonceStr":"n","signature":"s"}`
	answers := append(pageAnswers[:len(pageAnswers):len(pageAnswers)], pageAnswers[0])
	answers[len(answers)-1].name, answers[len(answers)-1].status, answers[len(answers)-1].body = "a signature", 200, good
	for _, a := range answers {
		out, ok, call := runPage(t, head, code, a.status, a.body)
		if want := a.body == good; ok != want || strings.Contains(out, `"appId":"wx1"`) != want || strings.Contains(out, "configured: []") == want {
			t.Errorf("%s: success is %t: %s", a.name, ok, out)
		}
		if a.status != 0 && !strings.HasPrefix(call, "GET /pay/jssdk?url=https%3A%2F%2Fshop.example.com%2Fa%3Fb%3D1%23%2Fc ") {
			t.Errorf("%s: called was %s", a.name, call)
		}
	}
}

var newerThanPHP56 = regexp.MustCompile(`\?\?|\?->|<=>|\bfn ?\(|\bmatch ?\(|\): ?\??[a-zA-Z]|\bstrict_types\b|function [a-zA-Z]*\((int|string|bool|float) |str_(contains|starts_with|ends_with)|random_bytes|\bThrowable\b|catch ?\([A-Za-z]+ ?\||#\[`)

// The PHP of the pages runs where old shops are: nothing in it is newer than PHP 5.6.
func TestDocsPHPIsOld(t *testing.T) {
	found := 0
	for _, page := range []string{"http-api.md", "backend.md", "shipping.md"} {
		for _, s := range snippets(t, page) {
			if s[0] != "php" {
				continue
			}
			found++
			if m := newerThanPHP56.FindString(s[1]); m != "" {
				t.Errorf("%s uses %q, which PHP 5.6 does not know:\n%s", page, m, s[1])
			}
		}
	}
	if found != 6 {
		t.Errorf("%d pieces of PHP", found)
	}
}
