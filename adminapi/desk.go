package adminapi

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/redact"
)

// ChargeView is an attempt to pay an order.
type ChargeView struct {
	App           string    `json:"app"`
	Mode          string    `json:"mode"`
	OrderNo       string    `json:"order_no"`     // the merchant's
	Number        string    `json:"number"`       // Ping++'s order number of the attempt
	ID            string    `json:"id,omitempty"` // ch_…; absent until Ping++ has answered
	Status        string    `json:"status"`       // created, paid, held, refunded, reversed, expired, preparing, refused or unknown
	Foreign       bool      `json:"foreign"`      // not made here, but known by its payment
	Channel       string    `json:"channel"`
	Payer         string    `json:"payer,omitempty"`    // the start of the openid
	LoggedIn      time.Time `json:"logged_in,omitzero"` // when the payer's session was given
	Amount        int64     `json:"amount"`             // fen
	Currency      string    `json:"currency,omitempty"`
	Refunded      int64     `json:"refunded"` // fen that went back
	Created       time.Time `json:"created"`
	Expires       time.Time `json:"expires"` // when it can no longer be paid
	Paid          time.Time `json:"paid,omitzero"`
	TransactionNo string    `json:"transaction_no,omitempty"` // the channel's
	Superseded    bool      `json:"superseded"`               // another attempt has taken its place
	Said          string    `json:"said,omitempty"`           // what its client says that it saw: success, cancel or fail
	SaidAt        time.Time `json:"said_at,omitzero"`
	Queries       int       `json:"queries"`             // how often Ping++ was asked for it unbidden
	NextQuery     time.Time `json:"next_query,omitzero"` // when it is asked next
}

// ChargePage is one page of a list, newest first.
type ChargePage struct {
	Charges []ChargeView `json:"charges"`
	Listing
}

// OrderView is an order in a list.
type OrderView struct {
	App      string     `json:"app"`
	Mode     string     `json:"mode"`
	OrderNo  string     `json:"order_no"`
	Status   string     `json:"status"`             // its charge's; created too when it has none that Ping++ knows
	Created  time.Time  `json:"created"`            // of its first attempt
	Attempts int        `json:"attempts"`           // a hundred at most are counted
	Paid     int64      `json:"paid,omitempty"`     // fen that were paid by all of them: more than the charge's when it was paid twice
	Refunded int64      `json:"refunded,omitempty"` // fen that went back, of all of them
	Charge   ChargeView `json:"charge"`             // the attempt that says most about it
}

// OrderPage is one page of a list, the last begun first.
type OrderPage struct {
	Orders []OrderView `json:"orders"`
	Listing
}

// RefundView is money that goes back, or is to.
type RefundView struct {
	App         string    `json:"app"`
	Mode        string    `json:"mode"`
	RefundNo    string    `json:"refund_no,omitempty"` // the merchant's; absent of one made elsewhere
	ID          string    `json:"id,omitempty"`        // re_…; absent until Ping++ has answered
	OrderNo     string    `json:"order_no"`
	Charge      string    `json:"charge"`
	State       string    `json:"state"`  // asked, pending, succeeded or failed
	Amount      int64     `json:"amount"` // fen
	Description string    `json:"description,omitempty"`
	FailureCode string    `json:"failure_code,omitempty"`
	FailureMsg  string    `json:"failure_msg,omitempty"`
	Unclear     string    `json:"unclear,omitempty"` // why a person has to look at it: ambiguous or unanswered
	Created     time.Time `json:"created"`
	Succeeded   time.Time `json:"succeeded,omitzero"`
	NextQuery   time.Time `json:"next_query,omitzero"` // when Ping++ is asked for it next
}

// RefundPage is one page of a list, newest first.
type RefundPage struct {
	Refunds []RefundView `json:"refunds"`
	Listing
}

// AuditView is what a person decided.
type AuditView struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	App     string    `json:"app"`
	Mode    string    `json:"mode"`
	Action  string    `json:"action"`          // replay, release, discard, report, pause or unpause
	Event   string    `json:"event,omitempty"` // absent: about all of the app in the mode
	OrderNo string    `json:"order_no,omitempty"`
	Was     string    `json:"was,omitempty"` // the event's state before
	By      string    `json:"by"`            // who it was as Caddy knows it
	Said    string    `json:"said,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Run     string    `json:"run,omitempty"` // that it was part of
}

// AuditPage is one page of the audit log, newest first.
type AuditPage struct {
	Decisions []AuditView `json:"decisions"`
	Listing
}

// Found is something that goes by a name.
type Found struct {
	App     string `json:"app"`
	Mode    string `json:"mode"`
	Kind    string `json:"kind"`     // order, number, charge, transaction, refund_no, refund, event or object
	ID      string `json:"id"`       // of the order, charge, refund or event that has the name
	OrderNo string `json:"order_no"` // whose page it is on; empty: on none
}

// PauseView says that nothing of an app in a mode is delivered until a person says otherwise.
type PauseView struct {
	App    string    `json:"app"`
	Mode   string    `json:"mode"`
	Since  time.Time `json:"since"`
	By     string    `json:"by"` // who it was as Caddy knows it
	Said   string    `json:"said,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// ScopeFigures are an app's in a mode, at one moment.
