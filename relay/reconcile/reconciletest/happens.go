package reconciletest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/nightly"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/refunds"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// Reserve begins an attempt, as a process does that then dies, and returns its number.
func (p *Provider) Reserve(l ledger.Ledger, orderNo string) string {
	p.T.Helper()
	now := p.Clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.Scope, OrderNo: orderNo, Now: now, Until: now.Add(5 * time.Second),
		Channel: "wx_lite", Payer: "oAAAAAAAAAAAAAAAAAAAAAAAAAA1", PayerAppID: "wx1", Host: "pay.example.com",
		Number: func(attempts, _ int) string { return fmt.Sprintf("%sx%d", orderNo, attempts) }})
	if err != nil {
		p.T.Fatal(err)
	}
	return held.Number
}

func (p *Provider) Attempts(l ledger.Ledger, orderNo string) []ledger.Charge {
	p.T.Helper()
	all, err := l.Attempts(context.Background(), p.Scope, orderNo)
	if err != nil {
		p.T.Fatal(err)
	}
	return all
}

// Count is how often Ping++ was asked, lists included.
func (p *Provider) Count() int { return p.Asked() + p.State(0).Calls["list_charges"] }

// Recorded names the events of an order as they wait for delivery, in the order of their lane.
func (p *Provider) Recorded(l ledger.Ledger, orderNo string) (all []string) {
	p.T.Helper()
	es, err := l.Events(context.Background(), ledger.Filter{Scope: p.Scope, OrderNo: orderNo})
	if err != nil {
		p.T.Fatal(err)
	}
	slices.SortFunc(es, func(a, b ledger.Event) int { return a.Rank - b.Rank })
	for _, e := range es {
		all = append(all, strings.Join(append([]string{e.Type, string(e.State)}, e.Reasons...), " "))
	}
	return all
}

func (p *Provider) WantRecorded(l ledger.Ledger, what, orderNo string, want ...string) {
	p.T.Helper()
	if got := p.Recorded(l, orderNo); !slices.Equal(got, want) {
		p.T.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Till makes a charge whose code a till has read, and records it as the site does.
func (p *Provider) Till(l ledger.Ledger, orderNo string) *pingpp.Charge {
	p.T.Helper()
	now := p.Clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.Scope, OrderNo: orderNo, Now: now, Until: now.Add(time.Minute),
		Number: func(attempts, _ int) string { return orderNo + strings.Repeat("x", attempts) }})
	if err != nil {
		p.T.Fatal(err)
	}
	ch, err := p.Client.CreateCharge(context.Background(), &pingpp.ChargeParams{OrderNo: held.Number, Channel: "wx_pub_scan", Amount: 100, Currency: "cny",
		ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"scan_code": "134567890123456781"}, Metadata: map[string]any{intake.MetaOrderNo: orderNo}})
	if err != nil {
		p.T.Fatal(err)
	}
	if err := l.Created(context.Background(), &ledger.Charge{Scope: p.Scope, OrderNo: orderNo, Number: held.Number, ID: ch.ID, Channel: "wx_pub_scan", Amount: 100,
		Currency: "cny", Created: now, TimeExpire: ch.Expires(), Raw: ch.Raw, NextQuery: now.Add(reconcile.DefaultAfter)}); err != nil {
		p.T.Fatal(err)
	}
	return ch
}

func (p *Provider) ReverseElsewhere(id string) {
	p.T.Helper()
	if _, err := p.Client.ReverseCharge(context.Background(), id); err != nil {
		p.T.Fatal(err)
	}
}

