package core

import (
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What is counted hour by hour; engines keep the words.
const (
	TallyCharges  = "charges"  // attempts that became Open, by Created
	TallyWebhook  = "webhook"  // events with Money that are payments, by Received: those that were told,
	TallyQuery    = "query"    // and those that were asked for
	TallyPaid     = "paid"     // fen, of both
	TallyRefunded = "refunded" // fen, of events with Money that are refunds, by Received
)

// HourOf is when the hour of a time begins, as its tallies are kept.
func HourOf(t time.Time) time.Time { return Kept(t).Truncate(time.Hour) }

// money is what an event that has its effect brings or takes, in fen.
func (b *books) money(e *ledger.Event) int64 {
	switch {
	case b.counts && e.Payment != nil:
		return e.Payment.Amount
	case isRefund(e) && e.Change != nil:
		return -e.Change.Refund
	}
	return 0
}

// tallyMoney counts the money of an event from the moment on at which the ledger knows of it.
func tallyMoney(t Tx, e *Event, fen int64) {
	switch {
	case fen > 0 && e.Source == ledger.Query:
		t.Tally(e.Scope, e.Received, TallyQuery, 1)
	case fen > 0:
		t.Tally(e.Scope, e.Received, TallyWebhook, 1)
	}
	if fen > 0 {
		t.Tally(e.Scope, e.Received, TallyPaid, fen)
	}
	if fen < 0 {
		t.Tally(e.Scope, e.Received, TallyRefunded, -fen)
	}
}

// Add counts n of what is tallied.
func Add(h *ledger.Hour, what string, n int64) {
	switch what {
	case TallyCharges:
		h.Charges += n
	case TallyWebhook:
		h.Webhook += n
	case TallyQuery:
		h.Query += n
	case TallyPaid:
		h.Paid += n
	case TallyRefunded:
		h.Refunded += n
	}
}

// pause does what a person decided about the delivery of a scope.
func pause(t Tx, d ledger.Decision) error {
	if err := t.Lock(d.Scope, APause, ""); err != nil {
		return err
	}
	was, err := t.Pause(d.Scope)
	if err != nil {
		return err
	}
	var now *ledger.Pause
	switch {
	case d.Action == ledger.ActionPause && was != nil:
		return fmt.Errorf("%w: the delivery of %s has been paused since %s", ledger.ErrState, d.Scope.Key(), was.Since.Format(time.RFC3339))
	case d.Action == ledger.ActionUnpause && was == nil:
		return fmt.Errorf("%w: the delivery of %s is not paused", ledger.ErrState, d.Scope.Key())
	case d.Action == ledger.ActionPause:
		now = &ledger.Pause{Since: d.Now, By: d.By, Said: d.Said, Reason: d.Reason}
	default:
		t.Touch(ledger.EventsTopic(d.Scope))
	}
	if err := t.SetPause(d.Scope, now); err != nil {
		return err
	}
	return t.AddAudit(nil, &d)
}
