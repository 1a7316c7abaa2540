package core_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

var (
	live = ledger.Scope{App: "app_1", Mode: ledger.Live}
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

var errDisk = errors.New("the disk is away")

// away is a store that can do nothing; it notes which kind of transaction was asked for.
type away struct{ kind string }

func (s *away) Read(context.Context, func(core.Reader) error) error { s.kind = "read"; return errDisk }
func (s *away) Write(context.Context, func(core.Tx) error) error    { s.kind = "write"; return errDisk }
func (s *away) WriteLax(context.Context, func(core.Tx) error) error { s.kind = "lax"; return errDisk }

// TestWhatIsOnDisk: which calls return once what they say is on disk, which may lose it in a power failure, and which need no disk at all; and that
// an engine's error is the caller's.
func TestWhatIsOnDisk(t *testing.T) {
	ctx := t.Context()
	lease := ledger.RefundLease{Scope: live, RefundNo: "R1", Owner: "a"}
	claim := ledger.QueryClaim{Scope: live, Owner: "a", Now: noon, Until: at(9)}
	claims := func(n int, kind ledger.QueryKind) ledger.QueryClaim {
		c := claim
		c.Limit, c.Kind = n, kind
		return c
	}
	one := func(_ any, err error) error { return err }
	two := func(_, _ any, err error) error { return err }
	for name, c := range map[string]struct {
		call func(l *core.Ledger) error
		kind string // empty: none, and no error
	}{
		"Append": {func(l *core.Ledger) error {
			return one(l.Append(ctx, &ledger.Event{Scope: live, ID: "evt_1", State: ledger.Pending}))
		}, "write"},
		"Reserve": {func(l *core.Ledger) error { return one(l.Reserve(ctx, ledger.Reservation{Scope: live, OrderNo: "o"})) }, "write"},
		"Extend":  {func(l *core.Ledger) error { return l.Extend(ctx, ledger.Reservation{Scope: live}, "o") }, "write"},
		"Release": {func(l *core.Ledger) error {
			return l.Release(ctx, ledger.Release{Scope: live, Number: "o", As: ledger.Unsent})
		}, "write"},
		"Created": {func(l *core.Ledger) error { return l.Created(ctx, &ledger.Charge{Scope: live, ID: "ch_1"}) }, "write"},
		"Decide": {func(l *core.Ledger) error {
			return l.Decide(ctx, ledger.Decision{Scope: live, EventID: "evt_1", Action: ledger.ActionReplay})
		}, "write"},
		"ReserveRefund": {func(l *core.Ledger) error {
			return two(l.ReserveRefund(ctx, ledger.RefundReservation{Scope: live, RefundNo: "R1", ChargeID: "ch_1", Owner: "a"}))
		}, "write"},
		"AskRefund":     {func(l *core.Ledger) error { return l.AskRefund(ctx, lease, ledger.RefundAsk{}) }, "write"},
		"RefundMade":    {func(l *core.Ledger) error { return l.RefundMade(ctx, lease, "re_1", noon) }, "write"},
		"ReleaseRefund": {func(l *core.Ledger) error { return l.ReleaseRefund(ctx, lease, ledger.RefundPause{}) }, "write"},
		"Queried":       {func(l *core.Ledger) error { return l.Queried(ctx, ledger.Queried{Scope: live, ChargeID: "ch_1"}) }, "lax"},
		"Queried, reversed": {func(l *core.Ledger) error {
			return l.Queried(ctx, ledger.Queried{Scope: live, ChargeID: "ch_1", Reversed: true})
		}, "write"},
		"Swept":                   {func(l *core.Ledger) error { return l.Swept(ctx, ledger.Swept{Scope: live, Owner: "a"}) }, "lax"},
		"Swept, and compared":     {func(l *core.Ledger) error { return l.Swept(ctx, ledger.Swept{Scope: live, Owner: "a", To: noon}) }, "write"},
		"ClaimSweep":              {func(l *core.Ledger) error { return two(l.ClaimSweep(ctx, ledger.SweepClaim{Scope: live, Owner: "a"})) }, "lax"},
		"Claim":                   {func(l *core.Ledger) error { return one(l.Claim(ctx, ledger.Claim{Scope: live, Owner: "a", Limit: 1})) }, "lax"},
		"Claim of none":           {func(l *core.Ledger) error { return one(l.Claim(ctx, ledger.Claim{Scope: live, Owner: "a"})) }, ""},
		"Claim of less":           {func(l *core.Ledger) error { return one(l.Claim(ctx, ledger.Claim{Scope: live, Owner: "a", Limit: -1})) }, ""},
		"ClaimQueries":            {func(l *core.Ledger) error { return one(l.ClaimQueries(ctx, claims(1, ledger.QueryFirst))) }, "lax"},
		"ClaimQueries of none":    {func(l *core.Ledger) error { return one(l.ClaimQueries(ctx, claim)) }, ""},
		"ClaimRefunds":            {func(l *core.Ledger) error { return one(l.ClaimRefunds(ctx, claims(1, 0))) }, "lax"},
		"ClaimRefunds of none":    {func(l *core.Ledger) error { return one(l.ClaimRefunds(ctx, claim)) }, ""},
		"ChargesCreated":          {func(l *core.Ledger) error { return one(l.ChargesCreated(ctx, live, noon, at(1), "", 1)) }, "read"},
		"ChargesCreated, of none": {func(l *core.Ledger) error { return one(l.ChargesCreated(ctx, live, noon, at(1), "", 0)) }, ""},
		"Renew":                   {func(l *core.Ledger) error { return one(l.Renew(ctx, "a", ledger.Claim{Scope: live})) }, "lax"},
		"Settle": {func(l *core.Ledger) error {
			return l.Settle(ctx, "a", ledger.Delivery{Scope: live, EventID: "e", State: ledger.Dead})
		}, "lax"},
		"Resume":        {func(l *core.Ledger) error { return l.Resume(ctx, live) }, "lax"},
		"RefundQueried": {func(l *core.Ledger) error { return l.RefundQueried(ctx, lease, noon) }, "lax"},
		"NoteClient":    {func(l *core.Ledger) error { return l.NoteClient(ctx, live, "ch_1", ledger.ClientNote{}) }, "lax"},
		"Overdue":       {func(l *core.Ledger) error { return one(l.Overdue(ctx, live, noon)) }, "read"},
		"Prune":         {func(l *core.Ledger) error { return one(l.Prune(ctx, noon, 1)) }, "read"},
		"Prune of none": {func(l *core.Ledger) error { return one(l.Prune(ctx, noon, 0)) }, ""},
		"NextDue":       {func(l *core.Ledger) error { return one(l.NextDue(ctx, live)) }, "read"},
	} {
		s := &away{}
		err := c.call(core.New(s, noon))
		if s.kind != c.kind || errors.Is(err, errDisk) != (c.kind != "") || err != nil && c.kind == "" {
			t.Errorf("%s: %q, want %q: %v", name, s.kind, c.kind, err)
		}
	}
}

// TestRefusesMalformed: what names nothing is refused before anything is written.
func TestRefusesMalformed(t *testing.T) {
	ctx := t.Context()
	refund := func(change func(*ledger.RefundReservation)) func(l *core.Ledger) error {
		return func(l *core.Ledger) error {
			r := ledger.RefundReservation{Scope: live, RefundNo: "R1", ChargeID: "ch_1", Owner: "a", Paid: 100, Amount: 1}
			change(&r)
			_, _, err := l.ReserveRefund(ctx, r)
			return err
		}
	}
	for name, call := range map[string]func(l *core.Ledger) error{
		"a reservation without an order": func(l *core.Ledger) error { _, err := l.Reserve(ctx, ledger.Reservation{Scope: live}); return err },
		"an answer without an id":        func(l *core.Ledger) error { return l.Created(ctx, &ledger.Charge{Scope: live, Number: "o"}) },
		"a refund without its id":        func(l *core.Ledger) error { return l.RefundMade(ctx, ledger.RefundLease{Scope: live}, "", noon) },
		"a refund without a number":      refund(func(r *ledger.RefundReservation) { r.RefundNo = "" }),
		"a refund without a charge":      refund(func(r *ledger.RefundReservation) { r.ChargeID = "" }),
		"a refund without an owner":      refund(func(r *ledger.RefundReservation) { r.Owner = "" }),
		"a refund of less than nothing":  refund(func(r *ledger.RefundReservation) { r.Amount = -1 }),
		"a refund without an app":        refund(func(r *ledger.RefundReservation) { r.Scope.App = "" }),
		"a claim without an owner":       func(l *core.Ledger) error { _, err := l.Claim(ctx, ledger.Claim{Scope: live, Limit: 1}); return err },
	} {
		s := &away{}
		if err := call(core.New(s, noon)); err == nil || s.kind != "" {
			t.Errorf("%s: %v, after %q", name, err, s.kind)
		}
	}
}

// TestManyRows: what is done in steps is done to the end.
func TestManyRows(t *testing.T) {
	l := memory.Open(memory.NewRows(), time.Unix(0, 0))
	const many = 1401 // more than two steps of either kind
	for i := range many {
		e := &ledger.Event{Scope: live, ID: fmt.Sprint("evt_", i), State: ledger.Pending, Received: noon, Due: noon, Body: []byte("{}")}
		if i%2 == 0 {
			e.State = ledger.Filtered
		}
		_, err := l.Append(t.Context(), e)
		must(t, err)
	}
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: "a", Now: noon, Until: at(9), Limit: many})
	must(t, err)
	if len(es) != many/2 {
		t.Fatalf("%d events are due", len(es))
	}
	for _, e := range es {
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: e.ID, At: at(1), State: ledger.Pending, Due: at(3600), Back: at(2)}))
	}
	must(t, l.Resume(t.Context(), live))
	es, err = l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: "a", Now: at(2), Until: at(9), Limit: many})
	must(t, err)
	if len(es) != many/2 {
		t.Errorf("%d events are due once the backend is back", len(es))
	}
	// The bodies of those that are filtered go, up to the limit, which charges share.
	number := func(int, int) string { return "o" }
	_, err = l.Reserve(t.Context(), ledger.Reservation{Scope: live, OrderNo: "o", Now: noon, Until: at(9), Number: number})
	must(t, err)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, OrderNo: "o", Number: "o", ID: "ch_1", Created: noon, Raw: []byte("{}")}))
	for _, c := range []struct{ limit, want int }{{450, 450}, {251, 251}, {9, 1}, {9, 0}} {
		n, err := l.Prune(t.Context(), at(1), c.limit)
		must(t, err)
		if n != c.want {
			t.Errorf("up to %d rows were to be pruned, and %d were, not %d", c.limit, n, c.want)
		}
	}
}

