package adminapi

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/nightly"
)

// EventView is an event as the admin API and the commands show it.
type EventView struct {
	Seq      int64     `json:"seq"` // order of arrival
	ID       string    `json:"id"`
	App      string    `json:"app"`
	Mode     string    `json:"mode"`
	Type     string    `json:"type"`
	OrderNo  string    `json:"order_no"` // the merchant's
	Charge   string    `json:"charge"`
	Source   string    `json:"source"` // webhook or query
	State    string    `json:"state"`
	Reasons  []string  `json:"reasons,omitempty"` // why it is held or filtered
	Late     string    `json:"late,omitempty"`
	Money    int64     `json:"money,omitempty"` // fen that were paid; that went back: less than 0
	Attempts int       `json:"attempts"`
	Acks     int       `json:"acks,omitempty"` // how often the backend has acknowledged it
	Created  time.Time `json:"created"`
	Received time.Time `json:"received"`
	Due      time.Time `json:"due,omitzero"` // of the next attempt, while pending
	Settled  time.Time `json:"settled,omitzero"`
}

// EventPage is one page of a list, newest first.
type EventPage struct {
	Events []EventView `json:"events"`
	Why    string      `json:"why,omitempty"` // of an order without events: how far it came
	Listing
}

// EventWhole is an event with everything that is known of it.
type EventWhole struct {
	EventView
	Host       string         `json:"host"`
	Signature  string         `json:"signature,omitempty"` // of the bytes as they came
	Body       string         `json:"body,omitempty"`      // empty once pruned. Who paid is shortened in it, and what a charge is paid with is left out
	Shortened  bool           `json:"shortened,omitempty"` // so that the body differs from the bytes as they came
	Deliveries []DeliveryView `json:"deliveries"`
	Payment    *PaymentView   `json:"payment,omitempty"` // of a payment whose body is not pruned and can be read
}

// PaymentView is what the money checks of a payment have compared.
type PaymentView struct {
	Paid             int64    `json:"paid"` // fen
	PaidCurrency     string   `json:"paid_currency"`
	Expected         int64    `json:"expected"` // fen that our charge was created for; 0: it is not one of ours
	ExpectedCurrency string   `json:"expected_currency"`
	AlsoPaidBy       []string `json:"also_paid_by"` // other charges that have paid the order
}

// DeliveryView is one attempt to deliver an event.
type DeliveryView struct {
	Attempt int `json:"attempt"`
	// Uncounted says that the backend could not be reached at all, so that the attempt does not count: the one after it bears the same number.
	Uncounted bool      `json:"uncounted,omitempty"`
	At        time.Time `json:"at"`
	MS        float64   `json:"ms"`     // milliseconds until the backend had answered
	Status    int       `json:"status"` // 0: no answer
	State     string    `json:"state"`  // what became of the event
	Error     string    `json:"error,omitempty"`
	Snippet   string    `json:"snippet,omitempty"` // the first 4 KiB of the answer; 512 bytes of one that acknowledges
	// Shortened says that the answer names who paid, or a secret, and that the snippet does not.
	Shortened bool      `json:"shortened,omitempty"`
	Due       time.Time `json:"due,omitzero"` // of the attempt after it
}

// Decision is what a person says with an action.
type Decision struct {
	Said   string `json:"said"`   // who decides; a claim, kept beside what Caddy knows
	Reason string `json:"reason"` // needed to release and to discard
	Again  bool   `json:"again"`  // replay it although the backend has acknowledged it already
}

// SweepView is the comparison of a day for one app and mode.
type SweepView struct {
	App  string `json:"app"`
	Mode string `json:"mode"`
	*nightly.Sweep
}

// LedgerCheck is what a check of the whole ledger found.
type LedgerCheck struct {
	File   string   `json:"file"`
	Sound  bool     `json:"sound"`
	Faults []string `json:"faults"` // in SQLite's words, a hundred at most
	MS     int64    `json:"ms"`     // milliseconds that it took
}

func viewEvent(e *ledger.Event) EventView {
	v := EventView{
		Seq: e.Seq, ID: e.ID, App: e.App, Mode: string(e.Mode), Type: e.Type, OrderNo: e.OrderNo, Charge: e.ChargeID, Source: string(e.Source),
		State: string(e.State), Reasons: e.Reasons, Late: e.Late, Money: e.Money, Attempts: e.Attempts, Acks: e.Acks,
		Created: e.Created, Received: e.Received, Settled: e.Settled,
	}
	if e.State == ledger.Pending {
		v.Due = e.Due
	}
	return v
}

func (v *veil) event(e *ledger.Event, deliveries []ledger.Delivery) EventWhole {
	body, shortened := v.body(e.Body)
	return EventWhole{
		EventView: viewEvent(e), Host: e.Host, Signature: e.Signature, Body: body, Shortened: shortened, Deliveries: v.deliveries(e.Attempts, deliveries),
	}
}

func viewDelivery(d *ledger.Delivery) DeliveryView {
	return DeliveryView{Attempt: d.Attempt, At: d.At, MS: float64(d.Took.Microseconds()) / 1000, Status: d.Status, State: string(d.State), Due: d.Due}
}
