package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/ledger"
)

func init() { caddy.RegisterModule(new(Admin)) }

// Admin is the part of Caddy's admin API under /pay/: what operators see of events, and what they decide about them. It speaks
// JSON only. Who reaches the admin endpoint may do all of it, as with the rest of Caddy's configuration.
//
//	GET  /pay/events                     list; ?state= (several, comma separated), order_no, type, since, before, limit, app, mode
//	GET  /pay/events/{id}                one event with its body and deliveries
//	POST /pay/events/{id}/{action}       {"said", "reason"}: replay, release or discard
//	POST /pay/reconcile?date=2006-01-02  compares a day, in UTC+8, with Ping++'s list
//	POST /pay/ledger/verify              reads the whole ledger and lists what is damaged
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.pay", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the routes of the admin API.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/pay/events", Handler: caddy.AdminHandlerFunc(a.list)},
		{Pattern: "/pay/events/", Handler: caddy.AdminHandlerFunc(a.event)},
		{Pattern: "/pay/reconcile", Handler: caddy.AdminHandlerFunc(a.reconcile)},
		{Pattern: "/pay/ledger/verify", Handler: caddy.AdminHandlerFunc(a.verifyLedger)},
	}
}

// activeApp returns the app of the configuration that is running, whatever configuration this router was made for.
func activeApp() (*App, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("pay")
	if err == nil && len(app.(*App).sites) > 0 {
		return app.(*App), nil
	}
	return nil, apiError(http.StatusNotFound, "the running configuration has no pay directive")
}

func apiError(status int, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return caddy.APIError{HTTPStatus: status, Err: err, Message: err.Error()}
}

func needMethod(r *http.Request, method string) error {
	if r.Method != method {
		return apiError(http.StatusMethodNotAllowed, "%s takes %s, not %s", r.URL.Path, method, r.Method)
	}
	return nil
}

func answerJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

func (a *Admin) list(w http.ResponseWriter, r *http.Request) error {
	if err := needMethod(r, http.MethodGet); err != nil {
		return err
	}
	app, err := activeApp()
	if err != nil {
		return err
	}
	f, err := eventFilter(r)
	if err != nil {
		return err
	}
	l, err := app.store.open(r.Context())
	if err != nil {
		return apiError(http.StatusServiceUnavailable, "the ledger cannot be opened: %w", err)
	}
	events, err := app.listEvents(r.Context(), l, f)
	if err != nil {
		return apiError(http.StatusServiceUnavailable, "reading the ledger: %w", err)
	}
	page := EventPage{Events: make([]EventView, 0, len(events))}
	for i := range events {
		page.Events = append(page.Events, viewEvent(&events[i]))
	}
	if len(events) == 0 && f.OrderNo != "" {
		if page.Why, err = app.whyNoEvents(r.Context(), l, f); err != nil {
			return apiError(http.StatusServiceUnavailable, "reading the ledger: %w", err)
		}
	}
	if len(events) == f.Limit {
		page.Next = events[len(events)-1].Seq
	}
	return answerJSON(w, page)
}

// listEvents lists the events of the scope asked for, or of all the running sites. Their sequence numbers are the ledger's.
func (a *App) listEvents(ctx context.Context, l ledger.Ledger, f ledger.Filter) (events []ledger.Event, err error) {
	if f.Scope != (ledger.Scope{}) {
		return l.Events(ctx, f)
	}
	for _, f.Scope = range a.scopes() {
		more, err := l.Events(ctx, f)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	slices.SortFunc(events, func(x, y ledger.Event) int { return cmp.Compare(y.Seq, x.Seq) })
	return events[:min(len(events), f.Limit)], nil
}

var eventStates = []ledger.State{ledger.Pending, ledger.Delivered, ledger.Dead, ledger.Held, ledger.Discarded, ledger.Filtered}

// eventFilter reads the query of a list.
func eventFilter(r *http.Request) (ledger.Filter, error) {
	q := r.URL.Query()
	f := ledger.Filter{OrderNo: q.Get("order_no"), Type: q.Get("type"), Limit: 50}
	var err error
	if f.Scope, err = scopeOf(r); err != nil {
		return f, err
	}
	for name := range strings.SplitSeq(q.Get("state"), ",") {
		if name == "" {
			continue
		}
		if !slices.Contains(eventStates, ledger.State(name)) {
			return f, apiError(http.StatusBadRequest, "state %q is not one of %v", name, eventStates)
		}
		f.States = append(f.States, ledger.State(name))
	}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1000 {
			return f, apiError(http.StatusBadRequest, "limit must be 1 to 1000, not %q", v)
		}
		f.Limit = n
	}
	if v := q.Get("before"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 {
			return f, apiError(http.StatusBadRequest, "before must be the member next of an earlier answer, not %q", v)
		}
		f.Before = n
	}
	if v := q.Get("since"); v != "" {
		since, err := parseSince(v, time.Now())
		if err != nil {
			return f, apiError(http.StatusBadRequest, "%w", err)
		}
		f.Since = since
	}
	return f, nil
}

