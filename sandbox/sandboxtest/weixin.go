package sandboxtest

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/caddypay/caddypay/sandbox/rawjson"
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

// Token is a stable access token of the mini program.
func (b *Bench) Token() string {
	b.T.Helper()
	body, _ := json.Marshal(map[string]string{"grant_type": "client_credential", "appid": b.WxLite().AppID, "secret": b.WxLite().Secret})
	token, _ := b.Do(b.Request("POST", "/cgi-bin/stable_token", string(body))).Field("access_token").(string)
	if token == "" {
		b.T.Fatal("there is no access token")
	}
	return token
}

// Orders calls an API of the mini program's order management.
func (b *Bench) Orders(api string, body any) Answer {
	b.T.Helper()
	return b.Do(b.Request("POST", "/wxa/sec/order/"+api+"?access_token="+b.Token(), string(rawjson.Encode(body))))
}

// PaidLite makes a charge of the mini program in live mode that is paid, and returns its ids at Ping++ and at WeChat.
func (b *Bench) PaidLite(orderNo string, changes ...any) (charge, transactionNo string) {
	b.T.Helper()
	a := b.Do(b.Request("POST", "/v1/charges", b.Order(orderNo, changes...), "Authorization", "Bearer "+b.LiveKey()))
	if a.Status != 200 {
		b.T.Fatalf("creating %s answered %d %s", orderNo, a.Status, a.Body)
	}
	paid := b.Lever("POST", "/sandbox/charges/"+a.ID()+"/pay", "")
	transactionNo, _ = paid.Field("transaction_no").(string)
	return a.ID(), transactionNo
}
