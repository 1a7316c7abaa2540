package adminapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

const (
	rateDefault = 50 // events a second: what a small shop bears
	rateMost    = 1000
)

// ActionQuery is asking Ping++ about orders whose outcome is not known. It is done to many alone, and decides nothing: the audit log has none of it, and its
// run tells who asked.
const ActionQuery ledger.Action = "query"

// Intent is an action on all events that a filter chooses, or a query about all orders that it chooses.
type Intent struct {
	Action  ledger.Action `json:"action"`             // replay, release, discard or query
	States  []string      `json:"state"`              // whatever is done to only these; a release needs none: it is of what is held. Of a query the orders' statuses; none: created, expired and unknown
	OrderNo string        `json:"order_no,omitempty"` // the merchant's
	Type    string        `json:"type,omitempty"`     // like charge.succeeded
	Since   string        `json:"since,omitempty"`    // a time, a day, or how long ago: 2h
	Until   string        `json:"until,omitempty"`    // of a query alone: what was begun later does not count; empty: now
	Through int64         `json:"through,omitempty"`  // the last event that counts, as Preview has it; 0: the last that there is; none of a query
	App     string        `json:"app,omitempty"`      // both, or neither: all of the running sites
	Mode    string        `json:"mode,omitempty"`
	Again   bool          `json:"again,omitempty"`  // replay too what the backend has acknowledged already
	Rate    int           `json:"rate,omitempty"`   // events a second, 1 to 1000; 0: 50. Of a query orders, 0: 5; more than that an app does not ask Ping++
	Said    string        `json:"said,omitempty"`   // who decides; a claim, kept beside what Caddy knows
	Reason  string        `json:"reason,omitempty"` // needed to release and to discard
}

// Preview is what would become of an intent.
type Preview struct {
	Intent                // with the time and the event that it goes from and through: sent as it is, it means the same events a minute later
	Matched  int          `json:"matched"`
	Eligible int          `json:"eligible"`
	Amount   int64        `json:"amount"`   // fen that were paid, of those that are eligible; of a query what they cost
	Refunded int64        `json:"refunded"` // fen that went back, likewise
	Repeated int          `json:"repeated"` // of those that are eligible: acknowledged by the backend already
	Not      []Ineligible `json:"not"`      // the rest
}

// RunView is an intent that is carried out.
type RunView struct {
	ID string `json:"id"` // in the audit log it stands beside each decision
	Preview
	By        string       `json:"by"`      // who began it, as Caddy knows it
	State     string       `json:"status"`  // running, stopping, stopped or done
	Decided   int          `json:"decided"` // events that it has been done to so far; of a query orders that were asked about
	Left      []Ineligible `json:"left"`    // events that were not eligible any more when their turn came
	Created   time.Time    `json:"created"`
	Ended     time.Time    `json:"ended,omitzero"`
	StoppedBy string       `json:"stopped_by,omitempty"`
}

// RunPage is one page of all runs, newest first.
type RunPage struct {
	Runs []RunView `json:"runs"`
	Next int64     `json:"next,omitempty"` // pass it as before for the next page; absent on the last
}

// RunRef names a run.
type RunRef struct {
	ID string `path:"id"` // run_…
}

// RunQuery chooses runs of the list.
type RunQuery struct {
	Before int64 `query:"before" want:"the member next of an earlier answer"` // the member next of the page before; absent: the first page
	Limit  int   `query:"limit" want:"1 to 1000"`                             // runs of a page, 1 to 1000; not given: 50
}

// task is what the ledger keeps of a run.
type task struct {
	Preview
	By     string
	Scopes []ledger.Scope
	At     int   // the scope that is being walked through
	Before int64 // and how far: what is left has a Seq below; 0: all
	Left   []Ineligible
	Cursor string // of a query: instead of Before
	Asked  int    // of a query: orders that were asked about
}

