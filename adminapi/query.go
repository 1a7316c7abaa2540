package adminapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// EventQuery chooses events of a list; what is empty chooses all.
type EventQuery struct {
	Part    // by the time of receipt
	States  []string
	OrderNo string // the merchant's
	Type    string
	Reason  string // why it is held, filtered or discarded: amount, paid_twice, …
	Source  string // webhook or query
	AtRisk  bool   // only payments that the backend has not acknowledged, though it may still have to
}

// EventRef names an event.
type EventRef struct {
	ID        string
	App, Mode string // only when several have an event of this id
}

// values is the query as it stands in a URL.
func (q EventQuery) values() url.Values {
	return q.Part.values(map[string]string{"state": strings.Join(q.States, ","), "order_no": q.OrderNo, "type": q.Type, "reason": q.Reason, "source": q.Source, "at_risk": flag(q.AtRisk)})
}

// eventQuery reads it there.
func eventQuery(v url.Values) (q EventQuery, err error) {
	if q.Part, err = partOf(v, "state", "order_no", "type", "reason", "source", "at_risk"); err != nil {
		return q, err
	}
	q.States, q.OrderNo, q.Type, q.Reason, q.Source = words(v, "state"), v.Get("order_no"), v.Get("type"), v.Get("reason"), v.Get("source")
	q.AtRisk, err = flagOf(v, "at_risk")
	return q, err
}

func flag(set bool) string {
	if set {
		return "true"
	}
	return ""
}

func flagOf(v url.Values, name string) (bool, error) {
	switch text := v.Get(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, refuse(http.StatusBadRequest, "%s must be true or false, not %q", name, text)
	}
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

// eventRef names the event of a request.
func eventRef(id string, r *http.Request) EventRef {
	q := r.URL.Query()
	return EventRef{ID: id, App: q.Get("app"), Mode: q.Get("mode")}
}

// runsQuery reads which part of the runs is wanted.
func runsQuery(v url.Values) (before int64, limit int, err error) {
	if limit, err = limitOf(v); err != nil {
		return 0, 0, err
	}
	if text := v.Get("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			return 0, 0, badBefore(text)
		}
	}
	return before, limit, nil
}

func runsValues(before int64, limit int) url.Values {
	v := Part{Limit: limit}.values(nil)
	if before != 0 {
		v.Set("before", strconv.FormatInt(before, 10))
	}
	return v
}

func badBefore(text string) error {
	return refuse(http.StatusBadRequest, "before must be the member next of an earlier answer, not %q", text)
}
