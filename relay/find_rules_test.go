package relay

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// The answer to an attempt was lost, and the backend has closed the order since. When the attempt is found, the price that it was asked for at does
// not count as the newer word, although its charge may have come to be after that: its payment is one after the fact.
func TestFoundAttemptBringsNoNews(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	number := p.reserve(l, "order1")
	p.after(10 * time.Second)
	if err := l.Release(t.Context(), ledger.Release{Scope: p.scope, Number: p.reserve(l, "order1"), As: ledger.Unsent,
		Quote: &ledger.Quote{Closed: true, At: p.clock.Now()}}); err != nil {
		t.Fatal(err)
	}
	p.after(50 * time.Second)
	id := p.made(p.client, number, "order1", 100).ID // it was long on its way
	p.after(time.Second)
	if found, err := r.Find(t.Context(), l, p.attempts(l, "order1")[:1]); found != 1 || err != nil {
		t.Fatal(found, err)
	}
	p.pay(id)
	if err := r.Recover(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if e := p.event(l, queryID(id)); e == nil || e.State != ledger.Pending || e.Late != "closed" {
		t.Errorf("%+v", e)
	}
}

// The charge of an attempt whose answer was lost is paid when it is found: its payment is recorded at once.
func TestFoundAndPaid(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.made(p.client, p.reserve(l, "order1"), "order1", 1999).ID
	p.pay(id)
	p.after(10 * time.Second)
	if found, err := r.Find(t.Context(), l, p.attempts(l, "order1")); found != 1 || err != nil {
		t.Fatal(found, err)
	}
	p.wantRecorded(l, "found", "order1", "charge.succeeded pending")
	if c := p.known(l, id); !c.Paid || !c.NextQuery.IsZero() {
		t.Errorf("%+v", c)
	}
}