// TestUnlisted: an outcome whose attempt cannot be listed counts all the same.
func TestUnlisted(t *testing.T) {
	l := memory.Open(memory.NewRows(), time.Unix(0, 0))
	_, err := l.Append(t.Context(), &ledger.Event{Scope: live, ID: "evt_1", State: ledger.Pending, Received: noon})
	must(t, err)
	must(t, l.SettleUnlisted(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", At: noon, State: ledger.Delivered}))
	e, err := l.Event(t.Context(), live, "evt_1")
	must(t, err)
	ds, err := l.Deliveries(t.Context(), live, "evt_1")
	must(t, err)
	if e.State != ledger.Delivered || len(ds) != 0 {
		t.Errorf("it is %s, and %d deliveries are listed", e.State, len(ds))
	}
}

// TestListed: an attempt is listed once, also where an engine keeps the first one with its event; one that cannot be listed is not.
func TestListed(t *testing.T) {
	onDisk, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(t.TempDir(), "ledger.db")})
	must(t, err)
	t.Cleanup(func() { must(t, onDisk.Close()) })
	for engine, l := range map[string]*core.Ledger{"memory": memory.Open(memory.NewRows(), noon).Ledger, "sqlite": onDisk.Ledger} {
		for i, settle := range []func(context.Context, string, ledger.Delivery) error{l.SettleUnlisted, l.Settle} {
			id := fmt.Sprint("evt_", i)
			_, err := l.Append(t.Context(), &ledger.Event{Scope: live, ID: id, State: ledger.Pending, Received: noon})
			must(t, err)
			_, err = l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: "a", Now: noon, Until: at(9), Limit: 9})
			must(t, err)
			must(t, settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: id, Attempt: 1, At: at(1), Status: 200, State: ledger.Delivered}))
			ds, err := l.Deliveries(t.Context(), live, id)
			must(t, err)
			if e, err := l.Event(t.Context(), live, id); err != nil || e.State != ledger.Delivered || len(ds) != i {
				t.Errorf("%s: %s is %s, and %d deliveries are listed, not %d: %v", engine, id, e.State, len(ds), i, err)
			}
		}
	}
}

