package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// capture is a store that hands on what would be written.
type capture struct {
	core.Store
	writes []func(core.Tx) error
}

func (c *capture) Write(_ context.Context, f func(core.Tx) error) error {
	return c.WriteLax(context.Background(), f)
}
func (c *capture) WriteLax(_ context.Context, f func(core.Tx) error) error {
	c.writes = append(c.writes, f)
	return nil
}

// What becomes of many deliveries is one transaction: each is recorded, the next of each lane goes on, and who has the lease no more changes nothing.
func TestGroupSettles(t *testing.T) {
	l := openLedger(t)
	now := time.Now()
	const lanes = 12
	for n := range lanes {
		for i, kind := range []string{"charge.succeeded", "order.succeeded"} {
			e := payment(fmt.Sprint("evt_", n, "_", i), fmt.Sprint("o", n))
			e.Type, e.Rank, e.Received, e.Created, e.Due = kind, i, now, now, now
			if i > 0 {
				e.ObjectID, e.Change, e.Payment = "or_"+e.OrderNo, nil, nil
			}
			did, err := l.Append(t.Context(), e)
			must(t, err)
			if did != ledger.Recorded {
				t.Fatal(did)
			}
		}
	}
	claim := ledger.Claim{Scope: live, Owner: "a", Now: now, Until: now.Add(time.Minute), Limit: 100}
	es, err := l.Claim(t.Context(), claim)
	must(t, err)
	if len(es) != lanes {
		t.Fatalf("%d of %d lanes are claimed", len(es), lanes)
	}
	var c capture
	rules := core.New(&c, now)
	for n, e := range es {
		d := ledger.Delivery{Scope: live, EventID: e.ID, Attempt: 1, At: now, Took: time.Millisecond, Status: 200, State: ledger.Delivered}
		owner := "a"
		switch n {
		case 1: // another one has the lease
			owner, d.State, d.Status, d.Due = "b", ledger.Pending, 500, now.Add(time.Hour)
		case 2:
			d.State, d.Status, d.Due = ledger.Pending, 500, now.Add(time.Hour)
		}
		must(t, rules.Settle(t.Context(), owner, d))
	}
	ms := members(t, c.writes...)
	l.settles.transact(ms)
	for _, m := range ms {
		must(t, <-m.result)
	}
	for n, e := range es {
		want := ledger.Delivered
		if n == 1 || n == 2 {
			want = ledger.Pending
		}
		is, err := l.Event(t.Context(), live, e.ID)
		must(t, err)
		ds, err := l.Deliveries(t.Context(), live, e.ID)
		must(t, err)
		if is.State != want || len(ds) != 1 && n != 1 {
			t.Errorf("%s of %s is %s after %d deliveries, want %s", e.ID, e.Lane, is.State, len(ds), want)
		}
	}
	claim.Owner = "c"
	next, err := l.Claim(t.Context(), claim)
	must(t, err)
	for _, e := range next {
		if e.Type != "order.succeeded" {
			t.Errorf("%s is claimed", e.ID)
		}
	}
	if len(next) != lanes-2 {
		t.Errorf("%d lanes go on", len(next))
	}
	if faults, err := l.Verify(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("the ledger is not whole: %v, %v", faults, err)
	}
}