// PaidThroughOrder is the charge of a Ping++ order that is paid, and whose payment is recorded.
func (p *Provider) PaidThroughOrder(r *reconcile.Reconciler, orderNo string) (chargeID, order string) {
	p.T.Helper()
	ctx := p.T.Context()
	or, err := p.Client.CreateOrder(ctx, &pingpp.OrderParams{MerchantOrderNo: orderNo, Amount: 1000, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b"})
	if err == nil {
		or, err = p.Client.PayOrder(ctx, or.ID, &pingpp.PayOrderParams{Channel: "wx_lite", ChargeAmount: 1000, Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}})
	}
	if err != nil {
		p.T.Fatal(err)
	}
	p.Pay(or.ChargeID)
	if err := r.Charges.Recover(ctx, or.ChargeID, nil); err != nil {
		p.T.Fatal(err)
	}
	return or.ChargeID, or.ID
}

// AtPingpp is what Ping++ has of a charge's refunds, the newest first.
func (p *Provider) AtPingpp(chargeID string) []*pingpp.Refund {
	p.T.Helper()
	list, err := p.Client.ListRefunds(p.T.Context(), chargeID, pingpp.ListRefundsParams{Limit: 100})
	if err != nil {
		p.T.Fatal(err)
	}
	return list.Data
}

// ByHand refunds as a person does in Ping++'s dashboard; no event of it comes.
func (p *Provider) ByHand(chargeID string, amount int64, description string) {
	p.T.Helper()
	resp, err := http.Post(p.URL+"/sandbox/refunds", "application/json",
		strings.NewReader(fmt.Sprintf(`{"charge":%q,"amount":%d,"description":%q,"status":"succeeded"}`, chargeID, amount, description)))
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
		p.T.Fatal(resp, err)
	}
}

// Left is how much of a charge of 1000 fen can still be refunded, by asking for it.
func (p *Provider) Left(l ledger.Ledger, chargeID, orderNo string) int64 {
	p.T.Helper()
	now := p.Clock.Now()
	owner := fmt.Sprint("left ", relaytest.Serial.Add(1))
	res := ledger.RefundReservation{Scope: p.Scope, RefundNo: owner[:4] + owner[5:], ChargeID: chargeID, OrderNo: orderNo, Description: "d", Paid: 1000,
		Owner: owner, Now: now, Until: now.Add(refunds.Lease)}
	re, _, err := l.ReserveRefund(p.T.Context(), res)
	if err == nil {
		err = l.ReleaseRefund(p.T.Context(), ledger.RefundLease{Scope: p.Scope, RefundNo: res.RefundNo, Owner: owner}, ledger.RefundPause{})
	}
	if err != nil {
		p.T.Fatal(err)
	}
	return re.Amount
}

// Follow lets time pass, and looks up what is due.
func (p *Provider) Follow(r *reconcile.Reconciler, d time.Duration, times int) {
	p.T.Helper()
	for range times {
		p.After(d)
		RefundRounds(p.T, r)
	}
}

// RefundEvent is the newest event refund.succeeded that Ping++ has made.
func (p *Provider) RefundEvent() string {
	for _, e := range p.State(10).Events {
		if e.Type == "refund.succeeded" {
			return e.Body
		}
	}
	p.T.Fatal("Ping++ has made no event of the refund")
	return ""
}

// PaidCharge is a charge of an order that is paid, and whose payment is recorded.
func (p *Provider) PaidCharge(l ledger.Ledger, r *reconcile.Reconciler, orderNo string) string {
	p.T.Helper()
	id := p.Charge(l, orderNo, 1000).ID
	p.Pay(id)
	if err := r.Charges.Recover(context.Background(), id, nil); err != nil {
		p.T.Fatal(err)
	}
	return id
}

// Asks reserves a refund and carries it out, as the site does.
func (p *Provider) Asks(l ledger.Ledger, r *reconcile.Reconciler, chargeID, orderNo, no string, amount int64) *ledger.Refund {
	p.T.Helper()
	ctx, now := context.Background(), p.Clock.Now()
	re, fresh, err := l.ReserveRefund(ctx, ledger.RefundReservation{Scope: p.Scope, RefundNo: no, ChargeID: chargeID, OrderNo: orderNo, Amount: amount,
		Description: "d", Paid: 1000, Owner: "site " + no, Now: now, Until: now.Add(refunds.Lease)})
	if err == nil {
		err = r.Refunds.Make(ctx, l, re, ledger.RefundLease{Scope: p.Scope, RefundNo: no, Owner: "site " + no}, fresh)
	}
	if err != nil {
		p.T.Fatal(err)
	}
	return p.Refund(l, no)
}

func (p *Provider) Refund(l ledger.Ledger, no string) *ledger.Refund {
	p.T.Helper()
	re, err := l.Refund(context.Background(), p.Scope, no)
	if err != nil {
		p.T.Fatal(err)
	}
	return re
}

