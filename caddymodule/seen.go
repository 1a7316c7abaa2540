package caddymodule

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/relay/nightly"
)

// witnessed is what this process has seen since it was started, over reloads: the ledger has none of it.
var witnessed = struct {
	sync.Mutex
	since    time.Time
	refused  map[refusedKey]*refused
	backends map[turnedKey]*answers
}{since: time.Now(), refused: make(map[refusedKey]*refused), backends: make(map[turnedKey]*answers)}

type refusedKey struct {
	turnedKey
	site, reason string
}

// refused are the webhooks that a site has refused for one reason.
type refused struct {
	count int64
	last  time.Time
}

// answers are those that a backend has given to events.
type answers struct {
	last    relay.Attempt
	failing time.Time // since when none was an acknowledgement; zero: the last one was
	day     string    // in UTC+8, of the counts
	tried   int64
	acked   int64
}

// sawRefused counts a webhook of a site that was refused.
func (a *App) sawRefused(site string, scope ledger.Scope, reason string) {
	witnessed.Lock()
	defer witnessed.Unlock()
	key := refusedKey{turnedKey{a.home.key, scope}, site, reason}
	r := witnessed.refused[key]
	if r == nil {
		r = new(refused)
		witnessed.refused[key] = r
	}
	r.count, r.last = r.count+1, time.Now()
}

// sawAttempt takes in how the backend of an app and mode has answered.
func (a *App) sawAttempt(scope ledger.Scope) func(relay.Attempt) {
	return func(at relay.Attempt) {
		witnessed.Lock()
		defer witnessed.Unlock()
		key := turnedKey{a.home.key, scope}
		b := witnessed.backends[key]
		if b == nil {
			b = new(answers)
			witnessed.backends[key] = b
		}
		if day := dayOf(at.At); b.day != day {
			b.day, b.tried, b.acked = day, 0, 0
		}
		b.last, b.tried = at, b.tried+1
		switch {
		case at.Why == "":
			b.acked, b.failing = b.acked+1, time.Time{}
		case b.failing.IsZero():
			b.failing = at.At
		}
	}
}

func dayOf(t time.Time) string { return t.In(nightly.China).Format(time.DateOnly) }

// seen is what this process knows of the running sites.
func (a *App) seen() adminapi.Seen {
	witnessed.Lock()
	defer witnessed.Unlock()
	s := adminapi.Seen{Since: witnessed.since, Refused: []adminapi.RefusedView{}, Backends: []adminapi.BackendView{}}
	for key, r := range witnessed.refused {
		if key.ledger == a.home.key && slices.ContainsFunc(a.sites, func(s *registration) bool { return s.site == key.site && s.scope == key.scope }) {
			s.Refused = append(s.Refused, adminapi.RefusedView{Site: key.site, App: key.scope.App, Mode: string(key.scope.Mode), Reason: key.reason, Count: r.count, Last: r.last})
		}
	}
	slices.SortFunc(s.Refused, func(x, y adminapi.RefusedView) int {
		return cmp.Or(y.Last.Compare(x.Last), cmp.Compare(x.Site, y.Site), cmp.Compare(x.Reason, y.Reason))
	})
	for _, scope := range a.scopes() {
		if d := a.destinationOf(scope); d != nil {
			s.Backends = append(s.Backends, a.backendSeen(scope, d, witnessed.backends[turnedKey{a.home.key, scope}]))
		}
	}
	return s
}

// backendSeen is how the backend of an app and mode fares; b is nil where none was tried yet.
func (a *App) backendSeen(scope ledger.Scope, d *destination, b *answers) adminapi.BackendView {
	v := adminapi.BackendView{App: scope.App, Mode: string(scope.Mode), Events: d.String(), State: adminapi.BackendUnknown}
	if b != nil {
		v.State, v.Last, v.Status, v.Why = adminapi.BackendReachable, b.last.At, b.last.Status, b.last.Why
		if b.day == dayOf(time.Now()) {
			v.Today, v.TodayAcknowledged = b.tried, b.acked
		}
		if backends.failing(scope) {
			v.State, v.Since = adminapi.BackendFailing, b.failing
		}
	}
	if relays := a.relays.Load(); relays != nil {
		if o := (*relays)[scope].Outage(); !o.Since.IsZero() {
			v.State, v.Since, v.NextProbe = adminapi.BackendUnreachable, o.Since, o.Probe
		}
	}
	return v
}
