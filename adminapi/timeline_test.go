package adminapi

import (
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// The page of an order has everything in its order: what Ping++ said of a second before what happened here in it, and at the end what is to come.
func TestTimeline(t *testing.T) {
	at := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	after := func(s float64) time.Time { return at.Add(time.Duration(s * float64(time.Second))) }
	charge := func(id, number string) ledger.Charge {
		return ledger.Charge{Scope: scope, OrderNo: "n1", Number: number, ID: id, State: ledger.Open, Channel: "wx_lite", Payer: "oSecretSecret", Amount: 500, Currency: "cny",
			TimeExpire: after(7200)}
	}
	first, second := charge("ch_1", "n1"), charge("ch_2", "n1x1")
	first.LoggedIn, second.LoggedIn = after(-30), after(-30) // one session, two attempts
	first.Created, first.Superseded, first.Reversed = after(0), true, true
	second.Created, second.Paid, second.TimePaid, second.TransactionNo = after(10), true, after(20), "4200"
	second.Client = ledger.ClientNote{Result: "success", At: after(20.2)}
	third := charge("", "n1x2")
	third.Created, third.State, third.NextQuery = after(12), ledger.Unknown, after(3700)
	event := func(id, kind string, rank int, received float64, state ledger.State) ledger.Event {
		return ledger.Event{Scope: scope, ID: id, Type: kind, ChargeID: "ch_2", OrderNo: "n1", Lane: "n1", Rank: rank, Source: ledger.Webhook, Received: after(received),
			State: state, Created: after(received), Seq: int64(received * 10), Due: after(3600)}
	}
	held := event("evt_1", "charge.succeeded", 0, 20.5, ledger.Pending)
	held.Reasons, held.Money, held.Attempts, held.Late = []string{"amount"}, 400, 2, "closed"
	held.Due = after(3660)
	back := event("evt_2", "refund.succeeded", 1, 40, ledger.Pending)
	back.Money = -100
	filtered := event("evt_0", "order.succeeded", 0, 20.6, ledger.Filtered)
	filtered.Reasons = []string{"type"}
	life := &ledger.Life{OrderNo: "n1", Quote: &ledger.Quote{Amount: 500, Currency: "cny", At: after(10.9)}, Charges: []ledger.Charge{first, second, third},
		Events: []ledger.Told{
			{Event: held,
				Deliveries: []ledger.Delivery{
					{Attempt: 1, At: after(31.5), Took: time.Millisecond, State: ledger.Pending, Error: "connection refused"},
					{Attempt: 1, At: after(32), Took: 1500 * time.Microsecond, Status: 302, State: ledger.Pending, Error: "your backend answered 302 to /login", Snippet: "log in"},
					{Attempt: 2, At: after(60), Took: 15 * time.Second, State: ledger.Pending, Error: "no answer within 15s"}},
				Decisions: []ledger.Decided{{Was: ledger.Held, Decision: ledger.Decision{Action: ledger.ActionRelease, Now: after(31), By: "address ::1", Said: "mark", Reason: "paid in cash"}}}},
			{Event: filtered}, {Event: back},
		},
		Refunds: []ledger.Refund{
			{Scope: scope, RefundNo: "R1", ChargeID: "ch_2", Amount: 100, State: ledger.RefundSucceeded, Created: after(35), TimeSucceeded: after(39)},
			{Scope: scope, ID: "re_2", ChargeID: "ch_2", Amount: 50, State: ledger.RefundFailed, FailureCode: "no_balance", FailureMsg: "余额不足", Created: after(45)},
			{Scope: scope, RefundNo: "R3", ChargeID: "ch_2", Amount: 10, State: ledger.RefundAsked, Unclear: "ambiguous", Created: after(46)},
		}}
	v := viewLife(scope, life, &ledger.Pause{Since: after(50), By: "mark", Reason: "the shop moves"}, after(100))
	var got []string
	for _, e := range v.Timeline {
		got = append(got, e.At.Format("04:05 ")+map[bool]string{true: "+"}[e.Ahead]+e.Kind+": "+e.Text)
	}
	const want = `59:30 login: oSecre… logged in
00:00 attempt: ch_1 was made through wx_lite for ¥5.00, for oSecre…; another has taken its place
00:10 quote: your backend said that it costs ¥5.00
00:10 attempt: ch_2 was made through wx_lite for ¥5.00, for oSecre…, under the number n1x1
00:12 attempt: an attempt through wx_lite under the number n1x2 is unknown, for oSecre…
00:20 paid: Ping++ says that ch_2 was paid then, ¥5.00, the channel's number is 4200
00:20 client: the client of ch_2 says success, which proves nothing
00:20 event: charge.succeeded came by webhook: evt_1, of ¥4.00
00:20 check: its money is not as it should be: amount; ¥4.00 was paid, ¥5.00 expected; paid after it was closed
00:20 event: order.succeeded came by webhook: evt_0; only recorded (type)
00:31 decision: release of evt_1, which was held, by address ::1 (mark): paid in cash
00:31 delivery: an attempt that does not count to deliver evt_1: no answer in 1.0 ms, pending; connection refused
00:32 delivery: attempt 1 to deliver evt_1: HTTP 302 in 1.5 ms, pending; your backend answered 302 to /login
00:35 refund: refund R1 of ¥1.00 from ch_2 was asked for
00:39 refunded: ¥1.00 of refund R1 went back
00:40 event: refund.succeeded came by webhook: evt_2, of ¥1.00
00:45 refund: refund re_2 of ¥0.50 from ch_2 was made elsewhere, and failed: no_balance 余额不足
00:46 refund: refund R3 of ¥0.10 from ch_2 was asked for; its outcome is not known (ambiguous), a person has to look at it
00:50 pause: delivery of app_1 in live mode is paused by mark: the shop moves
01:00 delivery: attempt 2 to deliver evt_1: no answer in 15000.0 ms, pending; no answer within 15s
01:00 +next: evt_1 is delivered again, once delivery is resumed
01:00 +next: evt_2 is delivered, after evt_1, once delivery is resumed
01:40 +next: Ping++ is asked for n1x2`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if v.Status != "paid" || v.Charges[1].Payer != "oSecre…" || v.Timeline[12].Delivery.Snippet != "log in" || v.Timeline[10].Decision.Reason != "paid in cash" {
		t.Errorf("%+v", v)
	}
	expired := charge("ch_9", "n1")
	expired.Created, expired.TimeExpire = after(0), after(60)
	if e := viewLife(scope, &ledger.Life{Charges: []ledger.Charge{expired}}, nil, after(100)).Timeline; len(e) != 2 || e[1].Text != "ch_9 could no longer be paid" || e[1].Ahead {
		t.Errorf("%+v", e)
	}
}
