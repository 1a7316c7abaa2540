package reconcile_test

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// The answer to an attempt was lost, and the backend has closed the order since. When the attempt is found, the price that it was asked for at does
// not count as the newer word, although its charge may have come to be after that: its payment is one after the fact.
func TestFoundAttemptBringsNoNews(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	number := p.Reserve(l, "order1")
	p.After(10 * time.Second)
	if err := l.Release(t.Context(), ledger.Release{Scope: p.Scope, Number: p.Reserve(l, "order1"), As: ledger.Unsent,
		Quote: &ledger.Quote{Closed: true, At: p.Clock.Now()}}); err != nil {
		t.Fatal(err)
	}
	p.After(50 * time.Second)
	id := p.Made(p.Client, number, "order1", 100).ID // it was long on its way
	p.After(time.Second)
	if found, err := r.Attempts.Find(t.Context(), l, p.Attempts(l, "order1")[:1]); found != 1 || err != nil {
		t.Fatal(found, err)
	}
	p.Pay(id)
	if err := r.Charges.Recover(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if e := p.Event(l, reconciletest.QueryID(id)); e == nil || e.State != ledger.Pending || e.Late != "closed" {
		t.Errorf("%+v", e)
	}
}

// The charge of an attempt whose answer was lost is paid when it is found: its payment is recorded at once.
func TestFoundAndPaid(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	id := p.Made(p.Client, p.Reserve(l, "order1"), "order1", 1999).ID
	p.Pay(id)
	p.After(10 * time.Second)
	if found, err := r.Attempts.Find(t.Context(), l, p.Attempts(l, "order1")); found != 1 || err != nil {
		t.Fatal(found, err)
	}
	p.WantRecorded(l, "found", "order1", "charge.succeeded pending")
	if c := p.Known(l, id); !c.Paid || !c.NextQuery.IsZero() {
		t.Errorf("%+v", c)
	}
}

// The answers to two attempts of an order were lost, long after each other: both are found.
func TestFoundLongAfterEachOther(t *testing.T) {
	p, l := reconciletest.NewProvider(t), relaytest.NewLedger(t)
	r := p.Reconciler(l, zap.NewNop())
	for range 2 {
		number := p.Reserve(l, "order1")
		p.Made(p.Client, number, "order1", 1999)
		if err := l.Release(t.Context(), ledger.Release{Scope: p.Scope, Number: number, As: ledger.Unknown}); err != nil {
			t.Fatal(err)
		}
		p.After(time.Hour)
	}
	unknown := p.Attempts(l, "order1")
	if found, err := r.Attempts.Find(t.Context(), l, unknown); found != 2 || err != nil {
		t.Errorf("%d of %d are found, %v", found, len(unknown), err)
	}
}