// scopeOf returns the scope that a request names, or none.
func scopeOf(r *http.Request) (ledger.Scope, error) {
	s := ledger.Scope{App: r.URL.Query().Get("app"), Mode: ledger.Mode(r.URL.Query().Get("mode"))}
	if s == (ledger.Scope{}) || s.App != "" && (s.Mode == ledger.Live || s.Mode == ledger.Test) {
		return s, nil
	}
	return s, apiError(http.StatusBadRequest, "give app and mode (live or test) both, or neither")
}

// parseSince reads a time, a day, or how long ago.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := caddy.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("since %q is neither a time like 2006-01-02T15:04:05Z, a day like 2006-01-02, nor a duration like 2h", text)
}

// event serves one event, and decisions about it.
func (a *Admin) event(w http.ResponseWriter, r *http.Request) error {
	id, action, decides := strings.Cut(strings.TrimPrefix(r.URL.Path, "/pay/events/"), "/")
	app, err := activeApp()
	if err != nil {
		return err
	}
	l, err := app.store.open(r.Context())
	if err != nil {
		return apiError(http.StatusServiceUnavailable, "the ledger cannot be opened: %w", err)
	}
	e, err := app.findEvent(r, l, id)
	if err != nil {
		return err
	}
	if decides {
		if err := needMethod(r, http.MethodPost); err != nil {
			return err
		}
		return a.decide(w, r, l, e, ledger.Action(action))
	}
	if err := needMethod(r, http.MethodGet); err != nil {
		return err
	}
	deliveries, err := l.Deliveries(r.Context(), e.Scope, e.ID)
	if err != nil {
		return apiError(http.StatusServiceUnavailable, "reading the ledger: %w", err)
	}
	return answerJSON(w, viewWhole(e, deliveries))
}

// findEvent looks an event up among the apps and modes of the running sites, or in the one that the query names.
func (a *App) findEvent(r *http.Request, l ledger.Ledger, id string) (*ledger.Event, error) {
	scopes := a.scopes()
	named, err := scopeOf(r)
	if err != nil {
		return nil, err
	}
	if named != (ledger.Scope{}) {
		scopes = []ledger.Scope{named}
	}
	var found *ledger.Event
	for _, s := range scopes {
		e, err := l.Event(r.Context(), s, id)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			return nil, apiError(http.StatusServiceUnavailable, "reading the ledger: %w", err)
		case found != nil:
			return nil, apiError(http.StatusConflict, "event %s is recorded for %s and %s; name one with app and mode", id, found.Scope.Key(), s.Key())
		default:
			found = e
		}
	}
	if found == nil {
		return nil, apiError(http.StatusNotFound, "there is no event %.80q in the ledger", id)
	}
	return found, nil
}

func (a *Admin) decide(w http.ResponseWriter, r *http.Request, l ledger.Ledger, e *ledger.Event, action ledger.Action) error {
	switch action {
	case ledger.ActionReplay, ledger.ActionRelease, ledger.ActionDiscard:
	default:
		return apiError(http.StatusNotFound, "%.40q is not an action; use replay, release or discard", action)
	}
	var in Decision
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10))
	body.DisallowUnknownFields() // one who sends by believes to have signed
	if err := body.Decode(&in); err != nil {
		return apiError(http.StatusBadRequest, "send {\"said\": …, \"reason\": …}: %w", err)
	}
	err := l.Decide(r.Context(), ledger.Decision{
		Scope: e.Scope, EventID: e.ID, Action: action, Now: time.Now(), By: callerOf(r), Said: in.Said, Reason: in.Reason,
	})
	if errors.Is(err, ledger.ErrState) {
		return apiError(http.StatusConflict, "event %s", strings.TrimPrefix(err.Error(), ledger.ErrState.Error()+": "))
	}
	if err != nil {
		return apiError(http.StatusServiceUnavailable, "writing the ledger: %w", err)
	}
	if e, err = l.Event(r.Context(), e.Scope, e.ID); err != nil {
		return apiError(http.StatusServiceUnavailable, "reading the ledger: %w", err)
	}
	return answerJSON(w, viewEvent(e))
}

// Interface guards
var (
	_ caddy.Module      = (*Admin)(nil)
	_ caddy.AdminRouter = (*Admin)(nil)
)
