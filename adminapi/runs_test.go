package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What an action by filter would do is told before it does anything: how many match, how many can be taken, for how much, and why the others cannot.
func TestPreviewOfAFilter(t *testing.T) {
	d := newDesk(t)
	d.event("a", "charge.succeeded", "o1", 1999, ledger.Dead)
	d.event("b", "charge.succeeded", "o2", 500, ledger.Dead)
	d.event("r", "refund.succeeded", "o2", 300, ledger.Dead)
	d.event("acked", "charge.succeeded", "o3", 700, ledger.Delivered, ledger.Dead)
	d.event("done", "charge.succeeded", "o4", 800, ledger.Delivered)
	d.event("held", "charge.succeeded", "o5", 900, ledger.Held)
	d.event("wait", "charge.succeeded", "o6", 1000)
	not := func(p *Preview) (all string) {
		for _, n := range p.Not {
			all += fmt.Sprintf("%d %s %s %v; ", n.Count, n.Code, n.State, n.Events)
		}
		return all
	}
	for _, tc := range []struct {
		intent                      Intent
		matched, eligible, repeated int
		amount, refunded            int64
		not                         string
	}{
		{Intent{Action: "replay", States: []string{"dead"}}, 4, 3, 0, 2499, 300, "1 acknowledged dead [evt_acked]; "},
		{Intent{Action: "replay", States: []string{"dead"}, Again: true}, 4, 4, 1, 3199, 300, ""},
		{Intent{Action: "replay", States: []string{"dead"}, Type: "charge.succeeded", Since: "2h"}, 3, 2, 0, 2499, 0, "1 acknowledged dead [evt_acked]; "},
		{Intent{Action: "replay", States: []string{"dead"}, OrderNo: "o2"}, 2, 2, 0, 500, 300, ""},
		{Intent{Action: "replay", States: []string{"dead", "delivered", "held"}}, 6, 3, 0, 2499, 300, "1 held held [evt_held]; 1 acknowledged delivered [evt_done]; 1 acknowledged dead [evt_acked]; "},
		{Intent{Action: "release"}, 1, 1, 0, 900, 0, ""},
		{Intent{Action: "release", States: []string{"dead", "held"}, Type: "charge.succeeded"}, 4, 1, 0, 900, 0, "3 not_held dead [evt_acked evt_b evt_a]; "},
		{Intent{Action: "discard", States: []string{"pending", "delivered"}}, 2, 1, 0, 1000, 0, "1 settled delivered [evt_done]; "},
		{Intent{Action: "replay", States: []string{"dead"}, App: "app_1", Mode: "test"}, 0, 0, 0, 0, 0, ""},
	} {
		p, err := d.Preview(t.Context(), tc.intent)
		if err != nil {
			t.Errorf("%+v: %v", tc.intent, err)
			continue
		}
		if p.Matched != tc.matched || p.Eligible != tc.eligible || p.Repeated != tc.repeated || p.Amount != tc.amount || p.Refunded != tc.refunded || not(p) != tc.not {
			t.Errorf("%+v:\n%+v\n%s", tc.intent, p, not(p))
		}
		again, err := d.Preview(t.Context(), p.Intent)
		if err != nil || again.Matched != p.Matched || p.Matched > 0 && again.Through != p.Through || again.Since != p.Since {
			t.Errorf("what the preview says, asked for once more: %+v, %v", again, err)
		}
	}
	if got, want := d.states("a", "b", "r", "acked", "done", "held", "wait"), "dead dead dead dead delivered held pending"; strings.Join(got, " ") != want {
		t.Errorf("a preview has changed something: %q", got)
	}
}

