package console

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddypay/caddypay/adminapi"
)

// visit is one request of a page.
type visit struct {
	c    *Console
	w    http.ResponseWriter
	r    *http.Request
	ctx  context.Context
	lang string     // zh or en
	q    url.Values // of the URL, or of the form
	now  time.Time
}

const langCookie = "pay_console_lang"

func newVisit(c *Console, w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{c: c, w: w, r: r, ctx: r.Context(), lang: "en", q: r.URL.Query(), now: c.cfg.Now()}
	if cookie, err := r.Cookie(langCookie); err == nil && (cookie.Value == "zh" || cookie.Value == "en") {
		v.lang = cookie.Value
	} else if prefersChinese(r.Header.Get("Accept-Language")) {
		v.lang = "zh"
	}
	return v
}

// prefersChinese says whether Chinese stands before English in what a browser accepts; browsers list the dearest first.
func prefersChinese(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		switch lang, _, _ := strings.Cut(strings.TrimSpace(part), "-"); {
		case strings.HasPrefix(lang, "zh"):
			return true
		case strings.HasPrefix(lang, "en"):
			return false
		}
	}
	return false
}

// headers lets nothing run, load or be sent but what is the console's own, and nothing be kept.
func (v *visit) headers() {
	h := v.w.Header()
	h.Set("Content-Language", v.lang)
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language, Cookie")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // addresses hold order numbers
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// speak keeps the language that somebody has chosen, and shows the page again in it. The cookie's path is the console's, as it names none.
func (v *visit) speak(lang string) {
	if lang == "zh" || lang == "en" {
		http.SetCookie(v.w, &http.Cookie{Name: langCookie, Value: lang, MaxAge: 400 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	v.q.Del("lang")
	v.redirect(here(v.r, v.q))
}

// here is a page's address as its own links write it.
func here(r *http.Request, q url.Values) string {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	return link(name, q)
}

func link(name string, q url.Values) string {
	if name == "" {
		name = "./"
	}
	if len(q) > 0 {
		name += "?" + q.Encode()
	}
	return name
}

// redirect leads to another page. The address stays relative: the prefix may have been taken off the path that we see.
func (v *visit) redirect(to string) {
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
}

// t says a text in the visitor's language.
func (v *visit) t(text string) string { return say(v.lang, text) }

// page is what every page has.
type page struct {
	Lang, Title, Name string // the name as the address has it
	Search            string // what was looked for
	Other             string // this page in the other language
	Version           string // of its files
	ReadOnly          bool
	Live              bool // follows what happens
	Notice            string
	Problem           string
	By                string // who acts
	Now               time.Time
	Data              any
}

// Said is what stands in the ledger in both languages, or in English alone.
func (p *page) Said(en, zh string) string { return inLanguage(p.Lang, en, zh) }

func inLanguage(lang, en, zh string) string {
	if lang == "zh" && zh != "" {
		return zh
	}
	return en
}

// render answers with a page.
func (v *visit) render(status int, template, title string, data any, more ...func(*page)) error {
	p := &page{
		Lang: v.lang, Title: v.t(title), Version: version, ReadOnly: v.c.cfg.ReadOnly, By: v.c.cfg.Said, Now: v.now, Data: data, Search: v.q.Get("q"),
		Name: v.r.URL.Path[strings.LastIndexByte(v.r.URL.Path, '/')+1:], Notice: notices[v.q.Get("done")], Live: v.r.Method != http.MethodPost && status == http.StatusOK,
	}
	if p.Notice != "" {
		p.Notice = v.t(p.Notice)
	}
	q := url.Values{}
	if v.r.Method != http.MethodPost {
		q = v.r.URL.Query()
	}
	q.Set("lang", map[string]string{"en": "zh", "zh": "en"}[v.lang])
	if p.Other = here(v.r, q); v.r.Method == http.MethodPost {
		p.Other = link("", q)
	}
	for _, f := range more {
		f(p)
	}
	var b bytes.Buffer // a page that fails in its middle is none
	if err := pages[v.lang][template].Execute(&b, p); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // who has gone needs no page
	return nil
}

// notices are what the address of a page says was done.
var notices = map[string]string{
	"replay": "It is delivered again.", "release": "It is delivered.", "discard": "It is discarded, and never delivered.",
	"pause": "Delivery is paused.", "unpause": "Delivery goes on.", "stop": "It stops; what was done stays done.", "query": "Ping++ was asked.", "check": "Everything was looked at.",
	"report": "WeChat is told.",
}

// finish shows what went wrong, if anything did.
func (v *visit) finish(err error) {
	if err == nil {
		return
	}
	var e *adminapi.Error
	if errors.As(err, &e) && e.Status != 0 {
		v.fail(e.Status, e.Message)
		return
	}
	v.fail(http.StatusBadGateway, err.Error()) // Caddy is gone, of which only a client can tell
}

// fail answers with a page that says what is wrong.
func (v *visit) fail(status int, message string) {
	if err := v.render(status, "problem", "Not done", nil, func(p *page) { p.Problem = message }); err != nil {
		http.Error(v.w, err.Error(), http.StatusInternalServerError)
	}
}
