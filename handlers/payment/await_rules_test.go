package payment

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/limits"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/session"
)

// Whoever waits for a payment is answered at the moment at which this process records it, or is to end, also while Ping++ does not answer; what another
// process records is found at the next look.
func TestWhenWaitingEnds(t *testing.T) {
	const long = 2 * waitPoll
	for name, c := range map[string]struct {
		age     time.Duration // of the charge
		at      time.Duration // when something happens
		order   string        // that is paid then; "": none
		another bool          // by another process
		closes  bool          // the configuration
		after   time.Duration
		asked   int // Ping++, which does not answer
	}{
		"its charge is paid":                    {0, waitPoll / 4, "order1", false, false, waitPoll / 4, 0},
		"another order is paid":                 {0, waitPoll / 4, "order2", false, false, long, 0},
		"paid in another process":               {0, waitPoll / 4, "order1", true, false, waitPoll, 0},
		"the configuration ends":                {0, waitPoll / 4, "", false, true, waitPoll / 4, 0},
		"nothing happens":                       {0, waitPoll / 4, "", false, false, long, 0},
		"paid while Ping++ is asked":            {askAfter, waitPoll * 5 / 4, "order1", false, false, waitPoll * 5 / 4, 1},
		"the configuration ends at that moment": {askAfter, waitPoll * 5 / 4, "", false, true, waitPoll * 5 / 4, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, rows, closing := time.Now(), memory.NewRows(), make(chan struct{})
				l, other := memory.Open(rows, began), memory.Open(rows, began)
				id := session.Identity{Kind: session.WxLite, OpenID: payerA, AppID: "wx1", Scope: relaytest.Scope}
				for _, order := range []string{"order1", "order2"} {
					begun(t, l, id, order, began.Add(-c.age))
				}
				time.AfterFunc(c.at, func() {
					by := l
					if c.another {
						by = other
					}
					if c.order != "" {
						e := relaytest.NewEvent("evt_1", time.Now())
						e.ObjectID, e.ChargeID, e.Number, e.OrderNo, e.Lane = "ch_"+c.order, "ch_"+c.order, c.order, c.order, c.order
						e.Change, e.Payment = &ledger.ChargeChange{Paid: true, TimePaid: time.Now()}, &ledger.Payment{Amount: 100, Currency: "cny", Time: time.Now()}
						relaytest.Record(t, by, e)
					}
					if c.closes {
						close(closing)
					}
				})
				reconciler, asked := hanging(t, id.Scope, l)
				pay := &Payments{Scope: id.Scope, Budgets: limits.NewBudgets(limits.Default), Logger: zap.NewNop(), Now: time.Now, Closing: closing, Reconciler: reconciler}
				got, orderPaid, err := pay.await(t.Context(), l, "ch_order1", id, long)
				after := time.Since(began)
				synctest.Wait()
				if paid := c.order == "order1"; err != nil || got.Paid != paid || orderPaid != paid || *asked != c.asked {
					t.Errorf("%+v, %t, %v; Ping++ was asked %d times", got, orderPaid, err, *asked)
				}
				if after != c.after {
					t.Errorf("answered after %s, want %s", after, c.after)
				}
				time.Sleep(time.Minute) // a question is not cut off with who asked it
			})
		})
	}
}

// begun is a charge of an order of 100 fen, as it stands in the ledger.
func begun(t *testing.T, l ledger.Ledger, id session.Identity, order string, created time.Time) {
	t.Helper()
	r, err := l.Reserve(t.Context(), ledger.Reservation{Scope: id.Scope, OrderNo: order, Now: created, Until: created.Add(time.Minute), Payer: id.OpenID, PayerAppID: id.AppID,
		Number: func(int, int) string { return order }})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Created(t.Context(), &ledger.Charge{Scope: id.Scope, OrderNo: order, Number: r.Number, ID: "ch_" + order, Channel: "wx_lite", Payer: id.OpenID, PayerAppID: id.AppID,
		Amount: 100, Currency: "cny", Created: created, TimeExpire: created.Add(time.Hour), Raw: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
}

// A request that does not wait for its payment has Ping++'s answer, or what is known without it, in three seconds.
func TestAskingHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, l := time.Now(), memory.Open(memory.NewRows(), time.Now())
		id := session.Identity{Kind: session.WxLite, OpenID: payerA, AppID: "wx1", Scope: relaytest.Scope}
		begun(t, l, id, "order1", began.Add(-askAfter))
		reconciler, asked := hanging(t, id.Scope, l)
		charge.Ask(t.Context(), reconciler, zap.NewNop(), &ledger.Charge{Scope: id.Scope, ID: "ch_order1"})
		after := time.Since(began)
		synctest.Wait()
		if after != 3*time.Second || *asked != 1 {
			t.Errorf("over after %s, and Ping++ was asked %d times", after, *asked)
		}
		time.Sleep(time.Minute)
	})
}

// hanging asks a Ping++ that never answers, and counts how often.
func hanging(t *testing.T, scope ledger.Scope, l ledger.Ledger) (_ *reconcile.Reconciler, asked *int) {
	t.Helper()
	asked = new(int)
	client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		*asked++
		<-r.Context().Done()
		return nil, r.Context().Err()
	})})
	if err != nil {
		t.Fatal(err)
	}
	open := func(context.Context) (ledger.Ledger, error) { return l, nil }
	return reconcile.New(reconcile.Config{Scope: scope, Ledger: open, Pingpp: client, Intake: &intake.Intake{Scope: scope, Now: time.Now, Ledger: open}, Now: time.Now, Logger: zap.NewNop()}), asked
}
