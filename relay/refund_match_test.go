package relay

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// paidThroughOrder is the charge of a Ping++ order that is paid, and whose payment is recorded.
func (p *provider) paidThroughOrder(r *Reconciler, orderNo string) (chargeID, order string) {
	p.t.Helper()
	ctx := p.t.Context()
	or, err := p.client.CreateOrder(ctx, &pingpp.OrderParams{MerchantOrderNo: orderNo, Amount: 1000, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b"})
	if err == nil {
		or, err = p.client.PayOrder(ctx, or.ID, &pingpp.PayOrderParams{Channel: "wx_lite", ChargeAmount: 1000, Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.pay(or.ChargeID)
	if err := r.Recover(ctx, or.ChargeID); err != nil {
		p.t.Fatal(err)
	}
	return or.ChargeID, or.ID
}

// atPingpp is what Ping++ has of a charge's refunds, the newest first.
func (p *provider) atPingpp(chargeID string) []*pingpp.Refund {
	p.t.Helper()
	list, err := p.client.ListRefunds(p.t.Context(), chargeID, pingpp.ListRefundsParams{Limit: 100})
	if err != nil {
		p.t.Fatal(err)
	}
	return list.Data
}

// byHand refunds as a person does in Ping++'s dashboard; no event of it comes.
func (p *provider) byHand(chargeID string, amount int64, description string) {
	p.t.Helper()
	resp, err := http.Post(p.url+"/sandbox/refunds", "application/json",
		strings.NewReader(fmt.Sprintf(`{"charge":%q,"amount":%d,"description":%q,"status":"succeeded"}`, chargeID, amount, description)))
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatal(resp, err)
	}
}

// left is how much of a charge of 1000 fen can still be refunded, by asking for it.
func (p *provider) left(l ledger.Ledger, chargeID, orderNo string) int64 {
	p.t.Helper()
	now := p.clock.Now()
	owner := fmt.Sprint("left ", serial.Add(1))
	res := ledger.RefundReservation{Scope: p.scope, RefundNo: owner[:4] + owner[5:], ChargeID: chargeID, OrderNo: orderNo, Description: "d", Paid: 1000,
		Owner: owner, Now: now, Until: now.Add(RefundLease)}
	re, _, err := l.ReserveRefund(p.t.Context(), res)
	if err == nil {
		err = l.ReleaseRefund(p.t.Context(), ledger.RefundLease{Scope: p.scope, RefundNo: res.RefundNo, Owner: owner}, ledger.RefundPause{})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return re.Amount
}

// follow lets time pass, and looks up what is due.
func (p *provider) follow(r *Reconciler, d time.Duration, times int) {
	p.t.Helper()
	for range times {
		p.after(d)
		refundRounds(p.t.(*testing.T), r)
	}
}

// Ping++ forgets what identifies a refund: its answer is the refund all the same, and without an answer it is found among the charge's refunds. It is
// asked for once.
func TestRefundsThatPingppForgets(t *testing.T) {
	for _, loss := range []string{"no_metadata", "no_description", "no_texts"} {
		for _, through := range []string{"charge", "order"} {
			for _, answer := range []string{"whole", "lost", "lost, and the event came"} {
				t.Run(strings.Join([]string{loss, through, answer}, "/"), func(t *testing.T) {
					p, l := newProvider(t), newLedger(t)
					r := p.reconciler(l, zap.NewNop())
					id, op := "", "create_refund"
					if through == "order" {
						id, _ = p.paidThroughOrder(r, "A2026112301")
						op = "refund_order"
					} else {
						id = p.paidCharge(l, r, "A2026112301")
					}
					p.fault("refund", loss, 1)
					p.fault("refund", "stuck", 1)
					if answer != "whole" {
						p.fault(op, "drop", 1)
					}
					re := p.asks(l, r, id, "A2026112301", "R1", 300)
					made := p.atPingpp(id)
					if len(made) != 1 {
						t.Fatalf("Ping++ has %d refunds", len(made))
					}
					if answer == "whole" && (re.State != ledger.RefundPending || re.ID != made[0].ID) {
						t.Errorf("after the answer: %+v", re)
					}
					if answer == "lost, and the event came" {
						p.settle(made[0].ID, "succeed")
						e, err := pingpp.ParseEvent([]byte(p.refundEvent()))
						if err == nil {
							_, err = r.cfg.Intake.Accept(t.Context(), Arrival{Event: e, Source: ledger.Webhook})
						}
						if err != nil {
							t.Fatal(err)
						}
					}
					p.follow(r, 20*time.Second, 20)
					if n := p.State(0).Calls[op]; n != 1 {
						t.Errorf("asked for %d times", n)
					}
					if answer != "lost, and the event came" {
						p.settle(made[0].ID, "succeed")
						p.follow(r, time.Hour, 1)
					}
					re = p.refund(l, "R1")
					if re.State != ledger.RefundSucceeded || re.ID != made[0].ID || re.Unclear != "" {
						t.Errorf("in the end: %+v", re)
					}
					all, err := l.RefundsOfCharge(t.Context(), p.scope, id)
					if err != nil || len(all) != 1 {
						t.Errorf("recorded are %+v, %v", all, err)
					}
					if got := p.left(l, id, "A2026112301"); got != 700 {
						t.Errorf("%d fen are left", got)
					}
				})
			}
		}
	}
}

// refundEvent is the newest event refund.succeeded that Ping++ has made.
func (p *provider) refundEvent() string {
	for _, e := range p.State(10).Events {
		if e.Type == "refund.succeeded" {
			return e.Body
		}
	}
	p.t.Fatal("Ping++ has made no event of the refund")
	return ""
}

// patient is a reconciler that notes which refunds begin to wait for a person.
func patient(p *provider, l ledger.Ledger) (r *Reconciler, waiting *[]string, lines *observer.ObservedLogs) {
	core, lines := observer.New(zap.ErrorLevel)
	r = p.reconciler(l, zap.New(core))
	waiting = new([]string)
	r.cfg.Unclear = func(why string) { *waiting = append(*waiting, why) }
	return r, waiting, lines
}

// Ping++ never answers, and has nothing: it is asked once more, and then a person has to look. Who refunds by hand need not tell us.
func TestRefundIsRepeatedOnce(t *testing.T) {
	for _, byHand := range []bool{true, false} {
		p, l := newProvider(t), newLedger(t)
		r, waiting, lines := patient(p, l)
		id := p.paidCharge(l, r, "order1")
		p.fault("create_refund", "500", 1000)
		p.asks(l, r, id, "order1", "R1", 300)
		p.follow(r, 10*time.Minute, 100)
		re := p.refund(l, "R1")
		if n := p.State(0).Calls["create_refund"]; n != 2 || re.State != ledger.RefundAsked || re.Asks != 2 || re.Unclear != "unanswered" {
			t.Fatalf("asked for %d times, %+v", n, re)
		}
		if len(*waiting) != 1 || lines.FilterMessage("a refund waits for a person").Len() != 1 || lines.All()[0].ContextMap()["refund_no"] != "R1" {
			t.Errorf("waits as %q, lines %+v", *waiting, lines.All())
		}
		p.asks(l, r, id, "order1", "R1", 300) // the merchant's asking again changes nothing
		if got := p.left(l, id, "order1"); got != 700 || p.State(0).Calls["create_refund"] != 2 {
			t.Errorf("%d fen are left, asked for %d times", got, p.State(0).Calls["create_refund"])
		}
		want := ledger.RefundFailed
		if byHand {
			p.byHand(id, 300, "by hand")
			want = ledger.RefundSucceeded
		}
		p.follow(r, 6*time.Hour, 10)
		if re := p.refund(l, "R1"); re.State != want || re.Unclear != "" || (re.FailureCode == "not_made") == byHand {
			t.Errorf("by hand %t: %+v", byHand, re)
		}
		if got, want := p.left(l, id, "order1"), map[bool]int64{true: 700, false: 1000}[byHand]; got != want {
			t.Errorf("by hand %t: %d fen are left", byHand, got)
		}
	}
}

// A time that surely came to nothing is none: an outage of Ping++ leaves no refund to a person.
func TestRefundIsRepeatedAfterAnOutage(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r, waiting, _ := patient(p, l)
	id := p.paidCharge(l, r, "order1")
	p.fault("create_refund", "500", 1)
	p.asks(l, r, id, "order1", "R1", 300)
	p.fault("create_refund", "429", 3*5) // each call is tried three times
	p.follow(r, 2*time.Minute, 20)
	if re := p.refund(l, "R1"); re.State == ledger.RefundAsked || len(*waiting) != 0 || len(p.atPingpp(id)) != 1 || re.Asks != 2 {
		t.Errorf("%+v, waiting %q", re, *waiting)
	}
}

// What may explain a refund whose answer was lost, and what not.
func TestRefundMatch(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	ours := ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", Amount: 300, Description: "d", State: ledger.RefundAsked, Created: now}
	other := func(change func(*ledger.Refund)) ledger.Refund {
		re := ours
		re.RefundNo, re.State, re.ID = "R0", ledger.RefundPending, "re_0"
		change(&re)
		return re
	}
	elsewhere := other(func(re *ledger.Refund) { re.RefundNo = "" })
	lost := other(func(re *ledger.Refund) { re.ID, re.State = "", ledger.RefundAsked })
	at := func(id, description string, change func(*pingpp.Refund)) *pingpp.Refund {
		re := &pingpp.Refund{ID: id, ChargeID: "ch_1", Amount: 300, Created: now.Unix(), Description: description, Metadata: map[string]string{}}
		if change != nil {
			change(re)
		}
		return re
	}
	for name, c := range map[string]struct {
		records []ledger.Refund
		listed  []*pingpp.Refund // the newest first
		want    string           // its id; ambiguous; or nothing
	}{
		"nothing there":        {[]ledger.Refund{ours}, nil, ""},
		"our number":           {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "d", nil), at("re_1", "x", func(re *pingpp.Refund) { re.Metadata["pay_refund_no"] = "R1" })}, "re_1"},
		"another's number":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Metadata["pay_refund_no"] = "R2" })}, ""},
		"no number":            {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", nil)}, "re_1"},
		"nothing at all":       {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "", func(re *pingpp.Refund) { re.Metadata, re.Created = nil, 0 })}, "re_1"},
		"words of somebody's":  {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "by hand", nil)}, "re_1"},
		"ours and by hand":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "by hand", nil), at("re_1", "d", nil)}, "re_1"},
		"two in our words":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "d", nil), at("re_1", "d", nil)}, "ambiguous"},
		"two by hand":          {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "", nil), at("re_1", "x", nil)}, "ambiguous"},
		"listed twice":         {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", nil), at("re_1", "d", nil)}, "re_1"},
		"another amount":       {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Amount = 301 })}, ""},
		"another charge":       {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.ChargeID = "ch_2" })}, ""},
		"made long before":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Created -= 901 })}, ""},
		"a clock that is slow": {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Created -= 900 })}, "re_1"},
		"another of ours":      {[]ledger.Refund{ours, other(func(*ledger.Refund) {})}, []*pingpp.Refund{at("re_0", "d", nil)}, ""},
		"told before we asked": {[]ledger.Refund{elsewhere, ours}, []*pingpp.Refund{at("re_0", "d", nil)}, ""},
		"told since":           {[]ledger.Refund{ours, elsewhere}, []*pingpp.Refund{at("re_0", "d", nil)}, "re_0"},
		"two lost, one there":  {[]ledger.Refund{lost, ours}, []*pingpp.Refund{at("re_1", "d", nil)}, "re_1"},
		"two lost, two there":  {[]ledger.Refund{ours, lost}, []*pingpp.Refund{at("re_2", "d", nil), at("re_1", "d", nil)}, "re_1"},
		"two lost, three there": {[]ledger.Refund{ours, lost},
			[]*pingpp.Refund{at("re_3", "d", nil), at("re_2", "d", nil), at("re_1", "d", nil)}, "ambiguous"},
		"another amount is lost": {[]ledger.Refund{ours, other(func(re *ledger.Refund) { re.ID, re.State, re.Amount = "", ledger.RefundAsked, 301 })},
			[]*pingpp.Refund{at("re_2", "d", nil), at("re_1", "d", nil)}, "ambiguous"},
	} {
		m := newRefundMatch(&ours, c.records)
		var found *pingpp.Refund
		var err error
		for _, re := range c.listed {
			if m.take(re) {
				found = re
				break
			}
		}
		if found == nil {
			found, err = m.guess()
		}
		got := ""
		switch {
		case err != nil:
			got = "ambiguous"
		case found != nil:
			got = found.ID
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Which of several refunds is ours nobody can tell: nothing more goes back, its amount stays set aside, and a person is told once.
func TestRefundThatIsAmbiguous(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r, waiting, lines := patient(p, l)
	id := p.paidCharge(l, r, "order1")
	p.fault("create_refund", "500", 1)
	p.asks(l, r, id, "order1", "R1", 300)
	p.byHand(id, 300, "a")
	p.byHand(id, 300, "b")
	p.follow(r, 6*time.Hour, 400)
	re := p.refund(l, "R1")
	if re.State != ledger.RefundAsked || re.Unclear != "ambiguous" || !re.NextQuery.IsZero() || p.State(0).Calls["create_refund"] != 1 {
		t.Errorf("asked for %d times, %+v", p.State(0).Calls["create_refund"], re)
	}
	if len(*waiting) != 1 || (*waiting)[0] != "ambiguous" || lines.FilterMessage("a refund waits for a person").Len() != 1 {
		t.Errorf("waits as %q, %d lines", *waiting, lines.Len())
	}
	if got := p.left(l, id, "order1"); got != 700 {
		t.Errorf("%d fen are left", got)
	}
}

// It ends by itself once a refund at Ping++ names it, by whatever way that is heard of: its amount counts once from then on.
func TestAmbiguousRefundEnds(t *testing.T) {
	for _, way := range []string{"webhook", "comparison", "look-up"} {
		t.Run(way, func(t *testing.T) {
			p, l := newProvider(t), newLedger(t)
			r, _, _ := patient(p, l)
			day := p.clock.Now()
			id := p.paidCharge(l, r, "order1")
			p.fault("create_refund", "500", 1)
			p.asks(l, r, id, "order1", "R1", 300)
			p.byHand(id, 300, "a")
			p.byHand(id, 300, "b")
			p.follow(r, time.Hour, 3)
			if re := p.refund(l, "R1"); re.Unclear != "ambiguous" {
				t.Fatalf("%+v", re)
			}
			made, err := p.client.CreateRefund(t.Context(), id, &pingpp.RefundParams{Amount: 300, Description: "d", Metadata: map[string]any{"pay_refund_no": "R1"}})
			if err != nil {
				t.Fatal(err)
			}
			p.settle(made.ID, "succeed")
			switch way {
			case "webhook":
				e, err := pingpp.ParseEvent([]byte(p.refundEvent()))
				if err == nil {
					_, err = r.cfg.Intake.Accept(t.Context(), Arrival{Event: e, Source: ledger.Webhook})
				}
				if err != nil {
					t.Fatal(err)
				}
			case "comparison":
				p.sweep(r, day)
			default:
				p.follow(r, 6*time.Hour, 2)
			}
			if re := p.refund(l, "R1"); re.State != ledger.RefundSucceeded || re.ID != made.ID || re.Unclear != "" {
				t.Errorf("%+v", re)
			}
			p.sweep(r, day) // the two that were made by hand
			if got := p.left(l, id, "order1"); got != 100 {
				t.Errorf("%d fen are left", got)
			}
		})
	}
}

// A refusal of the repetition may be due to the first time, which came to something after we had looked.
func TestRefundThatArrivesLate(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.paidCharge(l, r, "order1")
	p.fault("create_refund", "500", 1)
	p.asks(l, r, id, "order1", "R1", 0)
	var arrived atomic.Bool
	before := func(req *http.Request) {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/refunds") && strings.HasPrefix(req.URL.Path, "/v1/") && !arrived.Swap(true) {
			p.byHand(id, 1000, "d")
		}
	}
	p.before.Store(&before)
	p.follow(r, time.Minute, 3)
	if re := p.refund(l, "R1"); !arrived.Load() || re.State == ledger.RefundFailed || re.ID != p.atPingpp(id)[0].ID {
		t.Errorf("arrived %t, %+v", arrived.Load(), re)
	}
}

// Two processes, or an answer that was meant for another: an id is one refund's.
func TestRefundAnswerOfAnother(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r := p.reconciler(l, zap.NewNop())
	id := p.paidCharge(l, r, "order1")
	p.fault("refund", "stuck", 2)
	first := p.asks(l, r, id, "order1", "R1", 300)
	now := p.clock.Now()
	re, _, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: p.scope, RefundNo: "R2", ChargeID: id, OrderNo: "order1", Amount: 300, Description: "d",
		Paid: 1000, Owner: "o", Now: now, Until: now.Add(RefundLease)})
	if err == nil {
		err = r.recordRefund(t.Context(), l, re, ledger.RefundLease{Scope: p.scope, RefundNo: "R2", Owner: "o"}, &pingpp.Refund{ID: first.ID, ChargeID: id, Amount: 300})
	}
	if got := p.refund(l, "R2"); err != nil || got.State != ledger.RefundAsked || got.ID != "" || got.NextQuery.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	p.follow(r, 30*time.Second, 10)
	if got := p.refund(l, "R2"); got.State != ledger.RefundPending || got.ID == first.ID || len(p.atPingpp(id)) != 2 {
		t.Errorf("%+v", got)
	}
}

