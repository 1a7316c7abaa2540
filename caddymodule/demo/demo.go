// Package demo is `caddy pay demo`: it sets a stage (a shop, an emulated Ping++ and WeChat, Caddy in front), makes one payment on it, and
// serves a page that plays the phone and shows beside it what every part of a payment has seen. The page knows nothing of its own: each
// step comes from the shop, the emulated Ping++ and WeChat, or the ledger.
package demo

import (
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddypay/caddypay/examples/legacyshop"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

//go:embed page.html demo.css demo.js
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// Paths is what a Caddyfile leads to a Page, in the syntax of a path matcher: the page itself, and where the codes and the payment sheet of test charges lead.
const Paths = "/ /demo/* /mock.php /notify/charges/*"

// Page is the demo's page; make one with New.
type Page struct {
	box    *sandbox.Sandbox
	shop   *legacyshop.Shop
	scope  ledger.Scope
	ledger func(context.Context) (ledger.Ledger, error)
	mux    *http.ServeMux
	outage outage

	mu  sync.Mutex
	log []line // what the shop was asked, newest first
}

// line is one call that the shop has had.
type line struct {
	step string
	Call string `json:"call"`
	Text string `json:"text"`
	At   string `json:"at"` // the time of day
}

// calls is what the shop was asked at each of its steps.
var calls = map[string]string{
	"order_quote":     "GET /internal/pay/orders/{order_no}",
	"event_delivered": "POST " + eventsPath,
}

const eventsPath = "/internal/pay/events"

const (
	maxLines  = 12
	maxOrders = 6
	tick      = 80 * time.Millisecond // how often a step is looked for
)

// New makes the page for one Ping++ app, one shop and the ledger between them.
func New(box *sandbox.Sandbox, shop *legacyshop.Shop, scope ledger.Scope, open func(context.Context) (ledger.Ledger, error)) *Page {
	p := &Page{box: box, shop: shop, scope: scope, ledger: open, mux: http.NewServeMux(), outage: outage{now: time.Now}}
	p.mux.HandleFunc("GET /{$}", p.index)
	p.mux.Handle("GET /demo/demo.css", asset("demo.css", "text/css; charset=utf-8"))
	p.mux.Handle("GET /demo/demo.js", asset("demo.js", "text/javascript; charset=utf-8"))
	p.mux.HandleFunc("POST /demo/login", p.login)
	p.mux.HandleFunc("GET /demo/steps", p.steps)
	p.mux.HandleFunc("POST /demo/break", p.breakBackend)
	p.mux.HandleFunc("POST /demo/pay", p.payCharge)
	p.mux.HandleFunc("POST /demo/receive", p.receive)
	p.mux.Handle("/mock.php", box)
	p.mux.Handle("/notify/charges/", box)
	return p
}

// ServeHTTP serves the paths that Paths names.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Note records what the shop was asked; see legacyshop.Shop.OnStep.
func (p *Page) Note(step, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append([]line{{step, calls[step], text, time.Now().Format(time.TimeOnly)}}, p.log[:min(len(p.log), maxLines-1)]...)
}

func (p *Page) index(w http.ResponseWriter, r *http.Request) {
	lang := "zh"
	if english(r.Header.Get("Accept-Language")) {
		lang = "en"
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_ = page.Execute(w, view{Lang: lang, T: texts[lang], Steps: describe(lang), Products: p.shop.Products()})
}

func asset(name, contentType string) http.Handler {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(content)
	})
}

// login is wx.login: WeChat gives the phone a code.
func (p *Page) login(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"code": p.box.NewCode("")})
}

// english reports whether Accept-Language names English before Chinese.
func english(accept string) bool {
	accept = strings.ToLower(accept)
	en, zh := strings.Index(accept, "en"), strings.Index(accept, "zh")
	return en >= 0 && (zh < 0 || en < zh)
}

var _ http.Handler = (*Page)(nil)
