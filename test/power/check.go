package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// check opens the ledger as Caddy's start does, and compares it with what had gone out. It returns what is wrong.
func (r *record) check(ctx context.Context, s *state, folder string) (faults []string) {
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	defer func() {
		if err := os.RemoveAll(folder); err != nil {
			wrong("%v", err)
		}
	}()
	if err := s.image.Write(folder); err != nil {
		wrong("%v", err)
		return faults
	}
	l, err := sqlite.Open(ctx, sqlite.Options{File: filepath.Join(folder, ledgerFile)})
	if err != nil {
		wrong("the ledger does not open: %v; there are%s", err, s.image)
		return faults
	}
	c := &checker{ctx: ctx, record: r, ledger: l, wrong: wrong, there: make(map[string]*ledger.Event)}
	err = c.run(s)
	if err := errors.Join(err, l.Close()); err != nil {
		wrong("%v", err)
	}
	return faults
}

// lately is how many of those that went out last are compared byte for byte.
const lately = 40

// checker looks at one state.
type checker struct {
	ctx    context.Context
	record *record
	ledger ledger.Ledger
	wrong  func(format string, args ...any)
	there  map[string]*ledger.Event
}

func (c *checker) run(s *state) error {
	if err := c.list(); err != nil {
		return err
	}
	sent := make(map[string]bool)
	for i, w := range s.out {
		if w.what == delivered {
			sent[w.id] = true
		}
		if err := c.remembers(w, len(s.out)-i <= lately); err != nil {
			return err
		}
	}
	if err := c.booked(sent); err != nil {
		return err
	}
	if err := c.goesOn(s.moment); err != nil {
		return err
	}
	faults, err := c.ledger.Verify(c.ctx)
	for _, fault := range faults {
		c.wrong("the ledger is damaged: %s", fault)
	}
	return err
}

// list reads all events.
func (c *checker) list() error {
	f := ledger.Filter{Scope: c.record.Scope, Limit: 1000}
	for {
		page, err := c.ledger.Events(c.ctx, f)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			c.there[e.ID] = &e
			f.Before = e.Seq
		}
	}
}

// remembers checks that what went out is in the ledger; if it went out lately, byte for byte.
func (c *checker) remembers(w witness, whole bool) error {
	if w.what == asked || w.what == answered {
		return c.remembersCharge(w)
	}
	if c.there[w.id] == nil {
		c.wrong("%s %s, and is not in the ledger", w.id, w.what)
		return nil
	}
	if !whole {
		return nil
	}
	e, err := c.ledger.Event(c.ctx, c.record.Scope, w.id)
	if err != nil {
		return fmt.Errorf("%s: %w", w.id, err)
	}
	pruned := e.Body == nil && (e.State == ledger.Delivered || e.State == ledger.Filtered)
	if !pruned && string(e.Body) != string(c.record.Events[w.id].Body) {
		c.wrong("%s is %s, and its body is another one than was sent: %d bytes", w.id, e.State, len(e.Body))
	}
	return nil
}

func (c *checker) remembersCharge(w witness) error {
	attempts, err := c.ledger.Attempts(c.ctx, c.record.Scope, w.id)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if w.what == asked || a.State == ledger.Open && a.ID != "" {
			return nil
		}
	}
	c.wrong("a charge for the order %s %s, and the ledger has %d attempts, none like that", w.id, w.what, len(attempts))
	return nil
}

// booked checks that each event is there with all that belongs to it, once, and nothing without its event.
func (c *checker) booked(sent map[string]bool) error {
	type order struct{ payments, refunds int } // that count
	orders := make(map[string]*order)
	for _, e := range c.record.Events {
		if orders[e.Charge] == nil {
			orders[e.Charge] = &order{}
		}
	}
	pending := int64(0)
	for id, e := range c.there {
		was := c.record.Events[id]
		if was == nil || was.Type != e.Type || was.Object != e.ObjectID || was.Charge != e.ChargeID || was.Order != e.OrderNo {
			c.wrong("%s is in the ledger, and nobody has sent it so: %s of %s, order %s", id, e.Type, e.ObjectID, e.OrderNo)
			continue
		}
		switch e.State {
		case ledger.Pending:
			pending++
		case ledger.Delivered:
			if !sent[id] {
				c.wrong("%s is delivered, and was not sent to the backend", id)
			}
		case ledger.Filtered:
			continue
		default:
			c.wrong("%s is %s", id, e.State)
		}
		if e.Type == "charge.succeeded" {
			orders[was.Charge].payments++
		} else {
			orders[was.Charge].refunds++
		}
	}
	due, err := c.ledger.NextDue(c.ctx, c.record.Scope)
	if err != nil {
		return err
	}
	if due.Pending != pending {
		c.wrong("%d events are pending, and %d are counted", pending, due.Pending)
	}
	for id, o := range orders {
		charge, err := c.ledger.Charge(c.ctx, c.record.Scope, id)
		if errors.Is(err, ledger.ErrNotFound) {
			charge = &ledger.Charge{}
		} else if err != nil {
			return err
		}
		if o.payments > 1 || o.refunds > 1 {
			c.wrong("%s has %d payments and %d refunds that count", id, o.payments, o.refunds)
		}
		if charge.Paid != (o.payments+o.refunds > 0) || charge.AmountRefunded != int64(o.refunds*back) {
			c.wrong("%s has %d payments and %d refunds that count, but paid is %t, and %d fen are refunded", id, o.payments, o.refunds, charge.Paid, charge.AmountRefunded)
		}
	}
	return nil
}

// goesOn has the ledger take what comes next: what it has again, the same effect under another id, and something new.
func (c *checker) goesOn(moment int) error {
	now := time.Now()
	tries := 0
	for id, e := range c.there {
		if tries++; tries > 3 {
			break
		}
		again := ledger.Event{Scope: e.Scope, ID: id, Type: e.Type, ObjectID: e.ObjectID, ChargeID: e.ChargeID, Created: now, Received: now, State: ledger.Pending, Body: []byte("{}")}
		if did, err := c.ledger.Append(c.ctx, &again); err != nil || did != ledger.Duplicate {
			c.wrong("%s comes again, and is %s: %v", id, did, err)
		}
		if e.Type == "charge.succeeded" {
			again.Number, again.OrderNo = e.OrderNo, e.OrderNo
			again.Payment, again.Change = &ledger.Payment{Amount: price, Currency: "cny", Time: now}, &ledger.ChargeChange{Paid: true, TimePaid: now}
		}
		if again.ID += "_twin"; e.State != ledger.Filtered {
			if did, err := c.ledger.Append(c.ctx, &again); err != nil || did != ledger.SameEffect {
				c.wrong("the effect of %s comes once more, and is %s: %v", id, did, err)
			}
		}
	}
	fresh := ledger.Event{Scope: c.record.Scope, ID: fmt.Sprint("evt_fresh_", moment, "_", rand.Uint64()), Type: "summary.daily_available", Created: now, Received: now,
		State: ledger.Pending, Body: []byte("{}")}
	did, err := c.ledger.Append(c.ctx, &fresh)
	if err == nil && did != ledger.Recorded {
		err = fmt.Errorf("a new event is %s", did)
	}
	return err
}
