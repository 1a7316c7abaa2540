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

	forcedApart = 30 * time.Second // between two stable tokens that are forced
	forcedMost  = 20               // a day
)

// lent is an access token or a ticket.
type lent struct {
	value   string
	expires time.Time
	app     string // the AppID of the account whose it is
	dead    bool   // another one was forced
}

// purse is the access tokens of one account. The stable one and the classic one do not know each other.
type purse struct {
	app             App
	stable, classic lent        // the current ones
	forced          []time.Time // of the last day
}

// tokens are the access tokens of all accounts, and the page ticket of the official one.
type tokens struct {
	trace
	pages App // the official account

	mu     sync.Mutex // guards all below
	purses []*purse
	kept   store.Of[lent]
	ticket lent
}

func (l lent) left(now time.Time) time.Duration { return l.expires.Sub(now) }

// of finds the purse of an account by its credentials, or says what is wrong with them.
func (ts *tokens) of(q url.Values) (*purse, int) {
	for _, p := range ts.purses {
		if p.app.AppID == q.Get("appid") {
			return p, p.app.refuses(q, "")
		}
	}
	return nil, ts.purses[0].app.refuses(q, "")
}

// stableToken is POST /cgi-bin/stable_token: the same token until the last minutes of its life, unless a new one is forced, which ends
// the former at once.
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
	ts.mu.Lock()
	defer ts.mu.Unlock()
	p, errcode := ts.of(url.Values{"appid": {in.AppID}, "secret": {in.Secret}})
	if errcode != 0 {
		return ts.refuse(errcode)
	}
	now := ts.now()
	if in.Force {
		if errcode := p.force(now); errcode != 0 {
			return ts.refuse(errcode)
		}
		if old := p.stable; old.value != "" {
			old.dead = true
			ts.kept.Add(old.value, old)
		}
	}
	if in.Force || p.stable.left(now) <= tokenOverlap {
		p.stable = ts.lendToken(p)
	}
	return ts.showToken(p.stable)
}

// force counts a token that is forced, or says why it may not be.
func (p *purse) force(now time.Time) (errcode int) {
	for len(p.forced) > 0 && now.Sub(p.forced[0]) >= 24*time.Hour {
		p.forced = p.forced[1:]
	}
	switch n := len(p.forced); {
	case n >= forcedMost:
		return 45009
	case n > 0 && now.Sub(p.forced[n-1]) < forcedApart:
		return 45011
	}
	p.forced = append(p.forced, now)
	return 0
}

// classicToken is GET /cgi-bin/token: a new token each time, which leaves the one before it a few minutes.
func (ts *tokens) classicToken(r *http.Request) desk.Answer {
	q := r.URL.Query()
	if q.Get("grant_type") != "client_credential" {
		return ts.refuse(40002)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	p, errcode := ts.of(q)
	if errcode != 0 {
		return ts.refuse(errcode)
	}
	now := ts.now()
	if old := p.classic; old.left(now) > tokenOverlap {
		old.expires = now.Add(tokenOverlap)
		ts.kept.Add(old.value, old)
	}
	p.classic = ts.lendToken(p)
	return ts.showToken(p.classic)
}

func (ts *tokens) lendToken(p *purse) lent {
	l := lent{value: "t_" + ts.dice.Draw(dice.Alnum, 134), expires: ts.now().Add(tokenLife), app: p.app.AppID}
	ts.kept.Add(l.value, l)
	return l
}

func (ts *tokens) showToken(l lent) desk.Answer {
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}{l.value, int(l.left(ts.now()) / time.Second)})}
}

// refuses says why an account's API does not take an access token; 0 is that it does.
func (ts *tokens) refuses(app App, value string) (errcode int) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	token, known := ts.kept.Get(value)
	switch {
	case value == "":
		return 41001
	case !known || token.dead:
		return 40001
	case token.left(ts.now()) <= 0:
		return 42001
	case token.app != app.AppID:
		return 48001
	}
	return 0
}

// getTicket is GET /cgi-bin/ticket/getticket.
func (ts *tokens) getTicket(r *http.Request) desk.Answer {
	q := r.URL.Query()
	if errcode := ts.refuses(ts.pages, q.Get("access_token")); errcode != 0 {
		return ts.refuse(errcode)
	}
	if q.Get("type") != "jsapi" {
		return ts.refuse(40097)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := ts.now()
	if ts.ticket.left(now) <= tokenOverlap {
		ts.ticket = lent{value: ts.dice.Draw(dice.Alnum, 86), expires: now.Add(tokenLife)}
	}
	return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(struct {
		Code    int    `json:"errcode"`
		Message string `json:"errmsg"`
		Ticket  string `json:"ticket"`
		Expires int    `json:"expires_in"`
	}{0, "ok", ts.ticket.value, int(ts.ticket.left(now) / time.Second)})}
}