// TestPruneKeepsItsTime: what was recorded at the time, and not before it, stays.
func TestPruneKeepsItsTime(t *testing.T) {
	l := memory.Open(memory.NewRows(), time.Unix(0, 0))
	_, err := l.Append(t.Context(), &ledger.Event{Scope: live, ID: "evt_1", State: ledger.Filtered, Received: noon, Body: []byte("{}")})
	must(t, err)
	for i, want := range []int{0, 1} {
		n, err := l.Prune(t.Context(), at(i), 9)
		must(t, err)
		if n != want {
			t.Errorf("%d s after it came %d were pruned", i, n)
		}
	}
}

// TestClaimOrder: whatever order an engine leases events in, they come the first due first, and those due at once as they were recorded.
func TestClaimOrder(t *testing.T) {
	l := core.New(shuffled{}, noon)
	es, err := l.Claim(t.Context(), ledger.Claim{Scope: live, Owner: "a", Now: noon, Until: at(9), Limit: 9})
	must(t, err)
	var got []int64
	for _, e := range es {
		got = append(got, e.Seq)
	}
	if fmt.Sprint(got) != "[4 1 3]" {
		t.Errorf("claimed in the order %v", got)
	}
}

// shuffled is a store whose claims have no order.
type shuffled struct{ core.Store }

func (s shuffled) WriteLax(_ context.Context, f func(core.Tx) error) error { return f(unordered{}) }

type unordered struct{ core.Tx }

func (unordered) Claim(ledger.Claim, core.Span) ([]ledger.Event, error) {
	return []ledger.Event{{Seq: 3, Due: noon}, {Seq: 1, Due: noon}, {Seq: 4, Due: at(-1)}}, nil
}
