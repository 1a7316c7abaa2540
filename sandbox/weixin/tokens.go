package weixin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/store"
)

const (
	tokenLife    = 2 * time.Hour
	tokenOverlap = 5 * time.Minute // the last of a token's life, in which a new one is given too
)

// lent is an access token or a ticket.
type lent struct {
	value   string
	expires time.Time
}

// tokens are the access tokens and the page ticket of an account.
type tokens struct {
	trace
	app App

	mu              sync.Mutex // guards all below
	kept            store.Of[lent]
	stable, classic lent // the current ones
	ticket          lent
}

func (l lent) left(now time.Time) time.Duration { return l.expires.Sub(now) }

// stableToken is POST /cgi-bin/stable_token: the same token until the last minutes of its life, unless a new one is forced.
func (ts *tokens) stableToken(r *http.Request) desk.Answer {
	if r.Method != http.MethodPost {
		return ts.refuse(43002)
	}
	var in struct {
		GrantType string `json:"grant_type"`
		AppID     string `json:"appid"`
		Secret    string `json:"secret"`
		Force     bool   `json:"force_refresh"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return ts.refuse(47001)
	}
	if in.GrantType != "client_credential" {
		return ts.refuse(40002)
	}
	if errcode := ts.app.refuses(url.Values{"appid": {in.AppID}, "secret": {in.Secret}}, ""); errcode != 0 {
		return ts.refuse(errcode)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if left := ts.stable.left(ts.now()); in.Force || left <= tokenOverlap {
		ts.stable = ts.lendToken()
	}
	return ts.showToken(ts.stable)
}

// classicToken is GET /cgi-bin/token: a new token each time, which leaves the one before it a few minutes.
func (ts *tokens) classicToken(r *http.Request) desk.Answer {
	q := r.URL.Query()
	if q.Get("grant_type") != "client_credential" {
		return ts.refuse(40002)
	}
	if errcode := ts.app.refuses(q, ""); errcode != 0 {
		return ts.refuse(errcode)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := ts.now()
	if old := ts.classic; old.left(now) > tokenOverlap {
		ts.kept.Add(old.value, lent{old.value, now.Add(tokenOverlap)})
	}
	ts.classic = ts.lendToken()
	return ts.showToken(ts.classic)
}

func (ts *tokens) lendToken() lent {
	l := lent{"t_" + ts.dice.Draw(dice.Alnum, 134), ts.now().Add(tokenLife)}
	ts.kept.Add(l.value, l)
	return l
}

func (ts *tokens) showToken(l lent) desk.Answer {
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}{l.value, int(l.left(ts.now()) / time.Second)})}
}

// getTicket is GET /cgi-bin/ticket/getticket.
func (ts *tokens) getTicket(r *http.Request) desk.Answer {
	q := r.URL.Query()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := ts.now()
	token, known := ts.kept.Get(q.Get("access_token"))
	switch {
	case q.Get("access_token") == "":
		return ts.refuse(41001)
	case !known:
		return ts.refuse(40001)
	case token.left(now) <= 0:
		return ts.refuse(42001)
	case q.Get("type") != "jsapi":
		return ts.refuse(40097)
	}
	if ts.ticket.left(now) <= tokenOverlap {
		ts.ticket = lent{ts.dice.Draw(dice.Alnum, 86), now.Add(tokenLife)}
	}
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
		Ticket  string `json:"ticket"`
		Expires int    `json:"expires_in"`
	}{0, "ok", ts.ticket.value, int(ts.ticket.left(now) / time.Second)})}
}
