// Package core is the rules that keep money safe, once for every engine: what an event does to its charge and when it is held, which event of
// a lane goes first, who has a lease, what a person may decide, how much of a charge is left to give back. An engine keeps rows and knows none
// of this: it brings a [Store], whose transactions read and write rows (store.go), and has a [Ledger] that does the rest.
//
// What is decided is decided by functions of rows and values alone, which know no database: judge.go (a payment), lanes.go, lease.go, charge.go
// (an attempt to pay), account.go (what events add to a charge), refund.go, choice.go (what a person may do), wait.go (look-ups, clocks and
// what is pruned), shipping.go and shipanswer.go (what WeChat is told of a payment, and when), walk.go (lists, page by page), tally.go (what is
// counted). The files named after the calls of [ledger.Ledger] put them between what a transaction reads and what it writes; desk.go and life.go are
// what operators ask for.
//
// It has many files so that each rule has one, and is read at one place. They are one package since every rule speaks of the same few rows, and since
// one transaction puts several of them together.
package core

import (
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Ledger is a [ledger.Ledger] but for Watch, Verify and Close, which are the engine's. An engine embeds it.
type Ledger struct {
	store Store
	steps *steps
}

// New returns a ledger over an engine's rows; opened is the time at which that is done.
func New(store Store, opened time.Time) *Ledger {
	return &Ledger{store: store, steps: newSteps(opened)}
}

func checkScope(s ledger.Scope) error {
	if s.App == "" || s.Mode != ledger.Live && s.Mode != ledger.Test {
		return fmt.Errorf("ledger: scope %q is not an app in live or test mode", s)
	}
	return nil
}

// Kept returns a time as a ledger keeps it: in milliseconds, within [ledger.Calendar].
func Kept(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(ledger.Calendar(t).UnixMilli()).UTC()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
