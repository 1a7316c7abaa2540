package caddymodule

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger"
)

const chatKey = "73febdcb-1b38-4d1b-a994-790f21fc8d30"

// chat is a robot that takes everything.
type chat struct {
	addr string
	mu   sync.Mutex
	got  []string
}

func newChat(t *testing.T) *chat {
	c := &chat{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, string(raw))
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	t.Cleanup(srv.Close)
	c.addr = srv.Listener.Addr().String()
	return c
}

func (c *chat) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

// A backend that begins to redirect is told once, over a reload too, and once that it is over; the URL is in no log and, as a placeholder, in
// the configuration alone.
func TestNotify(t *testing.T) {
	defer func(before time.Duration) { lookEvery = before }(lookEvery)
	lookEvery = 20 * time.Millisecond
	var ill atomic.Bool
	var asked atomic.Int64
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if ill.Load() {
			http.Redirect(w, r, "/login", http.StatusFound)
			return
		}
		http.NotFound(w, r)
	})
	chat, dir, addr := newChat(t), t.TempDir(), freeAddr(t)
	t.Setenv("TEST_CHAT_URL", "http://"+chat.addr+"/cgi-bin/webhook/send?key="+chatKey)
	pay := "pay {\n\t\tledger sqlite " + filepath.Join(dir, "ledger.db") + "\n\t\tnotify wecom {env.TEST_CHAT_URL} {\n\t\t\tlanguage en\n\t\t}\n\t}"
	file := globals(dir, pay) + "http://" + addr + " {\n" + payBlock(t, dir, "", "allow_http", "upstream "+shop,
		"orders GET /internal/pay/orders/{order_no}", "events POST /internal/pay/events") + "}\n"
	if raw := string(adapt(t, file)); strings.Contains(raw, chatKey) || !strings.Contains(raw, "{env.TEST_CHAT_URL}") {
		t.Error("the configuration has the URL")
	}
	t.Cleanup(func() { // whoever tells gives that up in the storage, and has the ledger until then
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if _, used := stores.References(filepath.Join(dir, "ledger.db")); !used {
				return
			}
			if time.Now().After(end) {
				t.Error("whoever tells is still under way")
				return
			}
		}
	})
	looks := func() {
		from := asked.Load()
		eventually(t, "it is looked some times", func() bool { return asked.Load() > from+4 })
	}
	run(t, file)
	looks()
	ill.Store(true)
	eventually(t, "it is told", func() bool { return len(chat.told()) > 0 })
	if err := caddy.Load(adapt(t, strings.Replace(file, "allow_http", "allow_http\n\t\tcors https://m.example.com", 1)), true); err != nil {
		t.Fatal(err)
	}
	looks()
	ill.Store(false)
	eventually(t, "it is told that it is over", func() bool { return len(chat.told()) > 1 })
	looks()
	told := chat.told()
	if len(told) != 2 || !strings.Contains(told[0], "302 to") || !strings.Contains(told[0], "/login") || !strings.Contains(told[1], "over after") {
		t.Errorf("told %q", told)
	}
	eventually(t, "the log says what was told", func() bool {
		log, err := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(log), chatKey) {
			t.Fatal("the log has the URL")
		}
		return strings.Count(string(log), `"told"`) == 2
	})
}

