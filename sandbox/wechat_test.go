package sandbox

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// login calls jscode2session; changes set parameters, "" leaves one out.
func (b *bench) login(code string, changes ...string) answer {
	b.t.Helper()
	q := url.Values{"appid": {b.WxLite().AppID}, "secret": {b.WxLite().Secret}, "js_code": {code}, "grant_type": {"authorization_code"}}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return b.do(b.request("GET", "/sns/jscode2session?"+q.Encode(), ""))
}

func TestLogin(t *testing.T) {
	b := start(t, Config{})
	a := b.login(b.NewCode("oUser"))
	key, _ := a.field("session_key").(string)
	if a.status != 200 || a.field("openid") != "oUser" || len(key) != 24 || a.field("errcode") != nil || a.field("unionid") != nil || a.header.Get("Content-Type") != "text/plain" {
		t.Errorf("%v %s", a.header, a.body)
	}
	made, _ := b.login(b.NewCode("")).field("openid").(string)
	other, _ := b.login(b.NewCode("")).field("openid").(string)
	if len(made) != 28 || made[0] != 'o' || made == other {
		t.Errorf("made openids: %s, %s", made, other)
	}
	code, _ := b.lever("POST", "/sandbox/wechat/codes", `{"openid":"oMe","unionid":"uMe"}`).field("code").(string)
	if a := b.login(code); a.field("openid") != "oMe" || a.field("unionid") != "uMe" {
		t.Errorf("%s", a.body)
	}
	if code, _ := b.lever("POST", "/sandbox/wechat/codes", "").field("code").(string); b.login(code).field("openid") == nil {
		t.Error("a lever without a body gives no good code")
	}
	if a := b.do(b.request("POST", "/sandbox/wechat/codes", `{"openid":"no openid"}`)); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestCodesThatNeedNoLever(t *testing.T) {
	b := start(t, Config{})
	alice := b.login("sandbox-alice")
	bob := b.login("sandbox-bob")
	if openid, _ := alice.field("openid").(string); len(openid) != 28 || bob.field("openid") == openid {
		t.Errorf("%s, %s", alice.body, bob.body)
	}
	if a := b.login("sandbox-alice"); a.field("errcode") != 40163.0 {
		t.Errorf("used: %s", a.body)
	}
}

// WeChat's developer tools without an AppID give one code for ever, which is a sentence.
func TestCodeOfTheDeveloperTools(t *testing.T) {
	b := start(t, Config{})
	first := b.login("the code is a mock one")
	if openid, _ := first.field("openid").(string); len(openid) != 28 {
		t.Fatalf("%s", first.body)
	}
	b.clock.Add(time.Hour)
	if again := b.login("the code is a mock one"); again.field("openid") != first.field("openid") || again.field("session_key") == first.field("session_key") {
		t.Errorf("%s", again.body)
	}
	if a := b.login("the code is a mock two"); a.field("errcode") != 40029.0 {
		t.Errorf("another sentence: %s", a.body)
	}
	if a := b.login("the code is a mock one", "secret", "x"); a.field("errcode") != 40125.0 {
		t.Errorf("with another secret: %s", a.body)
	}
}

func TestLoginErrors(t *testing.T) {
	b := start(t, Config{})
	used, expired, good := b.NewCode("oUser"), b.NewCode("oUser"), ""
	b.login(used)
	b.clock.Add(5 * time.Minute)
	good = b.NewCode("oUser")
	for _, c := range []struct {
		name, code string
		changes    []string
		errcode    float64
		errmsg     string
	}{
		{"unknown", "0abc", nil, 40029, "invalid code"},
		{"expired", expired, nil, 40029, "invalid code"},
		{"used", used, nil, 40163, "code been used"},
		{"nothing behind the prefix", "sandbox-", nil, 40029, "invalid code"},
		{"too long", "sandbox-" + strings.Repeat("a", maxCode), nil, 40029, "invalid code"},
		{"no code", "", []string{"js_code", ""}, 41008, "missing code"},
		{"no appid", good, []string{"appid", ""}, 41002, "appid missing"},
		{"no secret", good, []string{"secret", ""}, 41004, "appsecret missing"},
		{"wrong appid", good, []string{"appid", "wx0"}, 40013, "invalid appid"},
		{"wrong secret", good, []string{"secret", "0"}, 40125, "invalid appsecret"},
		{"wrong grant", good, []string{"grant_type", "client_credential"}, 40002, "invalid grant_type"},
	} {
		a := b.login(c.code, c.changes...)
		message, _ := a.field("errmsg").(string)
		if a.status != 200 || a.field("errcode") != c.errcode || !regexp.MustCompile(`^`+c.errmsg+`, rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`).MatchString(message) ||
			a.field("openid") != nil || a.header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	r := b.request("POST", "/sns/jscode2session", "appid="+b.WxLite().AppID, "Content-Type", "application/x-www-form-urlencoded")
	if a := b.do(r); a.field("errcode") != 41002.0 {
		t.Errorf("POST: %s", a.body)
	}
	if a := b.do(b.request("GET", "/sns/jsCode2Session", "")); a.field("errcode") != 40066.0 {
		t.Errorf("mistyped path: %s", a.body)
	}
	if a := b.login(good); a.field("openid") != "oUser" {
		t.Errorf("a refused call used the code up: %s", a.body)
	}
}

func TestOneCodeIsOneLogin(t *testing.T) {
	b := start(t, Config{})
	code := b.NewCode("oUser")
	var wg sync.WaitGroup
	var mu sync.Mutex
	logins := 0
	for range 10 {
		wg.Go(func() {
			if b.login(code).field("openid") != nil {
				mu.Lock()
				logins++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if logins != 1 {
		t.Errorf("%d logins with one code", logins)
	}
}