// A run takes what its preview has shown and nothing that came later, each once, the events of an order in the order of its life, and all its decisions bear its id.
func TestRunByFilter(t *testing.T) {
	d := newDesk(t)
	d.event("r1", "refund.succeeded", "o1", 100, ledger.Dead) // recorded before its payment
	d.event("p1", "charge.succeeded", "o1", 300, ledger.Dead)
	d.event("p2", "charge.succeeded", "o2", 200, ledger.Dead)
	d.event("acked", "charge.succeeded", "o3", 700, ledger.Delivered, ledger.Dead)
	d.event("r2", "refund.succeeded", "o2", 100, ledger.Dead)
	p := must(d.Preview(t.Context(), Intent{Action: "replay", States: []string{"dead"}, Rate: 1000, Said: "mark", Reason: "the shop was down"}))
	d.event("later", "charge.succeeded", "o9", 900, ledger.Dead)
	run := must(d.Begin(t.Context(), p.Intent))
	if run.State != "running" || run.Eligible != 4 || run.By != "address 127.0.0.1" {
		t.Fatalf("%+v", run)
	}
	if got := must(d.Runs(t.Context(), 0, 0)); len(got.Runs) != 1 || got.Runs[0].ID != run.ID || got.Next != 0 {
		t.Errorf("%+v", got)
	}
	d.carry("a")
	run = d.until(run.ID, "the end", ended)
	if run.State != "done" || run.Decided != 4 || len(run.Left) != 1 || run.Left[0].Code != "acknowledged" || run.Left[0].Count != 1 {
		t.Errorf("%+v", run)
	}
	if got := strings.Join(d.states("r1", "p1", "p2", "r2", "acked", "later"), " "); got != "pending pending pending pending dead dead" {
		t.Errorf("%s", got)
	}
	if got := strings.Join(d.decisions(run.ID), ", "); got != "evt_p2, evt_r2, evt_p1, evt_r1" {
		t.Errorf("decided in the order %s", got)
	}
}

// halting is a ledger that takes so many decisions, and another one not before whoever decides is told to stop.
type halting struct {
	ledger.Ledger
	takes atomic.Int64
}

func (h *halting) Decide(ctx context.Context, d ledger.Decision) error {
	if h.takes.Add(-1) < 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Ledger.Decide(ctx, d)
}

// A run goes on where it was when its process ends, and decides about no event twice.
func TestRunOutlivesItsProcess(t *testing.T) {
	d := newDesk(t)
	const many = 60
	var ids []string
	for i := range many {
		ids = append(ids, fmt.Sprint(i))
		d.event(ids[i], "charge.succeeded", fmt.Sprint("o", i), 100, ledger.Delivered)
	}
	run := must(d.Begin(t.Context(), Intent{Action: "replay", States: []string{"delivered"}, Again: true, Rate: 100, Said: "mark", Reason: "the shop was down"}))
	begun := must(d.ledger.Run(t.Context(), run.ID))
	h, whole := &halting{Ledger: d.ledger}, d.server.runServer.open
	h.takes.Store(5)
	d.server.runServer.open = func(context.Context) (ledger.Ledger, error) { return h, nil }
	stop := d.carry("a")
	d.until(run.ID, "a part of it", func(r *RunView) bool { return r.Decided == 5 })
	stop()
	d.server.runServer.open = whole
	if part := must(d.Run(t.Context(), run.ID)); part.State != "running" || part.Decided != 5 {
		t.Fatalf("%+v", part)
	}
	for _, id := range ids { // what was delivered again meanwhile matches as before
		if must(d.ledger.Event(t.Context(), scope, "evt_"+id)).State == ledger.Pending {
			d.settle(id, ledger.Delivered)
		}
	}
	// As after a kill: what was done since the last save is not noted, and the lease of the dead process lasts a moment still.
	now := time.Now()
	claim := ledger.RunClaim{Owner: "dead", Now: now, Until: now.Add(time.Second)}
	must(d.ledger.ClaimRun(t.Context(), claim))
	must(d.ledger.SaveRun(t.Context(), claim, &ledger.Run{ID: run.ID, Doc: begun.Doc}))
	d.carry("b")
	run = d.until(run.ID, "the end", ended)
	if run.State != "done" || run.Decided != many || len(run.Left) != 0 {
		t.Errorf("%+v", run)
	}
	got := d.decisions(run.ID)
	slices.Sort(got)
	if len(got) != many || len(slices.Compact(got)) != many {
		t.Errorf("%d decisions", len(got))
	}
}

// A person stops a run: what was done stays, and the rest is left alone.
func TestRunIsStopped(t *testing.T) {
	d := newDesk(t)
	const many = 200
	for i := range many {
		d.event(fmt.Sprint(i), "charge.succeeded", "", 100, ledger.Held)
	}
	run := must(d.Begin(t.Context(), Intent{Action: "discard", States: []string{"held"}, Rate: 20, Said: "mark", Reason: "the shop was down"}))
	d.carry("a")
	d.until(run.ID, "a part of it", func(r *RunView) bool { return r.Decided >= 2 })
	if now := must(d.Stop(t.Context(), run.ID)); now.State != "stopping" && now.State != "stopped" || now.StoppedBy != "address 127.0.0.1" {
		t.Errorf("%+v", now)
	}
	run = d.until(run.ID, "the end", ended)
	if run.State != "stopped" || run.Decided >= many {
		t.Errorf("%+v", run)
	}
	if held := len(must(d.Events(t.Context(), EventQuery{States: []string{"held"}, Part: Part{Limit: many}})).Events); held != many-run.Decided {
		t.Errorf("%d are held, %d were decided", held, run.Decided)
	}
}