func (p *Provider) Settle(refundID, how string) {
	p.T.Helper()
	rec := httptest.NewRecorder()
	p.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/sandbox/refunds/"+refundID+"/"+how, nil))
	if rec.Code != http.StatusOK {
		p.T.Fatalf("%d %s", rec.Code, rec.Body)
	}
}

func (p *Provider) LastCharge() string {
	list, err := p.Client.ListCharges(context.Background(), pingpp.ListParams{Limit: 1})
	if err != nil || len(list.Data) == 0 {
		p.T.Fatal(list, err)
	}
	return list.Data[0].ID
}

// Superseded makes an order with an attempt of 100 fen, and one of 200 that took its place.
func (p *Provider) Superseded(l ledger.Ledger) (old, current string) {
	old = p.Charge(l, "order1", 100).ID
	current = p.Charge(l, "order1", 200).ID
	return old, current
}

// PaidEverywhere pays a charge and accepts its webhook.
func (p *Provider) PaidEverywhere(r *reconcile.Reconciler, l ledger.Ledger, id string) {
	p.T.Helper()
	p.Pay(id)
	ev, err := pingpp.ParseEvent([]byte(p.State(1).Events[0].Body))
	if err != nil {
		p.T.Fatal(err)
	}
	if _, err := r.Learner.Intake.Accept(context.Background(), intake.Arrival{Event: ev, Charge: p.Known(l, id), Source: ledger.Webhook}); err != nil {
		p.T.Fatal(err)
	}
}

func (p *Provider) Sweep(r *reconcile.Reconciler, day time.Time) *nightly.Sweep {
	p.T.Helper()
	s, err := r.Days.Day(context.Background(), day)
	if err != nil {
		p.T.Fatal(err)
	}
	return s
}

// Elsewhere makes a charge as the shop's older code does, without our metadata.
func (p *Provider) Elsewhere(number string, amount int64) *pingpp.Charge {
	p.T.Helper()
	ch, err := p.Client.CreateCharge(context.Background(), &pingpp.ChargeParams{
		OrderNo: number, Channel: "wx_pub", Amount: amount, Currency: "cny", ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"open_id": "oElsewhere"},
	})
	if err != nil {
		p.T.Fatal(err)
	}
	return ch
}

// Taken begins an attempt whose number the channel calls paid.
func (p *Provider) Taken(l ledger.Ledger, orderNo, number string) {
	p.T.Helper()
	now := p.Clock.Now()
	held, err := l.Reserve(context.Background(), ledger.Reservation{Scope: p.Scope, OrderNo: orderNo, Now: now, Until: now.Add(5 * time.Second),
		Channel: "wx_lite", Payer: "oAAAAAAAAAAAAAAAAAAAAAAAAAA1", PayerAppID: "wx1", Host: "pay.example.com", Number: func(int, int) string { return number }})
	if err == nil {
		err = l.Release(context.Background(), ledger.Release{Scope: p.Scope, Number: held.Number, As: ledger.Taken})
	}
	if err != nil {
		p.T.Fatal(err)
	}
}

// Rounds looks up everything that is due now, and says how much it was.
func Rounds(t testing.TB, r *reconcile.Reconciler) (looked int) {
	t.Helper()
	for _, kind := range []ledger.QueryKind{ledger.QueryTold, ledger.QueryFirst, ledger.QueryLater} {
		for {
			n, err := r.Due.Round(context.Background(), kind)
			if err != nil {
				t.Fatal(err)
			}
			if looked += n; n < 100 { // as many as are claimed at once
				break
			}
		}
	}
	return looked
}

// RefundRounds lets a reconciler look up every refund that is due.
func RefundRounds(t testing.TB, r *reconcile.Reconciler) {
	t.Helper()
	for {
		n, err := r.DueRefunds.Round(t.Context(), fmt.Sprint(r.DueRefunds.Owner, " ", relaytest.Serial.Add(1)))
		if err != nil {
			t.Fatal(err)
		}
		if n < 8 { // as many as are claimed at once
			return
		}
	}
}

// QueryID is the id of the event that is made of a look-up of a charge.
func QueryID(charge string) string { return "evt_q_" + charge + "_charge_succeeded" }
