package caddymodule

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
)

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// comment is what a comment says, in the reader's language.
var comment = regexp.MustCompile(`(?m)(^|[ \t])(//|#) .*$`)

// snippets returns the code of a page: its language and itself.
func snippets(t *testing.T, page string) (found [][2]string) {
	t.Helper()
	raw, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fence.FindAllStringSubmatch(string(raw), -1) {
		found = append(found, [2]string{m[1], m[2]})
	}
	if len(found) == 0 {
		t.Fatalf("%s has no code", page)
	}
	return found
}

// Both languages show the same code but for what its comments say, and every Caddyfile in it adapts and is as caddy fmt writes it.
func TestDocsSnippets(t *testing.T) {
	for _, page := range []string{"backend", "backend-frameworks", "channels", "console", "http-api", "moving", "quickstart", "sandbox", "scale", "setup", "shipping", "web"} {
		en := snippets(t, page+".md")
		if zh := snippets(t, page+".zh-CN.md"); !slices.EqualFunc(en, zh, func(a, b [2]string) bool {
			return a[0] == b[0] && comment.ReplaceAllString(a[1], "$1$2") == comment.ReplaceAllString(b[1], "$1$2")
		}) {
			t.Errorf("the two languages of %s show different code", page)
		}
		for _, s := range en {
			if s[0] != "caddyfile" {
				continue
			}
			const head = "shop.example.com {\n\tpay {\n\t\tpingpp {\n\t\t\tapp app_1\n\t\t\tkey {env.PINGPP_KEY}\n\t\t\twebhook_key pingpp.pub.pem\n\t\t}\n"
			whole := s[1]
			switch {
			case strings.HasPrefix(whole, "shop.example.com"), strings.HasPrefix(whole, "www.example.com"):
			case strings.HasPrefix(whole, "{\n"): // the global options
				whole += "\n" + head + "\t}\n}\n"
			case strings.HasPrefix(whole, "wechat_auth"): // stands beside the pay block
				whole = head + "\t}\n" + indent("\t", whole) + "}\n"
			default:
				whole = head + indent("\t\t", whole) + "\t}\n}\n"
			}
			if got := adapted(t, whole); !strings.HasPrefix(got, "{") {
				t.Errorf("%s: %s", s[1], got)
			}
			if got := string(caddyfile.Format([]byte(whole))); got != whole {
				t.Errorf("caddy fmt would make it\n%s", got)
			}
		}
	}
}

func indent(by, text string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

// Every answer that docs/backend.md shows becomes the charge that it says, through the orders block that stands before it.
func TestDocsQuotes(t *testing.T) {
	want := []string{"Green tea", "Green tea"} // the subjects, each at 1999 fen
	var orders string
	for _, s := range snippets(t, "backend.md") {
		if s[0] == "caddyfile" && strings.HasPrefix(s[1], "orders ") {
			orders = s[1]
		}
		if s[0] != "json" {
			continue
		}
		if len(want) == 0 {
			t.Fatalf("an answer that this test does not know: %s", s[1])
		}
		if got := chargeAt(t, orders, s[1]); got.Amount != 1999 || got.Currency != "cny" || got.Subject != want[0] || got.Extra["open_id"] != "o-payer" {
			t.Errorf("%s becomes %+v", s[1], got)
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("%d answers are gone", len(want))
	}
}

type charged struct {
	Amount            int64
	Currency, Subject string
	Extra             map[string]string
}

// chargeAt makes a charge of order 20260101001 through Caddy, where the backend answers what is given.
func chargeAt(t *testing.T, orders, answer string) (got charged) {
	t.Helper()
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.String(), "20260101001") || r.Header.Get("X-Pay-Token") != testToken {
			t.Errorf("the backend was asked %s", r.URL)
		}
		_, _ = io.WriteString(w, answer)
	})
	box, err := sandbox.New(sandbox.Config{App: "app_test1", TestKey: "sk_test_Mark0123456789", MerchantKey: &merchantKey().PublicKey, SigningKey: pingppKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	pingxx := httptest.NewServer(box)
	defer pingxx.Close()
	dir, addr := t.TempDir(), freeAddr(t)
	block := payBlock(t, dir, "", "allow_http", "upstream "+shop, strings.TrimSpace(indent("\t\t", orders)))
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+strings.Replace(block, "app app_test1", "app app_test1\n\t\t\tendpoint "+pingxx.URL, 1)+"}\n")
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/pay/charges", strings.NewReader(`{"order_no":"20260101001","channel":"wx_lite"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Session", token(t, "/pay", session.Identity{OpenID: "o-payer"}))
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("answered %d %s, %v", resp.StatusCode, raw, err)
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// A table that names members or codes says of each what it is once: two rows about one of them disagree sooner or later.
func TestDocsTablesNameEachOnce(t *testing.T) {
	row := regexp.MustCompile("^\\| `([a-z_]+)` \\|")
	for _, page := range []string{"backend.md", "backend.zh-CN.md", "http-api.md", "http-api.zh-CN.md"} {
		raw, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		rows, seen := 0, map[string]bool{}
		for line := range strings.SplitSeq(string(raw), "\n") {
			if !strings.HasPrefix(line, "|") {
				clear(seen)
			}
			m := row.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if rows++; seen[m[1]] {
				t.Errorf("%s: two rows about %s", page, m[1])
			}
			seen[m[1]] = true
		}
		if rows == 0 {
			t.Errorf("%s: no table was found", page)
		}
	}
}
