package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strconv"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

//go:embed web
var web embed.FS

// file is one that the pages load.
type file struct {
	kind    string
	content []byte
}

var (
	files = map[string]*file{
		"console.css": {"text/css; charset=utf-8", content("console.css")},
		"console.js":  {"text/javascript; charset=utf-8", content("console.js")},
	}
	version = versionOf(files)
	pages   = map[string]map[string]*template.Template{"en": templates("en"), "zh": templates("zh")}
)

func content(name string) []byte {
	raw, err := web.ReadFile("web/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return raw
}

// versionOf names the files, so that browsers may keep them for ever.
func versionOf(files map[string]*file) string {
	h := sha256.New()
	for _, name := range []string{"console.css", "console.js"} {
		h.Write(files[name].content)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == version {
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.content)
	}
}

// templates are the pages in a language, each within the layout.
func templates(lang string) map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(functions(lang)).ParseFS(web, "web/layout.html", "web/parts.tmpl"))
	all := make(map[string]*template.Template)
	entries, err := web.ReadDir("web")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		if name := e.Name(); path.Ext(name) == ".html" && name != "layout.html" {
			all[name[:len(name)-len(".html")]] = template.Must(template.Must(layout.Clone()).ParseFS(web, "web/"+name))
		}
	}
	return all
}

func functions(lang string) template.FuncMap {
	return template.FuncMap{
		"t":      func(text string) string { return say(lang, text) },
		"yuan":   func(fen int64) string { return "¥" + grouped(fen) },
		"at":     at,
		"from":   func(now, then any) string { return distance(lang, now, then) },
		"state":  func(s string) template.HTML { return badge(lang, s) },
		"why":    func(code, text string) string { return whyText(lang, code, text) },
		"reason": func(r string) string { return say(lang, "reason "+r) },
		"link": func(name string, pairs ...string) string {
			q := url.Values{}
			for i := 0; i+1 < len(pairs); i += 2 {
				if pairs[i+1] != "" {
					q.Set(pairs[i], pairs[i+1])
				}
			}
			return link(name, q)
		},
		"text":  printable,
		"price": price,
		"nav":   func() []place { return places },
		"left": func(a ledger.Action, not []adminapi.Ineligible) leftOut {
			return leftOut{a == adminapi.ActionQuery, not}
		},
		"actionName": func(a ledger.Action) string { return "action " + string(a) },
		"pair":       func(a, b any) struct{ A, B any } { return struct{ A, B any }{a, b} },
	}
}

// place is a page of the navigation.
type place struct{ Name, Label string }

var places = []place{{"orders", "Orders"}, {"events", "Events"}, {"charges", "Charges"}, {"refunds", "Refunds"}, {"audit", "Decisions"}, {"runs", "Actions"}, {"health", "Health"}}
