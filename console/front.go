package console

import (
	"net/http"
	"net/url"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/relay/nightly"
)

// frontView is the front page: what is wrong first, and what to do about it.
type frontView struct {
	AtRisk       int64 // fen, of live mode where there is one
	AtRiskEvents int64
	Oldest       time.Time
	Next         time.Time
	Frozen       *frozenView // nil where no site has WeChat told of shipping
	Test         bool        // all of it is play money
	Scopes       []scopeView
	Paid         int64 // today
	Refunded     int64
	Payments     int64
	Charges      int64
	Rate         string // of the charges made today, how many were paid; empty: none was made
	Started      time.Time
	Refused      []adminapi.RefusedView // webhooks, since then
}

// scopeView is an app in a mode.
type scopeView struct {
	adminapi.ScopeFigures
	States []stateCount
	Silent bool  // more payments were learnt by asking than were told in the last hours
	Asked  int64 // so many
	Told   int64

	Backend *adminapi.BackendView // nil: events go nowhere
	Away    bool                  // it acknowledges nothing
	Acked   string                // how much of what it was told today it acknowledged; empty: it was told nothing
}

type stateCount struct {
	State string
	Count int64
	Link  string
}

const silentHours = 2 // this hour and the one before: a quarter past, this hour alone says nothing

// front shows what waits and how much money hangs on it.
func (c *Console) front(v *visit) error {
	figures, err := c.cfg.Desk.Figures(v.ctx)
	if err != nil {
		return err
	}
	y, m, d := v.now.In(nightly.China).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, nightly.China)
	recent := v.now.Truncate(time.Hour).Add(-(silentHours - 1) * time.Hour)
	from := today
	if recent.Before(from) {
		from = recent
	}
	hours, err := c.cfg.Desk.Hours(v.ctx, from, v.now.Truncate(time.Hour).Add(time.Hour))
	if err != nil {
		return err
	}
	seen, err := c.cfg.Desk.Seen(v.ctx, v.lang)
	if err != nil {
		return err
	}
	view := &frontView{Test: true, Started: seen.Since, Refused: seen.Refused}
	for i := range figures {
		view.Test = view.Test && figures[i].Mode == "test"
	}
	for i := range figures {
		f := &figures[i]
		s := scopeView{ScopeFigures: *f}
		for _, state := range []string{"held", "dead", "pending", "delivered", "discarded", "filtered"} {
			s.States = append(s.States, stateCount{state, f.Events[state], link("events", url.Values{"state": {state}, "app": {f.App}, "mode": {f.Mode}})})
		}
		counts := f.Mode == "live" || view.Test // play money is none, beside real money
		for _, h := range hours {
			if h.App != f.App || h.Mode != f.Mode {
				continue
			}
			if !h.At.Before(recent) {
				s.Asked, s.Told = s.Asked+h.Query, s.Told+h.Webhook
			}
			if counts && !h.At.Before(today) {
				view.Paid, view.Refunded, view.Payments, view.Charges = view.Paid+h.Paid, view.Refunded+h.Refunded, view.Payments+h.Webhook+h.Query, view.Charges+h.Charges
			}
		}
		s.Silent = s.Asked > s.Told
		s.backend(seen.Backends)
		view.Scopes = append(view.Scopes, s)
		if !counts {
			continue
		}
		view.AtRisk, view.AtRiskEvents = view.AtRisk+f.AtRisk, view.AtRiskEvents+f.AtRiskEvents
		view.Frozen = view.Frozen.add(f.Frozen)
		view.Oldest, view.Next = earlier(view.Oldest, f.OldestAtRisk), earlier(view.Next, f.NextAttempt)
	}
	if view.Charges > 0 {
		view.Rate = percent(view.Payments, view.Charges)
	}
	return v.render(http.StatusOK, "front", "Payments", view)
}

// backend finds how the backend of an app in a mode fares.
func (s *scopeView) backend(all []adminapi.BackendView) {
	for i := range all {
		b := &all[i]
		if b.App != s.App || b.Mode != s.Mode {
			continue
		}
		s.Backend, s.Away = b, b.State == adminapi.BackendFailing || b.State == adminapi.BackendUnreachable
		if b.Today > 0 {
			s.Acked = percent(b.TodayAcknowledged, b.Today)
		}
	}
}

// earlier is the first of two times; a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// pause and unpause stop and go on with the deliveries of an app in a mode.
func (c *Console) pause(v *visit) (string, error) {
	_, err := c.cfg.Desk.Pause(v.ctx, v.q.Get("app"), v.q.Get("mode"), v.q.Get("reason"))
	return "./?done=pause", err
}

func (c *Console) unpause(v *visit) (string, error) {
	_, err := c.cfg.Desk.Unpause(v.ctx, v.q.Get("app"), v.q.Get("mode"), v.q.Get("reason"))
	return "./?done=unpause", err
}

// find leads to what goes by a name, if that is one thing, and else shows what there is.
func (c *Console) find(v *visit) error {
	text := trimmed(v.q.Get("q"))
	if text == "" {
		v.redirect("./")
		return nil
	}
	found, err := c.cfg.Desk.Find(v.ctx, text)
	if err != nil {
		return err
	}
	type hit struct {
		adminapi.Found
		Link string
	}
	var hits []hit
	places := make(map[string]bool)
	for _, f := range found {
		to := orderLink(f.App, f.Mode, f.OrderNo)
		if to == "" && f.Kind == "event" {
			to = eventLink(f.App, f.Mode, f.ID)
		}
		places[to] = true
		hits = append(hits, hit{f, to})
	}
	if len(places) == 1 && hits[0].Link != "" {
		v.redirect(hits[0].Link)
		return nil
	}
	status := http.StatusOK
	if len(hits) == 0 {
		status = http.StatusNotFound
	}
	return v.render(status, "find", "Find", hits)
}