// filter is the intent's in the ledger's terms, but for the scope.
func (i *Intent) filter(now time.Time) (f ledger.Filter, named ledger.Scope, err error) {
	if err = known(i.Action); err != nil {
		return f, named, refuse(http.StatusNotFound, "%w, or query", err)
	}
	if i.Until != "" {
		return f, named, refuse(http.StatusBadRequest, "until goes with query alone; events are taken through the last one of a preview")
	}
	if len(i.States) == 0 && i.Action == ledger.ActionRelease {
		i.States = []string{string(ledger.Held)}
	}
	if len(i.States) == 0 {
		return f, named, refuse(http.StatusBadRequest, "say in which states: dead for what your backend never acknowledged")
	}
	f, chosen, err := EventQuery{States: i.States, OrderNo: i.OrderNo, Type: i.Type, Part: Part{Since: i.Since, App: i.App, Mode: i.Mode, Limit: limitMost}}.filter(now)
	if err != nil {
		return f, named, err
	}
	if !f.Since.IsZero() {
		f.Since = f.Since.Truncate(time.Second).Local()
		i.Since = f.Since.Format(time.RFC3339)
	}
	if i.Rate = cmp.Or(i.Rate, rateDefault); i.Rate < 1 || i.Rate > rateMost {
		return f, named, refuse(http.StatusBadRequest, "rate must be 1 to %d events a second, not %d", rateMost, i.Rate)
	}
	if i.Through < 0 {
		return f, named, refuse(http.StatusBadRequest, "through must be that of a preview, not %d", i.Through)
	}
	if i.Through > 0 {
		f.Before = i.Through + 1
	}
	return f, chosen.named, nil
}

// runServer does something to many events.
type runServer struct {
	books
	query func(ctx context.Context, scope ledger.Scope, orderNo string) error // Config.QueryInTurn
}

type runClient struct{ *Endpoint }

// Preview says what would become of an intent, and changes nothing.
func (s *runServer) Preview(ctx context.Context, i Intent) (*Preview, error) {
	t, err := s.plan(ctx, i)
	if err != nil {
		return nil, err
	}
	return &t.Preview, nil
}

func (s *runServer) plan(ctx context.Context, i Intent) (*task, error) {
	if i.Action == ActionQuery {
		return s.planQuery(ctx, i)
	}
	f, named, err := i.filter(time.Now())
	if err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	t := &task{Preview: Preview{Intent: i, Not: []Ineligible{}}, By: byOf(ctx), Scopes: s.scopesOf(named), Left: []Ineligible{}}
	if t.Through == 0 {
		for _, scope := range t.Scopes {
			last, err := l.Events(ctx, ledger.Filter{Scope: scope, Limit: 1})
			if err != nil {
				return nil, unread(err)
			}
			if len(last) > 0 {
				t.Through = max(t.Through, last[0].Seq)
			}
		}
		f.Before = t.Through + 1
	}
	for _, f.Scope = range t.Scopes {
		err := pages(ctx, l, f, func(page []ledger.Event) error {
			for i := range page {
				c, enough := ofList(&page[i])
				if !enough {
					var err error
					if c, err = examine(ctx, l, f.Scope, page[i].ID); err != nil {
						return err
					}
				}
				t.count(c)
			}
			return nil
		})
		if err != nil {
			return nil, unread(err)
		}
	}
	return t, nil
}

func (p *Preview) count(c *candidate) {
	p.Matched++
	if code, why := judge(p.Action, c, p.Again); code != "" {
		p.Not = tell(p.Not, code, why, c.Event)
		return
	}
	p.Eligible++
	p.Amount += max(c.money, 0)
	p.Refunded += max(-c.money, 0)
	if c.heard && p.Action == ledger.ActionReplay {
		p.Repeated++
	}
}

// pages calls f with all that a filter chooses, newest first, page by page. What leaves the filter meanwhile moves nothing.
func pages(ctx context.Context, l ledger.Ledger, f ledger.Filter, each func([]ledger.Event) error) error {
	for {
		page, err := l.Events(ctx, f)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := each(page); err != nil {
			return err
		}
		if len(page) < f.Limit {
			return nil
		}
		f.Before = page[len(page)-1].Seq
	}
}

