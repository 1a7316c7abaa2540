package demo

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// outageFor is how long the shop stays broken, unless it is mended before.
const outageFor = 15 * time.Second

// outage breaks the shop on purpose: while it lasts, what the shop is told is answered as backends in trouble do.
type outage struct {
	now func() time.Time

	mu    sync.Mutex
	kind  string // 302, 500 or nothing; empty: none yet
	until time.Time
}

// outages are the kinds, each with its answer.
var outages = map[string]http.HandlerFunc{
	"302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
	"500": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "database is gone", http.StatusInternalServerError)
	},
	"nothing": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, // the connection breaks
}

// broken returns the kind of outage that is on, and for how many seconds yet.
func (o *outage) broken() (kind string, seconds int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := o.until.Sub(o.now())
	if left <= 0 {
		return "", 0
	}
	return o.kind, int((left + time.Second - 1) / time.Second)
}

// set begins an outage, or ends it when there is no such kind.
func (o *outage) set(kind string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kind, o.until = kind, o.now()
	if outages[kind] != nil {
		o.until = o.now().Add(outageFor)
	}
}

// Backend is the shop as caddypay reaches it: whole, or broken when somebody has pressed the button. Prices it always knows, so that
// there is something to pay.
func (p *Page) Backend(shop http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, _ := p.outage.broken(); kind != "" && r.URL.Path == eventsPath {
			outages[kind](w, r)
			return
		}
		shop.ServeHTTP(w, r)
	})
}

// breakBackend serves POST /demo/break: {"kind": "302", "500" or "nothing"}; an empty kind mends.
func (p *Page) breakBackend(w http.ResponseWriter, r *http.Request) {
	var in struct{ Kind string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&in); err != nil || in.Kind != "" && outages[in.Kind] == nil {
		http.Error(w, `send {"kind":"302"}, 500, nothing or ""`, http.StatusBadRequest)
		return
	}
	p.outage.set(in.Kind)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct{}{})
}