// Ping++ cannot say which order a charge belongs to: so nobody has asked for the refund, and its number is free.
func TestRefundWhoseOrderIsNotKnown(t *testing.T) {
	p, l := newProvider(t), newLedger(t)
	r, waiting, _ := patient(p, l)
	id, _ := p.paidThroughOrder(r, "A2026112301")
	now := p.clock.Now()
	ask := func() error {
		re, fresh, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: p.scope, RefundNo: "R1", ChargeID: id, OrderNo: "A2026112301", Amount: 300,
			Description: "d", Paid: 1000, Owner: "o", Now: now, Until: now.Add(RefundLease)})
		if err != nil {
			return err
		}
		return r.MakeRefund(t.Context(), l, re, ledger.RefundLease{Scope: p.scope, RefundNo: "R1", Owner: "o"}, fresh)
	}
	p.fault("list_orders", "500", 3)
	err := ask()
	if refused, ok := errors.AsType[*pingpp.Error](err); !ok || !refused.Unknown() {
		t.Errorf("%v", err)
	}
	if _, err := l.Refund(t.Context(), p.scope, "R1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a refund that was never asked for is on record: %v", err)
	}
	// The same of one that may have been asked for already: no time is counted.
	p.fault("create_refund", "500", 1)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	p.fault("list_orders", "500", 3*10)
	p.follow(r, 5*time.Minute, 10)
	p.ClearFaults()
	p.follow(r, time.Hour, 2)
	if re := p.refund(l, "R1"); re.State == ledger.RefundAsked || re.Asks != 2 || len(*waiting) != 0 || len(p.atPingpp(id)) != 1 {
		t.Errorf("%+v, waiting %q", re, *waiting)
	}
}
