package adminapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Entry is one thing that happened to an order, or is to happen.
type Entry struct {
	At       time.Time     `json:"at"`
	Kind     string        `json:"kind"`            // login, quote, attempt, client, paid, event, check, delivery, decision, refund, refunded, shipping, wechat, deadline, pause, next or expiry
	Ahead    bool          `json:"ahead,omitempty"` // it is to come
	Text     string        `json:"text"`            // in a sentence; what is beside it says the same in parts
	Charge   string        `json:"charge,omitempty"`
	Event    string        `json:"event,omitempty"`
	Refund   string        `json:"refund,omitempty"` // the merchant's number, or else Ping++'s
	Amount   int64         `json:"amount,omitempty"` // fen
	Delivery *DeliveryView `json:"delivery,omitempty"`
	Decision *AuditView    `json:"decision,omitempty"`
	Asked    *AskedView    `json:"asked,omitempty"` // what WeChat was asked
}

// timeline puts all of an order's life in the order of its times. Ping++ tells whole seconds: what it says of one comes before what happened here in it.
func timeline(v *OrderLife, life *ledger.Life) []Entry {
	t := logins(v.Charges)
	if q := v.Quote; q != nil {
		text := "your backend said that it costs " + money(q.Amount, q.Currency)
		if q.Closed {
			text = "your backend said that it cannot be paid any more"
		}
		t = append(t, Entry{At: q.At, Kind: "quote", Amount: q.Amount, Text: text})
	}
	for i := range v.Charges {
		t = append(t, ofCharge(&v.Charges[i])...)
	}
	for i := range v.Events {
		t = append(t, ofEvent(&v.Events[i], v.Charges)...)
	}
	for i := range v.Refunds {
		t = append(t, ofRefund(&v.Refunds[i])...)
	}
	for i := range v.Shipments {
		t = append(t, ofShipment(&v.Shipments[i], v.Now)...)
	}
	if p := v.Paused; p != nil {
		t = append(t, Entry{At: p.Since, Kind: "pause", Text: fmt.Sprintf("delivery of %s in %s mode is paused by %s: %s", p.App, p.Mode, Who(p.By, p.Said), p.Reason)})
	}
	t = append(t, toCome(v, life)...)
	slices.SortStableFunc(t, func(a, b Entry) int {
		return cmp.Or(last(a.Ahead, b.Ahead), a.sorted().Compare(b.sorted()))
	})
	return t
}