type ScopeFigures struct {
	App           string           `json:"app"`
	Mode          string           `json:"mode"`
	Events        map[string]int64 `json:"events"`         // how many are in each state
	AtRisk        int64            `json:"at_risk"`        // fen that were paid and that the backend has not acknowledged
	AtRiskEvents  int64            `json:"at_risk_events"` // payments
	OldestAtRisk  time.Time        `json:"oldest_at_risk,omitzero"`
	OldestPending time.Time        `json:"oldest_pending,omitzero"`
	Frozen        *FrozenView      `json:"frozen,omitempty"`      // absent where no site reports shipping and nothing is known to be frozen
	NextAttempt   time.Time        `json:"next_attempt,omitzero"` // to deliver something
	Swept         time.Time        `json:"swept,omitzero"`        // what was created before has been compared with Ping++'s list
	Paused        *PauseView       `json:"paused,omitempty"`
	Bytes         int64            `json:"bytes"`     // of the ledger's file, all apps
	WALBytes      int64            `json:"wal_bytes"` // of its -wal file
}

// HourView is what happened in an hour.
type HourView struct {
	App      string    `json:"app"`
	Mode     string    `json:"mode"`
	At       time.Time `json:"at"`       // when it begins
	Charges  int64     `json:"charges"`  // made at Ping++
	Webhook  int64     `json:"webhook"`  // payments that were told
	Query    int64     `json:"query"`    // payments that were asked for
	Paid     int64     `json:"paid"`     // fen
	Refunded int64     `json:"refunded"` // fen that went back
}

func viewCharge(c *ledger.Charge, now time.Time) ChargeView {
	v := ChargeView{
		App: c.App, Mode: string(c.Mode), OrderNo: c.OrderNo, Number: c.Number, ID: c.ID, Status: string(c.Status(now)), Foreign: c.State == ledger.Foreign,
		Channel: c.Channel, Amount: c.Amount, Currency: c.Currency, Refunded: c.AmountRefunded, Created: c.Created, Expires: c.Lapses(),
		TransactionNo: c.TransactionNo, Superseded: c.Superseded, Said: c.Client.Result, SaidAt: c.Client.At, Queries: c.Queries, NextQuery: c.NextQuery,
	}
	if c.Payer != "" {
		v.Payer, v.LoggedIn = redact.ShortID(c.Payer), c.LoggedIn
	}
	if c.Paid {
		v.Paid = c.TimePaid
	}
	return v
}

// sums add up what the attempts of an order have brought, in the currency of the one that is shown.
func sums(attempts []ledger.Charge, shown *ledger.Charge) (paid, refunded int64) {
	for i := range attempts {
		if c := &attempts[i]; c.Paid && c.Currency == shown.Currency {
			paid, refunded = paid+c.Amount, refunded+c.AmountRefunded
		}
	}
	return paid, refunded
}

func viewRefund(r *ledger.Refund) RefundView {
	return RefundView{
		App: r.App, Mode: string(r.Mode), RefundNo: r.RefundNo, ID: r.ID, OrderNo: r.OrderNo, Charge: r.ChargeID, State: string(r.State), Amount: r.Amount,
		Description: r.Description, FailureCode: r.FailureCode, FailureMsg: r.FailureMsg, Unclear: r.Unclear, Created: r.Created,
		Succeeded: r.TimeSucceeded, NextQuery: r.NextQuery,
	}
}

func viewDecided(s ledger.Scope, d *ledger.Decided) AuditView {
	return AuditView{
		Seq: d.Seq, At: d.Now, App: s.App, Mode: string(s.Mode), Action: string(d.Action), Event: d.EventID, OrderNo: d.OrderNo, Was: string(d.Was),
		By: d.By, Said: d.Said, Reason: d.Reason, Run: d.Run,
	}
}

func viewPause(s ledger.Scope, p *ledger.Pause) *PauseView {
	if p == nil {
		return nil
	}
	return &PauseView{App: s.App, Mode: string(s.Mode), Since: p.Since, By: p.By, Said: p.Said, Reason: p.Reason}
}
