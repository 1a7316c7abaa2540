package notify

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/redact"
)

// Every service takes what it is sent, however long, as it documents signatures and sizes.
func TestServices(t *testing.T) {
	for _, service := range Services {
		t.Run(string(service), func(t *testing.T) {
			b := newRobot(t, service, time.Now)
			client := New(Config{}).cfg.Client
			long := strings.Repeat("付款没有送达。", 1000)
			for _, text := range []string{"short", long} {
				if err := b.target.send(t.Context(), client, message{ID: "msg_1", Type: opened, Time: time.Now(), Text: text}, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			told := b.told()
			if told[0] != "short" || !strings.HasPrefix(long, strings.TrimSuffix(told[1], "…")) || len(told[1]) < 2000 || !utf8.ValidString(told[1]) {
				t.Errorf("told %.100q", told)
			}

			// Another secret is refused, and the error says so without one.
			wrong := b.target
			switch service {
			case WeCom:
				wrong.URL = redact.New(strings.Replace(wrong.URL.Reveal(), robotKey, "00000000-0000-4000-8000-000000000000", 1))
			case DingTalk, Feishu:
				wrong.Secret = redact.New(wrong.Secret.Reveal() + "0")
			case Webhook:
				b.breaks(func(w http.ResponseWriter, r *http.Request) bool { r.Header.Set("webhook-id", "other"); return false })
			}
			err := wrong.send(t.Context(), client, message{ID: "msg_1", Text: "x"}, time.Now())
			if err == nil {
				t.Fatal("a wrong secret was taken")
			}
			for _, secret := range []string{robotKey, robotSecret, whsec, "00000000-0000-4000", b.URL} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

// What the service or the network says of a failure shows nothing of the URL, and what is no yes is a failure.
func TestSendFailures(t *testing.T) {
	b := newRobot(t, DingTalk, time.Now)
	client := New(Config{}).cfg.Client
	for want, fault := range map[string]func(http.ResponseWriter, *http.Request){
		"it answered 500":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"it answered 302":              func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/"+robotKey, http.StatusFound) },
		"what it answered is not JSON": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>" + robotKey)) },
		"its answer has no code":       func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) },
		`code 300005: "token … is not exist by …`: func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"errcode":300005,"errmsg":"token ` + robotKey + ` is not exist by ` + robotSecret + `"}`))
		},
		"EOF": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		b.breaks(func(w http.ResponseWriter, r *http.Request) bool { fault(w, r); return true })
		err := b.target.send(t.Context(), client, message{Text: "x"}, time.Now())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), robotKey) || strings.Contains(err.Error(), robotSecret) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	b.Close()
	if err := b.target.send(t.Context(), client, message{Text: "x"}, time.Now()); err == nil || strings.Contains(err.Error(), robotKey) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestTargetCheck(t *testing.T) {
	for _, c := range []struct {
		target Target
		option string
	}{
		{Target{Service: WeCom, URL: redact.New("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + robotKey)}, ""},
		{Target{Service: WeCom, URL: redact.New("https://qyapi.weixin.qq.com/cgi-bin/webhook/send")}, "url"},
		{Target{Service: WeCom, URL: redact.New("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + robotKey), Secret: redact.New("x")}, "secret"},
		{Target{Service: DingTalk, URL: redact.New("https://oapi.dingtalk.com/robot/send")}, "url"},
		{Target{Service: Feishu, URL: redact.New("http://open.feishu.cn/open-apis/bot/v2/hook/" + robotKey)}, "url"},
		{Target{Service: Webhook, URL: redact.New("alerts.example.com")}, "url"},
		{Target{Service: Webhook, URL: redact.New("http://127.0.0.1:9/alerts")}, ""},
	} {
		option, err := c.target.Check()
		if option != c.option || (err == nil) != (option == "") {
			t.Errorf("%+v: %q %v", c.target, option, err)
		}
		if err != nil && strings.Contains(err.Error(), robotKey) {
			t.Error("the error shows the key")
		}
	}
}

// Whatever a finding quotes, a message has no openid, no key, nothing after a question mark, and nobody else's words.
func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		`your backend answered 302 to "/login" (a redirect is not a receipt)`:             `your backend answered 302 to "/login" (a redirect is not a receipt)`,
		`your backend answered 302 to "/login?token=Mark123" x`:                           `your backend answered 302 to "/login…" x`,
		`openid oUpF8uMuAJO_M2pxb1Q9zNjWeS6o is refused`:                                  `openid … is refused`,
		`no user oUpF8uMuAJO_M2pxb1Q9zNjWeS6- here`:                                       `no user … here`,
		`its title is "Green tea, 50 g" and "\"x\" more"`:                                 `its title is "…" and "…"`,
		`key sk_live_Mark0123 and whsec_TWFyazAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWI= end`: `key … and … end`,
		"two\nlines\x1b[31m": "two lines [31m",
		`does it compare X-Pay-Token with this site's backend_token?`: `does it compare X-Pay-Token with this site's backend_token?`,
	} {
		if got := safe(text); got != want {
			t.Errorf("safe(%q) = %q, want %q", text, got, want)
		}
	}
}
