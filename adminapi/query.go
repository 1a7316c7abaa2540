package adminapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// EventQuery chooses events of a list; what is empty chooses all.
type EventQuery struct {
	Part             // by the time of receipt
	States  []string `query:"state"`    // several with commas: pending, delivered, dead, held, discarded or filtered
	OrderNo string   `query:"order_no"` // the merchant's
	Type    string   `query:"type"`     // like charge.succeeded
	Reason  string   `query:"reason"`   // why it is held, filtered or discarded: amount, paid_twice, …
	Source  string   `query:"source"`   // webhook or query
	AtRisk  bool     `query:"at_risk"`  // only payments that the backend has not acknowledged, though it may still have to
}

// EventRef names an event.
type EventRef struct {
	ID   string `path:"id"`    // evt_…
	App  string `query:"app"`  // app_…; both app and mode, only when several have an event of this id
	Mode string `query:"mode"` // live or test
}

// EventAction names what is done to an event.
type EventAction struct {
	EventRef
	Action ledger.Action `path:"action"` // replay, release or discard
}

var (
	eventStates  = []ledger.State{ledger.Pending, ledger.Delivered, ledger.Dead, ledger.Held, ledger.Discarded, ledger.Filtered}
	eventSources = []ledger.Source{ledger.Webhook, ledger.Query}
)

// chosen reads names that are among those known.
func chosen[T ~string](what string, names []string, known []T) (all []T, err error) {
	for _, name := range names {
		if !slices.Contains(known, T(name)) {
			return nil, refuse(http.StatusBadRequest, "%s %q is not one of %v", what, name, known)
		}
		all = append(all, T(name))
	}
	return all, nil
}

// filter is the query in the ledger's terms, but for the scope and the cursor, which are the span's.
func (q EventQuery) filter(now time.Time) (f ledger.Filter, s span, err error) {
	if s, err = q.span(now); err != nil {
		return f, s, err
	}
	f = ledger.Filter{OrderNo: q.OrderNo, Type: q.Type, Reason: q.Reason, AtRisk: q.AtRisk, Since: s.since, Until: s.until, Limit: s.limit}
	if f.States, err = chosen("state", q.States, eventStates); err != nil {
		return f, s, err
	}
	if q.Source != "" {
		if _, err = chosen("source", []string{q.Source}, eventSources); err != nil {
			return f, s, err
		}
		f.Source = ledger.Source(q.Source)
	}
	return f, s, nil
}
