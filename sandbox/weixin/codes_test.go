package weixin_test

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestLogin(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	a := b.Login(b.NewCode("oUser"))
	key, _ := a.Field("session_key").(string)
	if a.Status != 200 || a.Field("openid") != "oUser" || len(key) != 24 || a.Field("errcode") != nil || a.Field("unionid") != nil || a.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	made, _ := b.Login(b.NewCode("")).Field("openid").(string)
	other, _ := b.Login(b.NewCode("")).Field("openid").(string)
	if len(made) != 28 || made[0] != 'o' || made == other {
		t.Errorf("made openids: %s, %s", made, other)
	}
	code, _ := b.Lever("POST", "/sandbox/wechat/codes", `{"openid":"oMe","unionid":"uMe"}`).Field("code").(string)
	if a := b.Login(code); a.Field("openid") != "oMe" || a.Field("unionid") != "uMe" {
		t.Errorf("%s", a.Body)
	}
	if code, _ := b.Lever("POST", "/sandbox/wechat/codes", "").Field("code").(string); b.Login(code).Field("openid") == nil {
		t.Error("a lever without a body gives no good code")
	}
	if a := b.Do(b.Request("POST", "/sandbox/wechat/codes", `{"openid":"no openid"}`)); a.Status != 400 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestCodesThatNeedNoLever(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	alice := b.Login("sandbox-alice")
	bob := b.Login("sandbox-bob")
	if openid, _ := alice.Field("openid").(string); len(openid) != 28 || bob.Field("openid") == openid {
		t.Errorf("%s, %s", alice.Body, bob.Body)
	}
	if a := b.Login("sandbox-alice"); a.Field("errcode") != 40163.0 {
		t.Errorf("used: %s", a.Body)
	}
}

// WeChat's developer tools without an AppID give one code for ever, which is a sentence.
func TestCodeOfTheDeveloperTools(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	first := b.Login("the code is a mock one")
	if openid, _ := first.Field("openid").(string); len(openid) != 28 {
		t.Fatalf("%s", first.Body)
	}
	b.Clock.Add(time.Hour)
	if again := b.Login("the code is a mock one"); again.Field("openid") != first.Field("openid") || again.Field("session_key") == first.Field("session_key") {
		t.Errorf("%s", again.Body)
	}
	if a := b.Login("the code is a mock two"); a.Field("errcode") != 40029.0 {
		t.Errorf("another sentence: %s", a.Body)
	}
	if a := b.Login("the code is a mock one", "secret", "x"); a.Field("errcode") != 40125.0 {
		t.Errorf("with another secret: %s", a.Body)
	}
}

func TestLoginErrors(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	used, expired, good := b.NewCode("oUser"), b.NewCode("oUser"), ""
	b.Login(used)
	b.Clock.Add(5 * time.Minute)
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
		{"too long", "sandbox-" + strings.Repeat("a", 256), nil, 40029, "invalid code"},
		{"no code", "", []string{"js_code", ""}, 41008, "missing code"},
		{"no appid", good, []string{"appid", ""}, 41002, "appid missing"},
		{"no secret", good, []string{"secret", ""}, 41004, "appsecret missing"},
		{"wrong appid", good, []string{"appid", "wx0"}, 40013, "invalid appid"},
		{"wrong secret", good, []string{"secret", "0"}, 40125, "invalid appsecret"},
		{"wrong grant", good, []string{"grant_type", "client_credential"}, 40002, "invalid grant_type"},
	} {
		a := b.Login(c.code, c.changes...)
		message, _ := a.Field("errmsg").(string)
		if a.Status != 200 || a.Field("errcode") != c.errcode || !regexp.MustCompile(`^`+c.errmsg+`, rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`).MatchString(message) ||
			a.Field("openid") != nil || a.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s: %d %s", c.name, a.Status, a.Body)
		}
	}
	r := b.Request("POST", "/sns/jscode2session", "appid="+b.WxLite().AppID, "Content-Type", "application/x-www-form-urlencoded")
	if a := b.Do(r); a.Field("errcode") != 41002.0 {
		t.Errorf("POST: %s", a.Body)
	}
	if a := b.Do(b.Request("GET", "/sns/jsCode2Session", "")); a.Field("errcode") != 40066.0 {
		t.Errorf("mistyped path: %s", a.Body)
	}
	if a := b.Login(good); a.Field("openid") != "oUser" {
		t.Errorf("a refused call used the code up: %s", a.Body)
	}
}

func TestOneCodeIsOneLogin(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	code := b.NewCode("oUser")
	var wg sync.WaitGroup
	var mu sync.Mutex
	logins := 0
	for range 10 {
		wg.Go(func() {
			if b.Login(code).Field("openid") != nil {
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
