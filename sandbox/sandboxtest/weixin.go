package sandboxtest

import (
	"net/http"
	"net/url"
)

// Authorize opens WeChat's page as a browser inside WeChat; changes set parameters, "" leaves one out.
func (b *Bench) Authorize(changes ...string) Answer {
	b.T.Helper()
	q := url.Values{"appid": {b.WxPub().AppID}, "redirect_uri": {"https://shop.example/cb?a=b"}, "response_type": {"code"}, "scope": {"snsapi_base"}, "state": {"abc123"}}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	r := b.Request("GET", "/connect/oauth2/authorize?"+q.Encode(), "")
	r.Header.Set("User-Agent", "Mozilla/5.0 MicroMessenger/8.0")
	b.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b.Do(r)
}

// WeChat calls an API with the official account's credentials; changes as in Authorize.
func (b *Bench) WeChat(path string, changes ...string) Answer {
	b.T.Helper()
	q := url.Values{"appid": {b.WxPub().AppID}, "secret": {b.WxPub().Secret}}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return b.Do(b.Request("GET", path+"?"+q.Encode(), ""))
}

// Login calls jscode2session; changes set parameters, "" leaves one out.
func (b *Bench) Login(code string, changes ...string) Answer {
	b.T.Helper()
	q := url.Values{"appid": {b.WxLite().AppID}, "secret": {b.WxLite().Secret}, "js_code": {code}, "grant_type": {"authorization_code"}}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return b.Do(b.Request("GET", "/sns/jscode2session?"+q.Encode(), ""))
}