// Begin carries an intent out, bit by bit, also after its caller is gone or the process is another.
func (s *runServer) Begin(ctx context.Context, i Intent) (*RunView, error) {
	if err := needReason(i.Action, i.Reason); err != nil {
		return nil, err
	}
	t, err := s.plan(ctx, i)
	if err != nil {
		return nil, err
	}
	if t.Eligible == 0 {
		return nil, refuse(http.StatusConflict, "none of the %d %s that match can be taken for %s%s", t.Matched, t.Things(), t.Action, because(t.Not))
	}
	doc, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	run := &ledger.Run{ID: "run_" + strings.ToLower(rand.Text()[:16]), Created: time.Now(), Doc: doc}
	if err := l.AddRun(ctx, run); err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "writing the ledger: %w", err)
	}
	return viewRun(ctx, l, run)
}

func because(not []Ineligible) string {
	var b strings.Builder
	for i, n := range not {
		b.WriteString([]string{": ", ", "}[min(i, 1)] + strconv.Itoa(n.Count) + " " + n.Why)
	}
	return b.String()
}

// Run returns how far a run has come.
func (s *runServer) Run(ctx context.Context, id string) (*RunView, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	run, err := l.Run(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, noRun(id)
	}
	if err != nil {
		return nil, unread(err)
	}
	return viewRun(ctx, l, run)
}

func noRun(id string) error {
	return refuse(http.StatusNotFound, "there is no run %.80q in the ledger", id)
}

// Runs lists all runs, newest first, from the one after before on.
func (s *runServer) Runs(ctx context.Context, before int64, limit int) (*RunPage, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	limit = cmp.Or(limit, limitDefault)
	if limit < 1 || limit > limitMost {
		return nil, badLimit(strconv.Itoa(limit))
	}
	runs, err := l.Runs(ctx, before, limit)
	if err != nil {
		return nil, unread(err)
	}
	page := &RunPage{Runs: make([]RunView, 0, len(runs))}
	for i := range runs {
		view, err := viewRun(ctx, l, &runs[i])
		if err != nil {
			return nil, err
		}
		page.Runs = append(page.Runs, *view)
	}
	if len(runs) == limit {
		page.Next = runs[len(runs)-1].Seq
	}
	return page, nil
}

// Stop ends a run before its time. What it has done stays.
func (s *runServer) Stop(ctx context.Context, id string) (*RunView, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	err = l.StopRun(ctx, id, byOf(ctx), time.Now())
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, noRun(id)
	}
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "writing the ledger: %w", err)
	}
	return s.Run(ctx, id)
}

func viewRun(ctx context.Context, l ledger.Ledger, run *ledger.Run) (*RunView, error) {
	var t task
	if err := json.Unmarshal(run.Doc, &t); err != nil {
		return nil, unread(err)
	}
	n, err := l.RunDecided(ctx, run.ID)
	if err != nil {
		return nil, unread(err)
	}
	v := &RunView{ID: run.ID, Preview: t.Preview, By: t.By, State: "running", Decided: n, Left: t.Left, Created: run.Created, Ended: run.Ended, StoppedBy: run.StoppedBy}
	if t.Action == ActionQuery {
		v.Decided = t.Asked
	}
	switch {
	case run.Ended.IsZero() && !run.Stopped.IsZero():
		v.State = "stopping"
	case run.Ended.IsZero():
	case !run.Stopped.IsZero():
		v.State = "stopped"
	default:
		v.State = "done"
	}
	return v, nil
}

// Preview is Server.Preview.
func (c *runClient) Preview(ctx context.Context, i Intent) (*Preview, error) {
	return post[Preview](ctx, c.Endpoint, "/pay/runs/preview", nil, i)
}

// Begin is Server.Begin.
func (c *runClient) Begin(ctx context.Context, i Intent) (*RunView, error) {
	return post[RunView](ctx, c.Endpoint, "/pay/runs", nil, i)
}

// Run is Server.Run.
func (c *runClient) Run(ctx context.Context, id string) (*RunView, error) {
	return get[RunView](ctx, c.Endpoint, "/pay/runs/{id}", RunRef{id})
}

// Runs is Server.Runs.
func (c *runClient) Runs(ctx context.Context, before int64, limit int) (*RunPage, error) {
	return get[RunPage](ctx, c.Endpoint, "/pay/runs", RunQuery{before, limit})
}

// Stop is Server.Stop.
func (c *runClient) Stop(ctx context.Context, id string) (*RunView, error) {
	return post[RunView](ctx, c.Endpoint, "/pay/runs/{id}/stop", RunRef{id}, nothing{})
}
