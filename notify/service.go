package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
)

// Service is a kind of chat, or Webhook for a service of the merchant's own.
type Service string

// The services, with what they document.
const (
	WeCom    Service = "wecom"    // a group's robot; the key in its URL is its secret; texts of 2048 bytes, 20 messages a minute
	DingTalk Service = "dingtalk" // a group's robot; signs with the time in the query; 20 messages a minute
	Feishu   Service = "feishu"   // a group's robot, Lark's too; signs with the time in the body; bodies of 20 KiB
	Webhook  Service = "webhook"  // JSON, signed as Standard Webhooks describes
)

// Services are all of them.
var Services = []Service{WeCom, DingTalk, Feishu, Webhook}

const (
	sendMost   = 5 * time.Second // for one attempt: less than the end of the process waits
	answerMost = 16 << 10        // bytes of an answer that are read
	weComMost  = 2048            // bytes
	textMost   = 4096            // bytes of a text elsewhere, which a person is to read
)

// Target is where incidents are told.
type Target struct {
	Service  Service
	URL      redact.Secret // with its key
	Secret   redact.Secret // DingTalk's (SEC…) or Feishu's; empty: messages are not signed
	Signing  relay.Secret  // a Webhook's
	Language string        // zh or en
	// Summary is when a day is summed up: so long after its midnight in UTC+8. Negative: never.
	Summary time.Duration
}

// Check returns what is wrong with it: the name of the option and what to write, without a value.
func (t Target) Check() (option string, err error) {
	u, err := url.Parse(t.URL.Reveal())
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "url", errors.New("is no address of a web service; write the whole URL that the robot's page shows, https://…")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "url", errors.New("would send its key in the clear; write https:// (http only to a loopback address)")
	case t.Service == WeCom && !t.Secret.Empty():
		return "secret", errors.New("is not for wecom, whose secret is the key in the URL; leave it out")
	case t.Service == WeCom && u.Query().Get("key") == "":
		return "url", errors.New("has no key; write the whole URL that the robot's page shows, https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…")
	case t.Service == DingTalk && u.Query().Get("access_token") == "":
		return "url", errors.New("has no access_token; write the whole URL that the robot's page shows, https://oapi.dingtalk.com/robot/send?access_token=…")
	}
	return "", nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// name says in logs and in the storage which target it is, and nothing of its secrets.
func (t Target) name() string {
	sum := sha256.Sum256([]byte(string(t.Service) + "\n" + t.URL.Reveal()))
	return string(t.Service) + "-" + hex.EncodeToString(sum[:6])
}

// request makes the one that tells a message, signed as of now.
func (t Target) request(ctx context.Context, m message, now time.Time) (*http.Request, error) {
	address, header := t.URL.Reveal(), http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	var body any
	switch t.Service {
	case WeCom:
		body = map[string]any{"msgtype": "text", "text": map[string]string{"content": cut(m.Text, weComMost)}}
	case DingTalk:
		body = map[string]any{"msgtype": "text", "text": map[string]string{"content": cut(m.Text, textMost)}}
		if !t.Secret.Empty() {
			u, err := url.Parse(t.URL.Reveal())
			if err != nil {
				return nil, errors.New("the URL cannot be read")
			}
			at, query := strconv.FormatInt(now.UnixMilli(), 10), u.Query()
			query.Set("timestamp", at)
			query.Set("sign", mac(t.Secret.Reveal(), at+"\n"+t.Secret.Reveal()))
			u.RawQuery = query.Encode()
			address = u.String()
		}
	case Feishu:
		fields := map[string]any{"msg_type": "text", "content": map[string]string{"text": cut(m.Text, textMost)}}
		if !t.Secret.Empty() {
			at := strconv.FormatInt(now.Unix(), 10)
			fields["timestamp"], fields["sign"] = at, mac(at+"\n"+t.Secret.Reveal(), "")
		}
		body = fields
	default:
		body = m
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if t.Service == Webhook {
		header.Set("webhook-id", m.ID)
		header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
		header.Set("webhook-signature", t.Signing.Sign(m.ID, now, raw))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	req.Header = header
	return req, nil
}

func mac(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// cut shortens a text to so many bytes, between two characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const more = "…"
	at := most - len(more)
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	return text[:at] + more
}

// send tells a message once. Errors hold nothing of the URL.
func (t Target) send(ctx context.Context, client *http.Client, m message, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, sendMost)
	defer cancel()
	req, err := t.request(ctx, m, now)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error // its text has the URL in it
		if errors.As(err, &u) {
			err = u.Err
		}
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("it answered %d", resp.StatusCode)
	}
	if t.Service == Webhook {
		return nil
	}
	// The robots answer 200 to what they refuse.
	var answer struct {
		ErrCode *int   `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return errors.New("what it answered is not JSON")
	}
	code, said := answer.ErrCode, answer.ErrMsg
	if t.Service == Feishu {
		code, said = answer.Code, answer.Msg
	}
	switch {
	case code == nil:
		return errors.New("its answer has no code")
	case *code != 0:
		return fmt.Errorf("it refused with code %d: %q", *code, t.scrubbed(cut(said, 200)))
	}
	return nil
}

// scrubbed is what the service said, without what it may repeat of us.
func (t Target) scrubbed(said string) string {
	if u, err := url.Parse(t.URL.Reveal()); err == nil {
		for _, values := range u.Query() {
			for _, v := range values {
				said = without(said, v)
			}
		}
		said = without(said, u.Path[strings.LastIndexByte(u.Path, '/')+1:])
	}
	return safe(without(said, t.Secret.Reveal()))
}

func without(text, value string) string {
	if len(value) < 6 {
		return text
	}
	return strings.ReplaceAll(text, value, "…")
}
