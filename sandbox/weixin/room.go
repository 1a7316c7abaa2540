// Package weixin emulates what a merchant touches of WeChat's own APIs: logins of a mini program's users and of the visitors of an
// official account's pages, the tokens and tickets of both accounts, and the order management of the mini program, which is in package
// shipping.
//
//	GET  /sns/jscode2session             WeChat's exchange of a login code for an openid
//	GET  /connect/oauth2/authorize       WeChat's page that sends an official account's visitor back with a code; inside WeChat only
//	GET  /sns/oauth2/access_token        WeChat's exchange of that code for an openid
//	POST /cgi-bin/stable_token           an account's access token; GET /cgi-bin/token the classic one
//	GET  /cgi-bin/ticket/getticket       the ticket that pages are signed with
//	POST /wxa/sec/order/…                upload_shipping_info, get_order, get_order_list, is_trade_managed,
//	                                     is_trade_management_confirmation_completed, set_msg_jump_path, update_order_detail_path,
//	                                     get_order_detail_path
//	POST /cgi-bin/express/delivery/open_msg/get_delivery_list   the codes of express companies
//
// Stable tokens are the same for every caller until the last 5 minutes of their life, in which the old one and a new one both serve. One that
// is forced ends the former at once, and can be had 20 times a day, 30 s apart. The classic tokens are others: each leaves its former 5 minutes.
// A token is its account's alone (48001).
//
// A login code lives 5 minutes and works once. A code "sandbox-<anything>" needs no lever: it works
// once, as a login of a user whose openid is derived from <anything>. "the code is a mock one", which WeChat's
// developer tools give when they have no AppID, always works, as the login of one and the same user.
//
// Errors stand in the body, as errcode and errmsg; the status is always 200.
//
// # Faults
//
// On jscode2session, oauth_access_token, stable_token, token, getticket, get_delivery_list and the order management's, where get_order is
// wxa_get_order and get_order_list wxa_get_order_list: any WeChat errcode ("-1", "45011", "10060019"), and 502, 500, 200_null, 200_html,
// empty, slow, drop, truncate, endless.
package weixin

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/weixin/shipping"
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
	opUpload      = "upload_shipping_info"
	opOrder       = "wxa_get_order" // Ping++ has a get_order too
	opOrderList   = "wxa_get_order_list"
	opManaged     = "is_trade_managed"
	opConfirmed   = "is_trade_management_confirmation_completed"
	opJumpPath    = "set_msg_jump_path"
	opSetDetail   = "update_order_detail_path"
	opDetailPath  = "get_order_detail_path"
	opCompanies   = "get_delivery_list"
)

var errcode = regexp.MustCompile(`^(-[1-9][0-9]{0,4}|[1-9][0-9]{4,8})$`)

// Faults says what each operation can suffer.
func Faults() map[string]desk.Kinds {
	kinds := desk.Kinds{Names: []string{"502", "500", "200_null", "200_html", "empty", "slow", "drop", "truncate", "endless"},
		Codes: errcode, More: ", or a WeChat errcode such as -1, 45011, 40226"}
	all := map[string]desk.Kinds{}
	for _, op := range []string{opSession, opOAuth, opStableToken, opToken, opTicket, opUpload, opOrder, opOrderList, opManaged, opConfirmed, opJumpPath,
		opSetDetail, opDetailPath, opCompanies} {
		all[op] = kinds
	}
	return all
}

// Config is what a Room needs of the sandbox.
type Config struct {
	WxLite App // the mini program
	WxPub  App // the official account

	Managed   bool    // whether the mini program's money is held until shipping is reported
	TimeScale float64 // divides the waits of its orders

	Now    func() time.Time
	Dice   *dice.Dice
	Faults *desk.Faults
	Done   <-chan struct{} // closed with the sandbox
}

// Room is WeChat. It is safe for concurrent use.
type Room struct {
	Orders *shipping.Book // of the mini program

	desk   *desk.Desk
	codes  *codes
	tokens *tokens
}

// New returns a WeChat that knows no user yet.
func New(cfg Config) *Room {
	t := trace{cfg.Now, cfg.Dice}
	return &Room{
		Orders: shipping.New(shipping.Config{AppID: cfg.WxLite.AppID, Merchant: "1" + cfg.Dice.Draw(dice.Digits, 9), Managed: cfg.Managed,
			TimeScale: cfg.TimeScale, Now: cfg.Now}),
		desk:   &desk.Desk{Faults: cfg.Faults, Done: cfg.Done, Fail: t.instead},
		codes:  &codes{trace: t, lite: cfg.WxLite, pub: cfg.WxPub},
		tokens: &tokens{trace: t, pages: cfg.WxPub, purses: []*purse{{app: cfg.WxPub}, {app: cfg.WxLite}}},
	}
}

// Serves reports whether a path is WeChat's.
func Serves(path string) bool {
	return strings.HasPrefix(path, "/sns/") || strings.HasPrefix(path, "/cgi-bin/") || strings.HasPrefix(path, "/connect/") || strings.HasPrefix(path, "/wxa/")
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
	case "/cgi-bin/express/delivery/open_msg/get_delivery_list":
		serve(opCompanies, ro.ofProgram(ro.Orders.Companies))
	default:
		ro.serveOrders(w, r)
	}
}

const ordersPrefix = "/wxa/sec/order/"

// serveOrders answers the mini program's order management, and what is not there at all.
func (ro *Room) serveOrders(w http.ResponseWriter, r *http.Request) {
	serve := func(op string, answer func(body []byte) (any, int)) {
		ro.desk.Serve(w, r, op, func() desk.Answer { return ro.ofProgram(answer)(r) })
	}
	switch path := r.URL.Path; path {
	case ordersPrefix + "upload_shipping_info":
		serve(opUpload, ro.Orders.Upload)
	case ordersPrefix + "get_order":
		serve(opOrder, ro.Orders.Order)
	case ordersPrefix + "get_order_list":
		serve(opOrderList, ro.Orders.List)
	case ordersPrefix + "is_trade_managed":
		serve(opManaged, ro.Orders.IsManaged)
	case ordersPrefix + "is_trade_management_confirmation_completed":
		serve(opConfirmed, ro.Orders.IsConfirmed)
	case ordersPrefix + "set_msg_jump_path":
		serve(opJumpPath, ro.Orders.SetJumpPath)
	case ordersPrefix + "update_order_detail_path":
		serve(opSetDetail, ro.Orders.SetDetailPath)
	case ordersPrefix + "get_order_detail_path":
		serve(opDetailPath, ro.Orders.DetailPath)
	default:
		if strings.HasPrefix(path, "/connect/") {
			http.NotFound(w, r)
			return
		}
		ro.desk.Write(w, ro.codes.refuse(40066))
	}
}

// ofProgram answers an API of the mini program that takes an access token and JSON.
func (ro *Room) ofProgram(answer func(body []byte) (any, int)) func(*http.Request) desk.Answer {
	return func(r *http.Request) desk.Answer {
		if r.Method != http.MethodPost {
			return ro.tokens.refuseOrder(43002)
		}
		if errcode := ro.tokens.refuses(ro.codes.lite, r.URL.Query().Get("access_token")); errcode != 0 {
			return ro.tokens.refuseOrder(errcode)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) == 0 {
			return ro.tokens.refuseOrder(44002)
		}
		told, errcode := answer(body)
		if errcode != 0 {
			return ro.tokens.refuseOrder(errcode)
		}
		return desk.Answer{Status: http.StatusOK, Type: contentType, Body: rawjson.Encode(told)}
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
