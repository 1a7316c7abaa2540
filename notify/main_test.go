package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	robotKey    = "73febdcb-1b38-4d1b-a994-790f21fc8d30"
	robotSecret = "SECMark0123456789abcdef0123456789"
)

var whsec = "whsec_" + base64.StdEncoding.EncodeToString([]byte("Mark0123456789abcdef0123456789ab"))

// robot plays a service as it documents itself: it takes only what it would take, and remembers that.
type robot struct {
	*httptest.Server
	target Target

	mu    sync.Mutex
	texts []string
	ids   []string // of a webhook's messages
	calls int
	fault func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

func newRobot(t *testing.T, service Service, now func() time.Time) *robot {
	t.Helper()
	b := &robot{target: Target{Service: service, Language: "en", Summary: -1}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.calls++
		if b.fault != nil && b.fault(w, r) {
			return
		}
		text, refusal := b.read(r, raw, now())
		if refusal != "" {
			if service == Webhook {
				http.Error(w, refusal, http.StatusUnauthorized)
				return
			}
			io.WriteString(w, refusal)
			return
		}
		b.texts = append(b.texts, text)
		b.ids = append(b.ids, r.Header.Get("webhook-id"))
		io.WriteString(w, map[Service]string{Feishu: `{"code":0,"msg":"success","data":{}}`}[service])
		if service == WeCom || service == DingTalk {
			io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
		}
	}))
	t.Cleanup(b.Close)
	switch service {
	case WeCom:
		b.target.URL = redact.New(b.URL + "/cgi-bin/webhook/send?key=" + robotKey)
	case DingTalk:
		b.target.URL, b.target.Secret = redact.New(b.URL+"/robot/send?access_token="+robotKey), redact.New(robotSecret)
	case Feishu:
		b.target.URL, b.target.Secret = redact.New(b.URL+"/open-apis/bot/v2/hook/"+robotKey), redact.New(robotSecret)
	case Webhook:
		secret, err := relay.ParseSecret(whsec)
		if err != nil {
			t.Fatal(err)
		}
		b.target.URL, b.target.Signing = redact.New(b.URL+"/alerts"), secret
	}
	if option, err := b.target.Check(); err != nil {
		t.Fatal(option, err)
	}
	return b
}

func signed(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	io.WriteString(h, text)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// read takes a message apart, or says why it is refused.
func (b *robot) read(r *http.Request, raw []byte, now time.Time) (text, refusal string) {
	var m struct {
		MsgType  string            `json:"msgtype"`
		MsgType2 string            `json:"msg_type"`
		Text     map[string]string `json:"text"`
		Content  map[string]string `json:"content"`
		Stamp    string            `json:"timestamp"`
		Sign     string            `json:"sign"`
	}
	if b.target.Service != Webhook {
		if err := json.Unmarshal(raw, &m); err != nil || !utf8.Valid(raw) {
			return "", `{"errcode":93017,"code":9499,"errmsg":"invalid json"}`
		}
	}
	near := func(at time.Time) bool { return now.Sub(at).Abs() < time.Hour }
	switch b.target.Service {
	case WeCom:
		if r.URL.Query().Get("key") != robotKey {
			return "", `{"errcode":93000,"errmsg":"invalid webhook url"}`
		}
		if m.MsgType != "text" || len(m.Text["content"]) > 2048 {
			return "", fmt.Sprintf(`{"errcode":40058,"errmsg":"content exceed max length, key %s"}`, robotKey)
		}
	case DingTalk:
		q := r.URL.Query()
		ms, _ := strconv.ParseInt(q.Get("timestamp"), 10, 64)
		if q.Get("access_token") != robotKey || !near(time.UnixMilli(ms)) || q.Get("sign") != signed(robotSecret, q.Get("timestamp")+"\n"+robotSecret) {
			return "", `{"errcode":310000,"errmsg":"sign not match"}`
		}
		if m.MsgType != "text" || len(raw) > 20000 {
			return "", `{"errcode":40035,"errmsg":"bad message"}`
		}
	case Feishu:
		at, _ := strconv.ParseInt(m.Stamp, 10, 64)
		if !near(time.Unix(at, 0)) || m.Sign != signed(m.Stamp+"\n"+robotSecret, "") {
			return "", `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`
		}
		if m.MsgType2 != "text" || len(raw) > 20<<10 {
			return "", `{"code":9499,"msg":"Bad Request"}`
		}
		return m.Content["text"], ""
	case Webhook:
		id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
		if r.Header.Get("webhook-signature") != "v1,"+signed("Mark0123456789abcdef0123456789ab", id+"."+at+"."+string(raw)) {
			return "", "wrong signature"
		}
		var told message
		if err := json.Unmarshal(raw, &told); err != nil || told.ID != id {
			return "", "not a message"
		}
		return told.Text, ""
	}
	return m.Text["content"], ""
}

func (b *robot) told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.texts...)
}

func (b *robot) breaks(fault func(http.ResponseWriter, *http.Request) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = fault
}

// notes is a Store in memory.
type notes struct {
	mu   sync.Mutex
	docs map[string][]byte
	err  error
}

func (n *notes) Change(_ context.Context, name string, change func([]byte) ([]byte, error)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return n.err
	}
	made, err := change(n.docs[name])
	if err != nil {
		return err
	}
	if n.docs == nil {
		n.docs = make(map[string][]byte)
	}
	n.docs[name] = made
	return nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute in vain: %s", what)
		}
	}
}
