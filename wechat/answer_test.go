package wechat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Every row of WeChat's table, with the errmsg in both styles of trace, and as number and string.
func TestParseAnswerErrcodes(t *testing.T) {
	for _, row := range []struct {
		errcode int
		errmsg  string
		kind    Kind
		used    bool
		wait    time.Duration
	}{
		{-1, "system error", Busy, false, 2 * time.Second},
		{45011, "api minute-quota reach limit  mustslower  retry next minute", Busy, false, 20 * time.Second},
		{40029, "invalid code", CodeInvalid, false, 0},
		{40163, "code been used", CodeInvalid, true, 0},
		{42003, "code expired", CodeInvalid, false, 0},
		{40226, "code blocked", Blocked, false, 0},
		{40013, "invalid appid", Misconfigured, false, 0},
		{40125, "invalid appsecret", Misconfigured, false, 0},
		{40243, "appsecret frozen", Misconfigured, false, 0},
		{41002, "appid missing", Misconfigured, false, 0},
		{41004, "appsecret missing", Misconfigured, false, 0},
		{40066, "invalid url", Misconfigured, false, 0},
		{41008, "missing code", Rejected, false, 0},
		{48001, "api unauthorized", Rejected, false, 0},
		{1, "", Rejected, false, 0},
	} {
		for _, trace := range []string{
			"", ", hints: [ req_id: FlqbEa04343hd1 ]", ", rid: 5f9a8b7c-1a2b3c4d-6e7f8091", " rid: 5f9a8b7c-1a2b3c4d-6e7f8091",
			" hints : [ req_id: x\nsecond line ]",
		} {
			for _, form := range []string{`%d`, `"%d"`} {
				errcode := fmt.Sprintf(form, row.errcode)
				errmsg, _ := json.Marshal(row.errmsg + trace)
				t.Run(errcode+trace, func(t *testing.T) {
					body := fmt.Sprintf(`{"errcode":%s,"errmsg":%s}`, errcode, errmsg)
					id, err := parseIdentity(200, []byte(body), nil)
					var e *Error
					if !errors.As(err, &e) || id != (Identity{}) {
						t.Fatalf("got %v, %v", id, err)
					}
					if e.Kind != row.kind || e.Code != row.errcode || e.Message != row.errmsg {
						t.Errorf("got kind %q, code %d, message %q", e.Kind, e.Code, e.Message)
					}
					if e.Used() != row.used || e.RetryAfter() != row.wait {
						t.Errorf("got used %v, retry after %s", e.Used(), e.RetryAfter())
					}
				})
			}
		}
	}
}

func TestParseAnswerIdentity(t *testing.T) {
	const open, union = "oABCDEFGHIJKLMNOPQRSTUVWXYZ_", "u-123"
	for name, body := range map[string]string{
		"plain":             `{"session_key":"k==","openid":"` + open + `"}`,
		"errcode 0":         `{"openid":"` + open + `","session_key":"k==","errcode":0,"errmsg":"ok"}`,
		"errcode text 0":    `{"openid":"` + open + `","errcode":"0"}`,
		"errcode null":      `{"openid":"` + open + `","errcode":null,"unionid":null}`,
		"space and unknown": " {\"openid\" : \"" + open + "\", \"x\": [1,{}]}\n",
		"look-alike names":  `{"openid":"` + open + `","OpenID":"oEVIL","ERRCODE":40029}`,
	} {
		t.Run(name, func(t *testing.T) {
			id, err := parseIdentity(200, []byte(body), nil)
			if err != nil || id != (Identity{OpenID: open}) {
				t.Errorf("got %+v, %v", id, err)
			}
		})
	}
	id, err := parseIdentity(500, []byte(`{"openid":"`+open+`","unionid":"`+union+`"}`), nil)
	if err != nil || id != (Identity{OpenID: open, UnionID: union}) {
		t.Errorf("with a unionid and HTTP 500: got %+v, %v", id, err)
	}
}