// A run that is slow holds up no other; one that this version cannot read stays as it is.
func TestRunsAtOneTime(t *testing.T) {
	d := newDesk(t)
	for i := range 20 {
		d.event(fmt.Sprint("slow", i), "charge.succeeded", "", 100, ledger.Held)
		d.event(fmt.Sprint("fast", i), "refund.succeeded", "", 100, ledger.Held)
	}
	strange := &ledger.Run{ID: "run_strange", Created: time.Now(), Doc: []byte(`{"action":"shred"}`)}
	if err := d.ledger.AddRun(t.Context(), strange); err != nil {
		t.Fatal(err)
	}
	slow := must(d.Begin(t.Context(), Intent{Action: "discard", States: []string{"held"}, Type: "charge.succeeded", Rate: 1, Reason: "r"}))
	fast := must(d.Begin(t.Context(), Intent{Action: "release", Type: "refund.succeeded", Rate: 1000, Reason: "r"}))
	stop := d.carry("a")
	if run := d.until(fast.ID, "the end", ended); run.Decided != 20 || len(run.Left) != 0 {
		t.Errorf("%+v", run)
	}
	if run := must(d.Run(t.Context(), slow.ID)); run.State != "running" || run.Decided > 19 {
		t.Errorf("%+v", run)
	}
	stop()
	if kept := must(d.ledger.Run(t.Context(), strange.ID)); string(kept.Doc) != string(strange.Doc) || !kept.Ended.IsZero() {
		t.Errorf("%s", kept.Doc)
	}
}

// Whether something may be done to an event is decided here, for one as for many.
func TestEligibility(t *testing.T) {
	for _, tc := range []struct {
		action ledger.Action
		c      candidate
		state  ledger.State
		again  bool
		want   string
	}{
		{ledger.ActionReplay, candidate{}, ledger.Dead, false, ""},
		{ledger.ActionReplay, candidate{}, ledger.Pending, false, ""},
		{ledger.ActionReplay, candidate{}, ledger.Discarded, false, ""},
		{ledger.ActionReplay, candidate{}, ledger.Filtered, false, ""},
		{ledger.ActionReplay, candidate{}, ledger.Held, true, "held"},
		{ledger.ActionReplay, candidate{pruned: true}, ledger.Delivered, true, "pruned"},
		{ledger.ActionReplay, candidate{heard: true}, ledger.Delivered, false, "acknowledged"},
		{ledger.ActionReplay, candidate{heard: true}, ledger.Dead, false, "acknowledged"},
		{ledger.ActionReplay, candidate{heard: true}, ledger.Pending, false, "acknowledged"},
		{ledger.ActionReplay, candidate{heard: true}, ledger.Delivered, true, ""},
		{ledger.ActionRelease, candidate{}, ledger.Held, false, ""},
		{ledger.ActionRelease, candidate{}, ledger.Dead, false, "not_held"},
		{ledger.ActionDiscard, candidate{}, ledger.Held, false, ""},
		{ledger.ActionDiscard, candidate{}, ledger.Pending, false, ""},
		{ledger.ActionDiscard, candidate{heard: true, pruned: true}, ledger.Dead, false, ""},
		{ledger.ActionDiscard, candidate{}, ledger.Delivered, true, "settled"},
		{ledger.ActionDiscard, candidate{}, ledger.Filtered, false, "settled"},
	} {
		tc.c.Event = &ledger.Event{State: tc.state}
		if code, why := judge(tc.action, &tc.c, tc.again); code != tc.want || (why == "") != (code == "") {
			t.Errorf("%s of %s, again %t: %q, %q", tc.action, tc.state, tc.again, code, why)
		}
	}
	for _, reason := range []string{ledger.ReasonRefunded, ledger.ReasonReversed} {
		back := candidate{Event: &ledger.Event{State: ledger.Discarded, Reasons: []string{reason}}}
		if code, _ := judge(ledger.ActionReplay, &back, false); code != "went_back" || !NeedsAgain(code) {
			t.Errorf("what was %s is announced as paid: %q", reason, code)
		}
		if code, _ := judge(ledger.ActionReplay, &back, true); code != "" {
			t.Errorf("%s, again: %q", reason, code)
		}
	}
	same := candidate{Event: &ledger.Event{State: ledger.Filtered, Reasons: []string{ledger.ReasonEffectSeen}}}
	if code, _ := judge(ledger.ActionReplay, &same, false); code != "effect_seen" {
		t.Errorf("what another event has told is told twice: %q", code)
	}
}

