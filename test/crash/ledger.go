package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // as the ledger's own package does
)

// book is a ledger, as an outsider reads it.
type book struct {
	open                     func() (*sql.DB, error)
	pending, events, charges string // statements
	damage                   string // finds "ok"; empty: something else looks
	counts                   string // finds a state that is counted wrongly; empty likewise
}

// inFile is a ledger in a file of SQLite's, which is opened so that nothing can be written.
func inFile(file string) book {
	return book{
		open: func() (*sql.DB, error) {
			u := url.URL{Scheme: "file", Path: file, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
			return sql.Open("sqlite", u.String())
		},
		pending: `SELECT count(*) FROM events WHERE state = 'pending'`,
		events:  `SELECT id, state, reasons, coalesce(owner, '') FROM events`,
		charges: `SELECT id, paid, amount_refunded FROM charges WHERE id IS NOT NULL`,
		damage:  `PRAGMA integrity_check`,
		counts: `SELECT state, n, (SELECT count(*) FROM events e WHERE e.scope = c.scope AND e.state = c.state) AS real
			FROM counts c WHERE n <> real LIMIT 1`,
	}
}

// waiting counts what is still to be delivered.
func (b book) waiting(ctx context.Context) (n int, err error) {
	db, err := b.open()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, b.pending).Scan(&n)
	return n, err
}

// checkLedger reads the whole ledger once it is closed.
func (c *conductor) checkLedger(ctx context.Context) error {
	db, err := c.book.open()
	if err != nil {
		return err
	}
	defer db.Close()
	if c.book.damage != "" {
		var check string
		if err := db.QueryRowContext(ctx, c.book.damage).Scan(&check); err != nil || check != "ok" {
			c.rep.faults.add("the ledger is damaged", "%s %v", check, err)
		}
	}
	rows, err := db.QueryContext(ctx, c.book.events)
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	defer rows.Close()
	recorded := make(map[string]bool)
	for rows.Next() {
		var id, state, reasons, owner string
		if err := rows.Scan(&id, &state, &reasons, &owner); err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		recorded[id] = true
		c.checkEvent(id, state, reasons, owner)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	for id, e := range c.sender.events {
		if !e.acked.IsZero() && !recorded[id] {
			c.rep.faults.add("acknowledged, not in the ledger", "%s, acknowledged at %s", id, e.acked.Format(clock))
		}
	}
	c.rep.recorded = len(recorded)
	if err := c.checkCounts(ctx, db); err != nil {
		return err
	}
	return c.checkMoney(ctx, db)
}

// checkCounts compares what the ledger counts as it goes with what is there.
func (c *conductor) checkCounts(ctx context.Context, db *sql.DB) error {
	if c.book.counts == "" {
		return nil
	}
	var state string
	var counted, real int
	err := db.QueryRowContext(ctx, c.book.counts).Scan(&state, &counted, &real)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("reading the ledger's counts: %w", err)
	}
	c.rep.faults.add("the ledger counts wrongly", "%d %s, it says %d", real, state, counted)
	return nil
}

// checkMoney compares the charges with what was acknowledged: each payment and each refund is booked, and once.
func (c *conductor) checkMoney(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, c.book.charges)
	if err != nil {
		return fmt.Errorf("reading the ledger's charges: %w", err)
	}
	defer rows.Close()
	type booked struct {
		paid     bool
		refunded int
	}
	charges := make(map[string]booked)
	for rows.Next() {
		var id string
		var b booked
		if err := rows.Scan(&id, &b.paid, &b.refunded); err != nil {
			return fmt.Errorf("reading the ledger's charges: %w", err)
		}
		charges[id] = b
		if b.refunded != 0 && b.refunded != back {
			c.rep.faults.add("a refund was booked wrongly", "charge %s of %d fen has %d refunded, not %d", id, price, b.refunded, back)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the ledger's charges: %w", err)
	}
	for id, e := range c.sender.events {
		b := charges[e.order.charge]
		switch {
		case e.acked.IsZero():
		case !b.paid:
			c.rep.faults.add("a payment was not booked", "charge %s, though %s %s was acknowledged", e.order.charge, e.kind, id)
		case e.kind == "refund.succeeded" && b.refunded == 0:
			c.rep.faults.add("a refund was not booked", "charge %s, though %s was acknowledged", e.order.charge, id)
		}
	}
	return nil
}

// checkEvent compares an event's state with what the backend knows.
func (c *conductor) checkEvent(id, state, reasons, owner string) {
	accepted := 0
	if r := c.backend.events[id]; r != nil {
		accepted = len(r.accepted)
	}
	wrong := func(why string) {
		c.rep.faults.add("the ledger is wrong about an event", "%s is %s%s: %s", id, state, reasons, why)
	}
	switch state {
	case "delivered":
		if accepted == 0 {
			wrong("the backend never accepted it")
		}
	case "filtered":
		if !strings.Contains(reasons, "effect_seen") {
			wrong("its effect came in no other event")
		}
		if accepted > 0 {
			wrong("the backend accepted it")
		}
	case "pending":
		wrong("the time to deliver it is over")
	default:
		wrong("nothing happened that leads to this state")
	}
	if state != "pending" && owner != "" {
		wrong("it is leased to " + owner)
	}
}
