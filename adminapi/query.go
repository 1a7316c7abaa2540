package adminapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	limitDefault = 50
	limitMost    = 1000
)

// EventQuery chooses events of a list; what is empty chooses all.
type EventQuery struct {
	States  []string
	OrderNo string // the merchant's
	Type    string
	Since   string // a time, a day, or how long ago: 2h
	App     string // both, or neither: all of the running sites
	Mode    string
	Limit   int   // 1 to 1000; 0: 50
	Before  int64 // EventPage.Next of the page before; 0: the first page
}

// EventRef names an event.
type EventRef struct {
	ID        string
	App, Mode string // only when several have an event of this id
}

// values is the query as it stands in a URL.
func (q EventQuery) values() url.Values {
	v := url.Values{}
	for name, text := range map[string]string{"state": strings.Join(q.States, ","), "order_no": q.OrderNo, "type": q.Type, "since": q.Since, "app": q.App, "mode": q.Mode} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Before != 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	return v
}

// eventQuery reads it there.
func eventQuery(v url.Values) (q EventQuery, err error) {
	q = EventQuery{OrderNo: v.Get("order_no"), Type: v.Get("type"), Since: v.Get("since"), App: v.Get("app"), Mode: v.Get("mode")}
	for name := range strings.SplitSeq(v.Get("state"), ",") {
		if name != "" {
			q.States = append(q.States, name)
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, badLimit(text)
		}
	}
	if text := v.Get("before"); text != "" {
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil || q.Before < 1 {
			return q, badBefore(text)
		}
	}
	return q, nil
}

func badLimit(text string) error {
	return refuse(http.StatusBadRequest, "limit must be 1 to %d, not %q", limitMost, text)
}

func badBefore(text string) error {
	return refuse(http.StatusBadRequest, "before must be the member next of an earlier answer, not %q", text)
}

var eventStates = []ledger.State{ledger.Pending, ledger.Delivered, ledger.Dead, ledger.Held, ledger.Discarded, ledger.Filtered}

// filter is the query in the ledger's terms.
func (q EventQuery) filter(now time.Time) (f ledger.Filter, err error) {
	f = ledger.Filter{OrderNo: q.OrderNo, Type: q.Type, Limit: limitDefault, Before: q.Before}
	if f.Scope, err = scopeOf(q.App, q.Mode); err != nil {
		return f, err
	}
	for _, name := range q.States {
		if !slices.Contains(eventStates, ledger.State(name)) {
			return f, refuse(http.StatusBadRequest, "state %q is not one of %v", name, eventStates)
		}
		f.States = append(f.States, ledger.State(name))
	}
	if q.Limit != 0 {
		f.Limit = q.Limit
	}
	if f.Limit < 1 || f.Limit > limitMost {
		return f, badLimit(strconv.Itoa(q.Limit))
	}
	if q.Before < 0 {
		return f, badBefore(strconv.FormatInt(q.Before, 10))
	}
	if q.Since != "" {
		if f.Since, err = parseSince(q.Since, now); err != nil {
			return f, refuse(http.StatusBadRequest, "%w", err)
		}
	}
	return f, nil
}

// scopeOf returns the scope that is named, or none.
func scopeOf(app, mode string) (ledger.Scope, error) {
	s := ledger.Scope{App: app, Mode: ledger.Mode(mode)}
	if s == (ledger.Scope{}) || s.App != "" && (s.Mode == ledger.Live || s.Mode == ledger.Test) {
		return s, nil
	}
	return s, refuse(http.StatusBadRequest, "give app and mode (live or test) both, or neither")
}

func scopeValues(app, mode string) url.Values { return EventQuery{App: app, Mode: mode}.values() }

// eventRef names the event of a request.
func eventRef(id string, r *http.Request) EventRef {
	q := r.URL.Query()
	return EventRef{ID: id, App: q.Get("app"), Mode: q.Get("mode")}
}

// parseSince reads a time, a day, or how long ago.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, ok := parseAgo(text); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("since %q is neither a time like 2006-01-02T15:04:05Z, a day like 2006-01-02, nor a duration like 2h or 3d", text)
}

const daysMost = 36500

// parseAgo reads a duration, in which days may come first.
func parseAgo(text string) (d time.Duration, ok bool) {
	if days, rest, has := strings.Cut(text, "d"); has {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n > 0 && n <= daysMost) { // NaN too
			return 0, false
		}
		if d = time.Duration(n * float64(24*time.Hour)); rest == "" {
			return d, true
		}
		text = rest
	}
	more, err := time.ParseDuration(text)
	return d + more, err == nil && more > 0
}