// last orders by a condition: what it is true of comes last.
func last(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// logins are those of the payers; one may have made several attempts.
func logins(charges []ChargeView) []Entry {
	t := []Entry{}
	for i := range charges {
		c := &charges[i]
		same := func(o ChargeView) bool { return o.Payer == c.Payer && o.LoggedIn.Equal(c.LoggedIn) }
		if !c.LoggedIn.IsZero() && slices.IndexFunc(charges, same) == i {
			t = append(t, Entry{At: c.LoggedIn, Kind: "login", Charge: c.ID, Text: c.Payer + " logged in"})
		}
	}
	return t
}

// sorted is the time that an entry is sorted by. A login and a quote are sorted like the attempt that they were for.
func (e *Entry) sorted() time.Time {
	if e.Kind == "login" || e.Kind == "quote" || e.Kind == "attempt" || e.Kind == "paid" || e.Kind == "refunded" {
		return e.At.Truncate(time.Second)
	}
	return e.At
}

func ofCharge(c *ChargeView) (t []Entry) {
	name := cmp.Or(c.ID, c.Number)
	if !c.Foreign {
		text := fmt.Sprintf("%s was made through %s for %s", name, c.Channel, money(c.Amount, c.Currency))
		if c.ID == "" {
			text = fmt.Sprintf("an attempt through %s under the number %s is %s", c.Channel, c.Number, c.Status)
		}
		if c.Payer != "" {
			text += ", for " + c.Payer
		}
		if c.ID != "" && c.Number != c.OrderNo {
			text += ", under the number " + c.Number
		}
		if c.Superseded {
			text += "; another has taken its place"
		}
		t = append(t, Entry{At: c.Created, Kind: "attempt", Charge: c.ID, Amount: c.Amount, Text: text})
	}
	if c.Said != "" {
		t = append(t, Entry{At: c.SaidAt, Kind: "client", Charge: c.ID, Text: "the client of " + name + " says " + c.Said + ", which proves nothing"})
	}
	if !c.Paid.IsZero() {
		text := "Ping++ says that " + name + " was paid then, " + money(c.Amount, c.Currency)
		if c.Foreign {
			text += "; it was not made here"
		}
		if c.TransactionNo != "" {
			text += ", the channel's number is " + c.TransactionNo
		}
		t = append(t, Entry{At: c.Paid, Kind: "paid", Charge: c.ID, Amount: c.Amount, Text: text})
	}
	if c.Status == string(ledger.StatusExpired) {
		t = append(t, Entry{At: c.Expires, Kind: "expiry", Charge: c.ID, Text: name + " could no longer be paid"})
	}
	if c.Status == string(ledger.StatusCreated) {
		t = append(t, Entry{At: c.Expires, Kind: "expiry", Ahead: true, Charge: c.ID, Text: name + " can no longer be paid"})
	}
	if !c.NextQuery.IsZero() {
		t = append(t, Entry{At: c.NextQuery, Kind: "next", Ahead: true, Charge: c.ID, Text: "Ping++ is asked for " + name})
	}
	return t
}

func ofEvent(e *ToldView, charges []ChargeView) (t []Entry) {
	text := fmt.Sprintf("%s came by %s: %s", e.Type, e.Source, e.ID)
	if e.Money != 0 {
		text += ", of " + Yuan(max(e.Money, -e.Money))
	}
	if e.State == string(ledger.Filtered) {
		text += "; only recorded (" + strings.Join(e.Reasons, ", ") + ")"
	}
	t = append(t, Entry{At: e.Received, Kind: "event", Event: e.ID, Charge: e.Charge, Amount: e.Money, Text: text})
	if e.Type == "charge.succeeded" && e.State != string(ledger.Filtered) {
		t = append(t, Entry{At: e.Received, Kind: "check", Event: e.ID, Charge: e.Charge, Text: checked(e, charges)})
	}
	for i := range e.Deliveries {
		d := &e.Deliveries[i]
		t = append(t, Entry{At: d.At, Kind: "delivery", Event: e.ID, Delivery: d, Text: delivered(e.ID, d)})
	}
	for i := range e.Decisions {
		d := &e.Decisions[i]
		text := fmt.Sprintf("%s of %s, which was %s, by %s", d.Action, e.ID, d.Was, Who(d.By, d.Said))
		if d.Reason != "" {
			text += ": " + d.Reason
		}
		t = append(t, Entry{At: d.At, Kind: "decision", Event: e.ID, Decision: d, Text: text})
	}
	return t
}

// checked says what the money checks of a payment found.
func checked(e *ToldView, charges []ChargeView) string {
	text := "its money is as it should be"
	if len(e.Reasons) > 0 {
		text = "its money is not as it should be: " + strings.Join(e.Reasons, ", ")
	}
	i := slices.IndexFunc(charges, func(c ChargeView) bool { return c.ID != "" && c.ID == e.Charge && !c.Foreign })
	if i >= 0 && e.Money != 0 {
		text += fmt.Sprintf("; %s was paid, %s expected", Yuan(e.Money), Yuan(charges[i].Amount))
	}
	if e.Late != "" {
		text += "; paid after it was " + e.Late
	}
	return text
}

func delivered(id string, d *DeliveryView) string {
	answer := "no answer"
	if d.Status != 0 {
		answer = fmt.Sprintf("HTTP %d", d.Status)
	}
	which := fmt.Sprintf("attempt %d", d.Attempt)
	if d.Uncounted {
		which = "an attempt that does not count"
	}
	text := fmt.Sprintf("%s to deliver %s: %s in %.1f ms, %s", which, id, answer, d.MS, d.State)
	if d.Error != "" {
		text += "; " + d.Error
	}
	return text
}

func ofRefund(r *RefundView) (t []Entry) {
	name := cmp.Or(r.RefundNo, r.ID)
	text := fmt.Sprintf("refund %s of %s from %s was asked for", name, Yuan(r.Amount), r.Charge)
	if r.RefundNo == "" {
		text = fmt.Sprintf("refund %s of %s from %s was made elsewhere", name, Yuan(r.Amount), r.Charge)
	}
	switch {
	case r.Unclear != "":
		text += "; its outcome is not known (" + r.Unclear + "), a person has to look at it"
	case r.State == string(ledger.RefundFailed):
		text += ", and failed: " + strings.TrimSpace(r.FailureCode+" "+r.FailureMsg)
	case r.State != string(ledger.RefundSucceeded):
		text += "; it is " + r.State
	}
	t = append(t, Entry{At: r.Created, Kind: "refund", Refund: name, Charge: r.Charge, Amount: r.Amount, Text: text})
	if !r.Succeeded.IsZero() {
		t = append(t, Entry{At: r.Succeeded, Kind: "refunded", Refund: name, Charge: r.Charge, Amount: r.Amount, Text: Yuan(r.Amount) + " of refund " + name + " went back"})
	}
	if !r.NextQuery.IsZero() {
		t = append(t, Entry{At: r.NextQuery, Kind: "next", Ahead: true, Refund: name, Charge: r.Charge, Text: "Ping++ is asked for refund " + name})
	}
	return t
}

// toCome says when which of the pending events is delivered: in each lane the first, and the others after it.
func toCome(v *OrderLife, life *ledger.Life) (t []Entry) {
	var pending []*ledger.Event
	for i := range life.Events {
		if e := &life.Events[i].Event; e.State == ledger.Pending {
			pending = append(pending, e)
		}
	}
	slices.SortStableFunc(pending, func(a, b *ledger.Event) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), a.Created.Compare(b.Created), cmp.Compare(a.Seq, b.Seq))
	})
	ends := make(map[string]Entry) // the last of each lane
	for _, e := range pending {
		entry := Entry{At: e.Due, Kind: "next", Ahead: true, Event: e.ID, Text: e.ID + " is delivered"}
		if e.Attempts > 0 {
			entry.Text += " again"
		}
		if first, waits := ends[e.Lane]; waits {
			entry.At, entry.Text = first.At, entry.Text+", after "+first.Event
		}
		if v.Paused != nil {
			entry.Text += ", once delivery is resumed"
		}
		if e.Lane != "" {
			ends[e.Lane] = entry
		}
		t = append(t, entry)
	}
	return t
}

func money(fen int64, currency string) string {
	if currency == "" || currency == "cny" {
		return Yuan(fen)
	}
	return Yuan(fen) + " " + currency
}