// A page in the same process says who somebody is by the login of its own site; a claim is kept apart.
func TestDecisionThroughAPage(t *testing.T) {
	d := newDesk(t)
	d.event("a", "charge.succeeded", "o1", 100, ledger.Held)
	ctx := WithBy(t.Context(), "user mark")
	if _, err := d.server.Decide(ctx, EventRef{ID: "evt_a"}, ledger.ActionRelease, Decision{Said: "the boss", Reason: "paid the rest"}); err != nil {
		t.Fatal(err)
	}
	d.event("b", "charge.succeeded", "o2", 100, ledger.Held)
	run := must(d.server.Begin(ctx, Intent{Action: "release", Reason: "likewise"}))
	d.carry("a")
	d.until(run.ID, "the end", ended)
	if a := auditOf(t, d.file, ""); len(a) != 1 || a[0] != (audited{"evt_a", "user mark", "the boss", "paid the rest"}) {
		t.Errorf("%+v", a)
	}
	if a := auditOf(t, d.file, run.ID); len(a) != 1 || a[0] != (audited{"evt_b", "user mark", "", "likewise"}) {
		t.Errorf("%+v", a)
	}
}

// What was paid stands beside what was to be paid, and who has paid the order already.
func TestHeldPaymentShowsWhatWasExpected(t *testing.T) {
	d := newDesk(t)
	for i, charge := range []string{"ch_a", "ch_b"} {
		r := must(d.ledger.Reserve(t.Context(), ledger.Reservation{Scope: scope, OrderNo: "o1", Now: time.Now(), Until: time.Now().Add(time.Minute),
			Number: func(int, int) string { return fmt.Sprint("o1x", i) }}))
		if err := d.ledger.Created(t.Context(), &ledger.Charge{Scope: scope, OrderNo: "o1", Number: r.Number, State: ledger.Open, ID: charge, Amount: 2099, Currency: "cny", Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"a", "b"} {
		now := time.Now()
		e := &ledger.Event{Scope: scope, ID: "evt_" + id, Type: "charge.succeeded", ObjectID: "ch_" + id, ChargeID: "ch_" + id, Source: ledger.Webhook, State: ledger.Pending, Created: now, Received: now,
			Change: &ledger.ChargeChange{Paid: true, TimePaid: now}, Payment: &ledger.Payment{Amount: 1999, Currency: "cny", Time: now},
			Body: []byte(`{"id":"evt_` + id + `","object":"event","type":"charge.succeeded","livemode":true,"data":{"object":{"id":"ch_` + id + `","object":"charge","livemode":true,"app":"app_1","paid":true,"refunded":false,"reversed":false,"amount":1999,"currency":"cny","order_no":"o1x0","channel":"wx_lite","created":1,"time_paid":2}}}`)}
		if _, err := d.ledger.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for id, also := range map[string]string{"a": "[ch_b]", "b": "[ch_a]"} {
		e := must(d.Event(t.Context(), EventRef{ID: "evt_" + id}))
		if p := e.Payment; e.State != "held" || p == nil || p.Paid != 1999 || p.PaidCurrency != "cny" || p.Expected != 2099 || p.ExpectedCurrency != "cny" || fmt.Sprint(p.AlsoPaidBy) != also {
			t.Errorf("%s: %v %+v", id, e.Reasons, p)
		}
	}
	d.event("foreign", "charge.succeeded", "o9", 100)
	if p := must(d.Event(t.Context(), EventRef{ID: "evt_foreign"})).Payment; p == nil || p.Paid != 100 || p.Expected != 0 || p.AlsoPaidBy == nil {
		t.Errorf("%+v", p)
	}
	d.event("refund", "refund.succeeded", "o9", 100)
	if p := must(d.Event(t.Context(), EventRef{ID: "evt_refund"})).Payment; p != nil {
		t.Errorf("%+v", p)
	}
}

// Errors of the admin API keep their status, code and words on their way to whoever asks.
func TestClientErrors(t *testing.T) {
	d := newDesk(t)
	d.event("a", "charge.succeeded", "o1", 100, ledger.Delivered)
	_, err := d.Decide(t.Context(), EventRef{ID: "evt_a"}, ledger.ActionReplay, Decision{})
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusConflict || e.Code != "acknowledged" || !strings.HasPrefix(err.Error(), "HTTP 409: event evt_a is delivered;") {
		t.Errorf("%v, %s", err, must(json.Marshal(e)))
	}
}
