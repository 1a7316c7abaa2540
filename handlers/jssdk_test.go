package handlers

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestJSSDK(t *testing.T) {
	w := newOpenWorld(t)
	page := w.server.URL + "/商品/1?a=b&c=%20"
	a := w.do("GET", "/pay/jssdk?url="+url.QueryEscape(page+"#/x"), "")
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var got struct {
		AppID     string      `json:"appId"`
		Timestamp json.Number `json:"timestamp"`
		Nonce     string      `json:"nonceStr"`
		Signature string      `json:"signature"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	var ticket struct{ Ticket string }
	lent := w.outside.exchanges("/cgi-bin/ticket/getticket")
	if err := json.Unmarshal(lent[len(lent)-1].got, &ticket); err != nil {
		t.Fatal(err)
	}
	w.hide(ticket.Ticket)
	sum := sha1.Sum([]byte("jsapi_ticket=" + ticket.Ticket + "&noncestr=" + got.Nonce + "&timestamp=" + got.Timestamp.String() + "&url=" + page))
	want := hex.EncodeToString(sum[:])
	if got.AppID != w.sandbox.WxPub().AppID || got.Timestamp.String() != "1795424400" || len(got.Nonce) != 16 || got.Signature != want {
		t.Errorf("%s, want the signature %s", a.body, want)
	}
	calls := w.calls("getticket")
	host := strings.TrimPrefix(w.server.URL, "https://")
	for _, foreign := range []string{
		"", "https://evil.example/", "http://" + host + "/", "https://" + host + ".evil.example/", "https://" + host + "@evil.example/", "https://a@" + host + "/",
		"//" + host + "/", "/cart", host, "javascript:alert(1)", "https://evil.example#https://" + host + "/", "https://" + host + "\\@evil.example/", "https://" + host + "/ a", "https://" + host + "/\n",
		"ftp://" + host + "/", "https://" + host + "/" + strings.Repeat("a", 4096),
	} {
		wantProblem(t, w.do("GET", "/pay/jssdk?url="+url.QueryEscape(foreign), ""), 403, "origin_forbidden")
	}
	if w.calls("getticket") != calls {
		t.Error("a foreign page costs a call")
	}
	w.fault("stable_token", "40164", 1)
	wantProblem(t, w.do("GET", "/pay/jssdk?url="+url.QueryEscape(page), ""), 502, "wechat_misconfigured")
	w.fault("getticket", "45009", 1)
	wantProblem(t, w.do("GET", "/pay/jssdk?url="+url.QueryEscape(page), ""), 503, "wechat_busy")
}