func TestParseAnswerUnusable(t *testing.T) {
	for _, c := range []struct{ body, says string }{
		{``, "not a JSON object"},
		{`<html><h1>502 Bad Gateway</h1></html>`, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{`"oABC"`, "not a JSON object"},
		{`{"openid":"oABC"`, "not a JSON object"},
		{`{"openid":"oABC"} {}`, "not a JSON object"},
		{strings.Repeat(`{"a":`, 20000), "not a JSON object"},
		{`null`, "no openid"},
		{`{}`, "no openid"},
		{`{"openid":null}`, "no openid"},
		{`{"openid":"","errcode":0}`, "no openid"},
		{`{"openid":42}`, "form that no openid has"},
		{`{"openid":{"a":1}}`, "form that no openid has"},
		{`{"openid":"o\r\nX-WX-OPENID: other"}`, "form that no openid has"},
		{`{"openid":"用户"}`, "form that no openid has"},
		{`{"openid":"` + strings.Repeat("o", maxID+1) + `"}`, "form that no openid has"},
		{`{"openid":"oABC","unionid":"a b"}`, "form that no unionid has"},
		{`{"openid":"oABC","unionid":[]}`, "form that no unionid has"},
		{`{"errcode":"no","openid":"oABC"}`, "an errcode that is not a number"},
		{`{"errcode":"","openid":"oABC"}`, "an errcode that is not a number"},
		{`{"errcode":40029.5}`, "an errcode that is not a number"},
		{`{"errcode":1e400}`, "an errcode that is not a number"},
		{`{"errcode":99999999999999999999999}`, "an errcode that is not a number"},
		{`{"errcode":[],"openid":"oABC"}`, "an errcode that is not a number"},
		{`{"errcode":true,"openid":"oABC"}`, "an errcode that is not a number"},
	} {
		_, err := parseIdentity(502, []byte(c.body), nil)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Unavailable || e.Code != 0 || e.RetryAfter() != 0 {
			t.Errorf("%.60s: got %#v", c.body, err)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "HTTP 502") {
			t.Errorf("%.60s: got %q, want it to say %q", c.body, err, c.says)
		}
	}
}

func TestErrorBeatsIdentity(t *testing.T) {
	_, err := parseIdentity(200, []byte(`{"errcode":40029,"errmsg":["odd"],"openid":"oABCDEF"}`), nil)
	var e *Error
	if !errors.As(err, &e) || e.Kind != CodeInvalid || e.Message != "" {
		t.Errorf("got %#v", err)
	}
}

func TestClean(t *testing.T) {
	r := redactor{"s3cret+/=", "", "ab"}
	for in, want := range map[string]string{
		"invalid appsecret s3cret+/= given":    "invalid appsecret [redacted] given",
		"GET /x?secret=s3cret%2B%2F%3D&a=b":    "GET /x?secret=[redacted]&a=b",
		"about absence":                        "about absence", // too short to be a secret
		"two\nlines\x00\x1b[31m\u202e":         "two lines  [31m",
		strings.Repeat("长", 200):               strings.Repeat("长", 80) + "…",
		strings.Repeat("x", 236) + "s3cret+/=": strings.Repeat("x", 236) + "[red…",
	} {
		if got := r.clean(in); got != want {
			t.Errorf("clean(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"openid":"oABCDEF","session_key":"sessionkey==","unionid":"uABCDEF"}`,
		`{"errcode":40029,"errmsg":"invalid code, rid: 1-2-3"}`,
		`{"errcode":"40163","errmsg":"code been used sessionkey==, hints: [ req_id: x ]","session_key":"sessionkey=="}`,
		`{"errcode":-1}`, `null`, `[]`, `{"openid":1}`, `<html>`, "{\"errmsg\":\"\xff\\ud800\",\"errcode\":1}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := parseIdentity(200, body, redactor{"the-secret", "the-code"})
		if err == nil {
			if !validID(id.OpenID) || id.UnionID != "" && !validID(id.UnionID) {
				t.Fatalf("accepted %+v", id)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || id != (Identity{}) {
			t.Fatalf("got %+v, %#v", id, err)
		}
		if want := kindOf(e.Code); e.Code != 0 && e.Kind != want || e.Code == 0 && e.Kind != Unavailable {
			t.Fatalf("errcode %d has the kind %q", e.Code, e.Kind)
		}
		text := e.Error()
		if len(text) > 400 || strings.ContainsAny(text, "\r\n\x00") {
			t.Fatalf("error text %q", text)
		}
		for _, hidden := range []string{"the-secret", "the-code"} {
			if strings.Contains(text, hidden) {
				t.Fatalf("error text shows %s: %q", hidden, text)
			}
		}
	})
}

// parseIdentity reads an answer of jscode2session.
func parseIdentity(status int, body []byte, hide redactor) (Identity, error) {
	a, err := parseAnswer("jscode2session", status, body, hide)
	if err != nil {
		return Identity{}, err
	}
	return a.identity()
}
