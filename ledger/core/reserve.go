package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddypay/caddypay/ledger"
)

// numberTries bounds how often a proposed number may turn out to be taken.
const numberTries = 100

// Reserve implements [ledger.Charges].
func (l *Ledger) Reserve(ctx context.Context, r ledger.Reservation) (got *ledger.Reserved, err error) {
	if err := checkScope(r.Scope); err != nil {
		return nil, err
	}
	if r.OrderNo == "" {
		return nil, errors.New("ledger: a reservation needs an order number")
	}
	leases := l.steps.leases(r.Now, r.Until.Sub(r.Now))
	got = &ledger.Reserved{}
	err = l.store.Write(ctx, func(t Tx) error {
		got.Number, err = reserve(t, r, leases)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Outside of the transaction, for which others wait: an order may have many attempts, and each has its answer.
	got.Attempts, err = l.Attempts(ctx, r.Scope, r.OrderNo)
	if err != nil {
		return nil, errors.Join(err, l.Release(ctx, ledger.Release{Scope: r.Scope, Number: got.Number, As: ledger.Unsent}))
	}
	got.Attempts = slices.DeleteFunc(got.Attempts, func(c ledger.Charge) bool { return c.Number == got.Number && c.State == ledger.Reserving })
	if len(got.Attempts) == 0 {
		got.Attempts = nil
	}
	return got, nil
}

func reserve(t Tx, r ledger.Reservation, leases Span) (number string, err error) {
	if err := t.Lock(r.Scope, AnOrder, r.OrderNo); err != nil {
		return "", err
	}
	known, err := t.Books(r.Scope, Question{OrderNo: r.OrderNo})
	if err != nil {
		return "", err
	}
	if held := holder(known.Charges); held != nil {
		if leases.InUse(held.ReservedUntil) {
			return "", ledger.ErrReserved
		}
		held.forsake(r.Now)
		if err := t.SetAttempt(held); err != nil {
			return "", err
		}
	}
	for try := range numberTries {
		number := r.Number(len(known.Charges), try)
		if number == "" {
			return "", fmt.Errorf("the number proposed for order %s is empty", r.OrderNo)
		}
		if added, err := t.AddCharge(reserved(r, number)); err != nil || added {
			return number, err
		}
	}
	return "", fmt.Errorf("no free number for order %s after %d proposals", r.OrderNo, numberTries)
}

// Extend implements [ledger.Charges].
func (l *Ledger) Extend(ctx context.Context, r ledger.Reservation, number string) error {
	return l.store.Write(ctx, func(t Tx) error {
		c, err := t.Numbered(r.Scope, number)
		if err != nil {
			return err
		}
		if c == nil || c.State != ledger.Reserving {
			return ledger.ErrNotFound
		}
		c.ReservedUntil = prolonged(c.ReservedUntil, r.Until)
		return t.SetAttempt(c)
	})
}

// Release implements [ledger.Charges].
func (l *Ledger) Release(ctx context.Context, r ledger.Release) error {
	switch r.As {
	case ledger.Unsent, ledger.Refused, ledger.Unknown, ledger.Taken:
	default:
		return fmt.Errorf("ledger: number %s cannot be released as %q; use unsent, refused, unknown or taken", r.Number, r.As)
	}
	if r.Quote != nil && r.Quote.At.IsZero() {
		return fmt.Errorf("ledger: number %s is released with a quote without a time", r.Number)
	}
	return l.store.Write(ctx, func(t Tx) error { return release(t, r) })
}

func release(t Tx, r ledger.Release) error {
	c, err := t.Numbered(r.Scope, r.Number)
	if err != nil {
		return err
	}
	if c == nil {
		return ledger.ErrNotFound
	}
	if err := t.Lock(r.Scope, AnOrder, c.OrderNo); err != nil {
		return err
	}
	what, over := c.release(r.As)
	if what == notOne {
		return ledger.ErrNotFound
	}
	if r.Quote != nil {
		known, err := t.Books(r.Scope, Question{OrderNo: c.OrderNo})
		if err != nil {
			return err
		}
		if err := setQuote(t, c, known.Quote, *r.Quote, false); err != nil {
			return err
		}
	}
	switch what {
	case changes:
		err = t.SetAttempt(c)
	case goes:
		err = t.DropCharge(c)
	}
	if over {
		t.Touch(ledger.OrderTopic(r.Scope, c.OrderNo))
	}
	return err
}

// setQuote records what the backend said about the order of an attempt, unless something later is recorded.
func setQuote(t Tx, c *Charge, old, q ledger.Quote, last bool) error {
	q, ok := newer(old, q, last)
	if !ok {
		return nil
	}
	return t.SetQuote(c.Scope, c.OrderNo, q)
}

// Created implements [ledger.Charges].
func (l *Ledger) Created(ctx context.Context, a *ledger.Charge) error {
	if err := checkScope(a.Scope); err != nil {
		return err
	}
	if a.ID == "" {
		return fmt.Errorf("ledger: the charge for order %s needs the id that Ping++ gave it", a.OrderNo)
	}
	return l.store.Write(ctx, func(t Tx) error { return created(t, a) })
}

func created(t Tx, a *ledger.Charge) error {
	c, err := t.Numbered(a.Scope, a.Number)
	if err != nil {
		return err
	}
	if c == nil {
		return ledger.ErrNotFound
	}
	if err := lock(t, a.Scope, Question{OrderNo: c.OrderNo, ChargeID: a.ID}); err != nil {
		return err
	}
	known, err := t.Books(a.Scope, Question{OrderNo: c.OrderNo, ChargeID: a.ID})
	if err != nil {
		return err
	}
	others, byID := apart(known.Charges, c, a.ID)
	if err := c.checkAnswer(a, byID); err != nil {
		return err
	}
	first, only := !c.Superseded, c.State == ledger.Reserving // nobody else has asked since it was reserved
	// An event reported it under a number that was not the reserved one, so that it was taken for another's.
	if byID != nil && c.ID == "" {
		if err := t.DropCharge(byID); err != nil {
			return err
		}
		c.adopt(byID)
		if err := part(t, byID, c); err != nil {
			return err
		}
	}
	if c.State != ledger.Open {
		t.Tally(c.Scope, a.Created, TallyCharges, 1)
	}
	c.answer(a, others)
	if err := t.SetAttempt(c); err != nil {
		return err
	}
	if first { // else the order has had a later quote
		if err := setQuote(t, c, known.Quote, price(a), only); err != nil {
			return err
		}
	}
	if c.Raw != nil {
		if err := t.SetAnswer(c); err != nil {
			return err
		}
	}
	t.Touch(ledger.ChargeTopic(c.Scope, c.ID))
	t.Touch(ledger.OrderTopic(c.Scope, c.OrderNo))
	return supersede(t, c.before(others))
}