// What is wrong with a notify is said with its place, and without its values.
func TestNotifyErrors(t *testing.T) {
	t.Setenv("TEST_CHAT_URL", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key="+chatKey)
	for name, c := range map[string]struct{ option, want, line string }{
		"unset":          {"notify wecom {env.TEST_NOT_SET}", "notify wecom url: {env.TEST_NOT_SET} resolves to nothing", "15"},
		"no https":       {"notify feishu http://open.feishu.cn/hook/" + chatKey, "notify feishu url: would send its key in the clear", "15"},
		"secret":         {"notify wecom {env.TEST_CHAT_URL} {\n\t\t\tsecret SECMark0123\n\t\t}", "notify wecom secret: is not for wecom", "16"},
		"no secret":      {"notify webhook https://alerts.example.com/x", "notify webhook secret: is missing", "15"},
		"a wrong secret": {"notify webhook https://alerts.example.com/x {\n\t\t\tsecret SECMark0123\n\t\t}", "notify webhook secret: it does not begin with whsec_", "16"},
		"twice":          {"notify wecom {env.TEST_CHAT_URL}\n\t\tnotify wecom {env.TEST_CHAT_URL}", "is that of another notify", "16"},
		"its own line":   {"notify wecom {env.TEST_CHAT_URL}\n\t\tnotify wecom {env.TEST_CHAT_URL} {\n\t\t\tsecret SECMark0123\n\t\t}", "notify wecom secret: is not for wecom", "17"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := validate(t, globals(dir, "pay {\n\t\t"+c.option+"\n\t}")+"http://"+freeAddr(t)+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Caddyfile:"+c.line) {
				t.Fatalf("%v; want %s at line %s", err, c.want, c.line)
			}
			if strings.Contains(err.Error(), chatKey) || strings.Contains(err.Error(), "SECMark0123") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	for raw, want := range map[string]string{
		`{"apps":{"pay":{"notify":[{"service":"slack","url":"https://x.example.com"}]}}}`:                      `"slack" is no service`,
		`{"apps":{"pay":{"notify":[{"service":"feishu","url":"https://x.example.com","language":"fr"}]}}}`:     "language: is zh or en",
		`{"apps":{"pay":{"notify":[{"service":"feishu","url":"https://x.example.com","summary":"25:00"}]}}}`:   "summary: is a time of the day",
		`{"apps":{"pay":{"notify":[{"service":"dingtalk","url":"https://x.example.com","summary":"09:00"}]}}}`: "has no access_token",
	} {
		if err := validateJSON(t, raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// Webhooks that are refused are found after three of them, unless good ones come too.
func TestWebhooksRefused(t *testing.T) {
	a, scope := &App{home: inFile(filepath.Join(t.TempDir(), "ledger.db"))}, ledger.Scope{App: "app_test1", Mode: ledger.Live}
	site := &check.Site{Name: "shop.test", Now: time.Now, Turned: func() check.Turned { return a.turnedOf(scope) }}
	result := func() check.Result {
		for _, c := range site.Checks() {
			if c.ID == "webhooks-refused" {
				for _, f := range check.Run(t.Context(), []check.Check{c}) {
					return f.Result
				}
			}
		}
		return ""
	}
	for i, step := range []struct {
		result string
		want   check.Result
	}{{"missing", ""}, {"wrong_key", ""}, {"wrong_key", ""}, {"wrong_key", check.Fail}, {"missing", check.Fail}, {"recorded", check.OK},
		{"wrong_key", check.OK}, {"wrong_key", check.OK}, {"wrong_key", check.OK}} {
		a.turnedBy(scope, step.result)
		if got := result(); got != step.want {
			t.Fatalf("after step %d (%s): %q, want %q", i, step.result, got, step.want)
		}
	}
	site.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if got := result(); got != check.Fail {
		t.Errorf("two hours after the last good one: %q", got)
	}
}

// Webhooks that a running Caddy refuses for their key are found by the doctor, and one that it takes ends that.
func TestWebhooksRefusedByCaddy(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n")
	send := func(id string, body []byte) int {
		req := must(http.NewRequest(http.MethodPost, "http://"+addr+"/pay/webhooks", bytes.NewReader(webhookEvent(id))))
		req.Header.Set("X-Pingplusplus-Signature", signature(t, body))
		status, _ := answered(t, req)
		return status
	}
	refused := func() check.Result {
		for _, f := range must(activeApp()).Check(t.Context()) {
			if f.ID == "webhooks-refused" {
				return f.Result
			}
		}
		return ""
	}
	for range 3 {
		if status := send("refused1", []byte("something else")); status != http.StatusUnauthorized {
			t.Fatal(status)
		}
	}
	if got := refused(); got != check.Fail {
		t.Errorf("after three that were refused: %q", got)
	}
	if status := send("taken1", webhookEvent("taken1")); status != http.StatusOK {
		t.Fatal(status)
	}
	if got := refused(); got != check.OK {
		t.Errorf("after one that was taken: %q", got)
	}
}

// What several processes change in the storage, they change one after the other.
func TestToldStore(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			s := &toldStore{storage: &certmagic.FileStorage{Path: dir}, path: "/var/lib/caddy/pay.db"}
			if err := s.Change(t.Context(), "wecom-1", func(old []byte) ([]byte, error) { return append(old, 'x'), nil }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	failed := errors.New("no")
	s := &toldStore{storage: &certmagic.FileStorage{Path: dir}, path: "/var/lib/caddy/pay.db"}
	if err := s.Change(t.Context(), "wecom-1", func(old []byte) ([]byte, error) { return append(old, 'y'), failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := s.Change(t.Context(), "wecom-1", func(old []byte) ([]byte, error) {
		if string(old) != "xxx" {
			t.Errorf("kept %q", old)
		}
		return old, nil
	}); err != nil {
		t.Error(err)
	}
}
