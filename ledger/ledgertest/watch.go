package ledgertest

import (
	"fmt"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

func testWatch(t *testing.T, l ledger.Ledger) {
	watch := func(topic ledger.Topic) func(want bool) {
		changed, stop := l.Watch(topic)
		t.Cleanup(func() { stop(); stop() })
		return func(want bool) {
			t.Helper()
			// Signals are sent before the call that made them returns.
			if len(changed) > 1 || (len(changed) == 1) != want {
				t.Fatalf("%q: %d signals, want %t", topic, len(changed), want)
			}
			if want {
				<-changed
			}
		}
	}
	events, eventsOther := watch(ledger.EventsTopic(live)), watch(ledger.EventsTopic(test))
	ch1, ch2 := watch(ledger.ChargeTopic(live, "ch_1")), watch(ledger.ChargeTopic(live, "ch_2"))
	order := watch(ledger.OrderTopic(live, "1"))

	r := reserve(t, l, "1", noon, at(30))
	order(false)
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Refused}))
	order(true)
	charge(t, l, "1", "ch_1")
	order(true)
	ch1(true)
	charge(t, l, "1", "ch_2")
	ch1(true) // superseded
	ch2(true)
	events(false)

	for i := range 3 {
		add(t, l, event(live, fmt.Sprint("evt_", i)), ledger.Recorded)
	}
	events(true)
	add(t, l, event(live, "evt_0"), ledger.Duplicate)
	held := paid(live, "evt_held", "ch_1", "")
	held.State = ledger.Held
	add(t, l, held, ledger.Recorded)
	events(false)
	ch1(true)
	add(t, l, paid(live, "evt_again", "ch_1", ""), ledger.SameEffect)
	events(false)
	ch1(false)

	claim(t, l, "a", noon, at(9), 9)
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_0", State: ledger.Pending, Due: at(9)}))
	events(true)
	must(t, l.Settle(t.Context(), "b", ledger.Delivery{Scope: live, EventID: "evt_1", State: ledger.Pending, Due: at(9)}))
	must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: live, EventID: "evt_1", State: ledger.Dead}))
	events(false)
	must(t, l.NoteClient(t.Context(), live, "ch_2", ledger.ClientNote{Result: "cancel"}))
	ch2(true)
	eventsOther(false)

	changed, stop := l.Watch(ledger.EventsTopic(live))
	stop()
	add(t, l, event(live, "evt_9"), ledger.Recorded)
	equal(t, "signals after the watch ended", len(changed), 0)
}

func testClose(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	add(t, l, event(live, "evt_1"), ledger.Recorded)
	must(t, l.Close())
	must(t, l.Close())
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Append":     func() error { _, err := l.Append(ctx, event(live, "evt_2")); return err },
		"Event":      func() error { _, err := l.Event(ctx, live, "evt_1"); return err },
		"Deliveries": func() error { _, err := l.Deliveries(ctx, live, "evt_1"); return err },
		"Claim": func() error {
			_, err := l.Claim(ctx, ledger.Claim{Scope: live, Owner: "a", Limit: 1})
			return err
		},
		"Renew": func() error { _, err := l.Renew(ctx, "a", ledger.Claim{Scope: live}); return err },
		"Settle": func() error {
			return l.Settle(ctx, "a", ledger.Delivery{Scope: live, EventID: "evt_1", State: ledger.Dead})
		},
		"Events": func() error { _, err := l.Events(ctx, ledger.Filter{Scope: live, Limit: 1}); return err },
		"Decide": func() error {
			return l.Decide(ctx, ledger.Decision{Scope: live, EventID: "evt_1", Action: ledger.ActionReplay})
		},
		"Prune": func() error { _, err := l.Prune(ctx, noon, 1); return err },
		"ClaimQueries": func() error {
			_, err := l.ClaimQueries(ctx, ledger.QueryClaim{Scope: live, Owner: "a", Limit: 1})
			return err
		},
		"Queried":        func() error { return l.Queried(ctx, ledger.Queried{Scope: live, ChargeID: "ch_1"}) },
		"ChargesCreated": func() error { _, err := l.ChargesCreated(ctx, live, noon, at(1), "", 1); return err },
		"NextDue":        func() error { _, err := l.NextDue(ctx, live); return err },
		"Reserve":        func() error { _, err := l.Reserve(ctx, reservation(live, "2", noon, at(1))); return err },
		"Extend":         func() error { return l.Extend(ctx, reservation(live, "1", noon, at(1)), "1") },
		"Release":        func() error { return l.Release(ctx, ledger.Release{Scope: live, Number: "1", As: ledger.Unsent}) },
		"Created":        func() error { return l.Created(ctx, &ledger.Charge{Scope: live, Number: "1", ID: "ch_1"}) },
		"Charge":         func() error { _, err := l.Charge(ctx, live, "ch_1"); return err },
		"Attempts":       func() error { _, err := l.Attempts(ctx, live, "1"); return err },
		"NoteClient":     func() error { return l.NoteClient(ctx, live, "ch_1", ledger.ClientNote{}) },
		"ReserveRefund":  func() error { _, _, err := l.ReserveRefund(ctx, asking("R1", 1, 0)); return err },
		"AskRefund": func() error {
			return l.AskRefund(ctx, lease(asking("R1", 1, 0)), ledger.RefundAsk{Asks: 2, Now: noon, Until: at(1)})
		},
		"RefundMade": func() error { return l.RefundMade(ctx, lease(asking("R1", 1, 0)), "re_1", at(1)) },
		"ReleaseRefund": func() error {
			return l.ReleaseRefund(ctx, lease(asking("R1", 1, 0)), ledger.RefundPause{Next: at(1), Asks: 1})
		},
		"Refund":          func() error { _, err := l.Refund(ctx, live, "R1"); return err },
		"RefundsOfCharge": func() error { _, err := l.RefundsOfCharge(ctx, live, "ch_1"); return err },
		"RefundsOf":       func() error { _, err := l.RefundsOf(ctx, live, "1"); return err },
		"ClaimRefunds": func() error {
			_, err := l.ClaimRefunds(ctx, ledger.QueryClaim{Scope: live, Owner: "a", Limit: 1})
			return err
		},
		"RefundQueried": func() error { return l.RefundQueried(ctx, lease(asking("R1", 1, 0)), at(1)) },
		"Login":         func() error { _, err := l.Login(ctx, []byte("k"), 1); return err },
		"SaveLogin":     func() error { return l.SaveLogin(ctx, ledger.Login{Key: []byte("k"), Identity: []byte("i")}) },
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, call(), ledger.ErrClosed) })
	}
}
