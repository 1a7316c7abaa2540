// Package weixin emulates what a merchant touches of WeChat's own APIs: logins of a mini program's users and of the visitors of an
// official account's pages, and the tokens and tickets of that account.
//
//	GET  /sns/jscode2session             WeChat's exchange of a login code for an openid
//	GET  /connect/oauth2/authorize       WeChat's page that sends an official account's visitor back with a code; inside WeChat only
//	GET  /sns/oauth2/access_token        WeChat's exchange of that code for an openid
//	POST /cgi-bin/stable_token           the official account's access token; GET /cgi-bin/token the classic one
//	GET  /cgi-bin/ticket/getticket       the ticket that pages are signed with
//
// A login code lives 5 minutes and works once. A code "sandbox-<anything>" needs no lever: it works
// once, as a login of a user whose openid is derived from <anything>. "the code is a mock one", which WeChat's
// developer tools give when they have no AppID, always works, as the login of one and the same user.
//
// Errors stand in the body, as errcode and errmsg; the status is always 200.
//
// # Faults
//
// On jscode2session, oauth_access_token, stable_token, token and getticket: any WeChat errcode ("-1", "45011", "40226"), and 502, 500,
// 200_null, 200_html, empty, slow, drop, truncate, endless.
package weixin

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
)

// App identifies a WeChat account.
type App struct {
	AppID  string // default: wx and 16 random hex digits
	Secret string // default: 32 random hex digits
}

// The operations that faults can be set on and that calls are counted by.
const (
	opSession     = "jscode2session"
	opOAuth       = "oauth_access_token" // of a page's visitor
	opStableToken = "stable_token"
	opToken       = "token"
	opTicket      = "getticket"
)

var errcode = regexp.MustCompile(`^(-1|[1-9][0-9]{4,6})$`)

// Faults says what each operation can suffer.
func Faults() map[string]desk.Kinds {
	kinds := desk.Kinds{Names: []string{"502", "500", "200_null", "200_html", "empty", "slow", "drop", "truncate", "endless"},
		Codes: errcode, More: ", or a WeChat errcode such as -1, 45011, 40226"}
	return map[string]desk.Kinds{opSession: kinds, opOAuth: kinds, opStableToken: kinds, opToken: kinds, opTicket: kinds}
}

// Config is what a Room needs of the sandbox.
type Config struct {
	WxLite App // the mini program
	WxPub  App // the official account
	Now    func() time.Time
	Dice   *dice.Dice
	Faults *desk.Faults
	Done   <-chan struct{} // closed with the sandbox
}

// Room is WeChat. It is safe for concurrent use.
type Room struct {
	desk   *desk.Desk
	codes  *codes
	tokens *tokens
}

// New returns a WeChat that knows no user yet.
func New(cfg Config) *Room {
	t := trace{cfg.Now, cfg.Dice}
	return &Room{
		desk:   &desk.Desk{Faults: cfg.Faults, Done: cfg.Done, Fail: t.instead},
		codes:  &codes{trace: t, lite: cfg.WxLite, pub: cfg.WxPub},
		tokens: &tokens{trace: t, app: cfg.WxPub},
	}
}

// Serves reports whether a path is WeChat's.
func Serves(path string) bool {
	return strings.HasPrefix(path, "/sns/") || strings.HasPrefix(path, "/cgi-bin/") || strings.HasPrefix(path, "/connect/")
}

// ServeHTTP answers WeChat's APIs, and the page on which a visitor agrees to log in.
func (ro *Room) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve := func(op string, answer func(*http.Request) desk.Answer) {
		ro.desk.Serve(w, r, op, func() desk.Answer { return answer(r) })
	}
	switch path := r.URL.Path; path {
	case "/connect/oauth2/authorize":
		ro.codes.serveAuthorize(w, r)
	case "/sns/jscode2session":
		serve(opSession, ro.codes.exchange)
	case "/sns/oauth2/access_token":
		serve(opOAuth, ro.codes.exchangeOAuth)
	case "/cgi-bin/stable_token":
		serve(opStableToken, ro.tokens.stableToken)
	case "/cgi-bin/token":
		serve(opToken, ro.tokens.classicToken)
	case "/cgi-bin/ticket/getticket":
		serve(opTicket, ro.tokens.getTicket)
	default:
		if strings.HasPrefix(path, "/connect/") {
			http.NotFound(w, r)
			return
		}
		ro.desk.Write(w, ro.codes.refuse(40066))
	}
}

// NewCode returns a fresh login code, as if the user had called wx.login: good once, for 5 minutes.
// An empty openid is a new user.
func (ro *Room) NewCode(openid, unionid string) string {
	return ro.codes.ofMiniProgram(openid, unionid)
}

// NewOAuthCode returns a fresh code of an OAuth round, as if a page's visitor had come back from WeChat: good once, for 5 minutes.
// An empty openid is the current user's.
func (ro *Room) NewOAuthCode(openid string) string { return ro.codes.ofPage(openid) }

// SetUser says who the users of the next OAuth rounds are.
func (ro *Room) SetUser(u User) { ro.codes.setUser(u) }
