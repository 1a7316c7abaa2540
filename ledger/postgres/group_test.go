package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// raise adds a fen to the quote of an order, as one may who has locked that.
func raise(t core.Tx, orderNo string) error {
	if err := t.Lock(live, core.AnOrder, orderNo); err != nil {
		return err
	}
	b, err := t.Books(live, core.Question{OrderNo: orderNo})
	if err != nil {
		return err
	}
	return t.SetQuote(live, orderNo, ledger.Quote{Amount: b.Quote.Amount + 1, Currency: "cny", At: time.Unix(1, 0)})
}

func quoted(t *testing.T, l *Ledger, orderNo string) (fen int64) {
	t.Helper()
	must(t, store{l}.Read(t.Context(), func(r core.Reader) error {
		q, err := r.Quote(live, orderNo)
		if q != nil {
			fen = q.Amount
		}
		return err
	}))
	return fen
}

// members are what a group takes at once.
func members(t *testing.T, fs ...func(core.Tx) error) (ms []*member) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	for _, f := range fs {
		ms = append(ms, &member{ctx: ctx, caller: ctx, run: f, result: make(chan error, 1)})
	}
	return ms
}

// Of one order each member of a group sees what those before it have done, and another order waits for none of them.
func TestGroupLocks(t *testing.T) {
	l := openLedger(t)
	var fs []func(core.Tx) error
	for i := range 20 {
		fs = append(fs, func(t core.Tx) error { return raise(t, "1") }, func(t core.Tx) error { return raise(t, fmt.Sprint("other ", i)) })
	}
	ms := members(t, fs...)
	l.group.transact(ms)
	for _, m := range ms {
		must(t, <-m.result)
	}
	if fen := quoted(t, l, "1"); fen != 20 {
		t.Errorf("20 that come one after the other make %d", fen)
	}
	if fen := quoted(t, l, "other 7"); fen != 1 {
		t.Errorf("one makes %d", fen)
	}
}

// Members that wait for each other, or one that fails or panics, undo the group; each is then on its own, and only who fails alone fails.
func TestGroupUndone(t *testing.T) {
	l := openLedger(t)
	var at [2]chan bool
	at[0], at[1] = make(chan bool, 9), make(chan bool, 9)
	crossing := func(mine, its int) func(core.Tx) error { // both have one lock when each asks for the other's
		return func(t core.Tx) error {
			if err := raise(t, fmt.Sprint(mine)); err != nil {
				return err
			}
			at[mine] <- true
			<-at[its]
			return raise(t, fmt.Sprint(its))
		}
	}
	failed := errors.New("failed")
	for what, fs := range map[string][]func(core.Tx) error{
		"waiting for each other": {crossing(0, 1), crossing(1, 0)},
		"failing":                {func(t core.Tx) error { return raise(t, "0") }, func(t core.Tx) error { return errors.Join(raise(t, "1"), failed) }},
		"panicking":              {func(t core.Tx) error { return raise(t, "0") }, func(core.Tx) error { panic("at the disco") }},
		"losing its statement":   {func(t core.Tx) error { return raise(t, "0") }, func(t core.Tx) error { return t.(*tx).run(`SELECT 1 / 0`, nil) }},
	} {
		ms := members(t, fs...)
		l.group.transact(ms)
		for _, m := range ms {
			if err := <-m.result; !errors.Is(err, errAlone) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, order := range []string{"0", "1"} {
			if fen := quoted(t, l, order); fen != 0 {
				t.Errorf("%s: %d of what is undone stay", what, fen)
			}
		}
	}

	var wg sync.WaitGroup
	var failures atomic.Int64
	for i := range 40 {
		wg.Go(func() {
			err := l.group.write(t.Context(), func(t core.Tx) error {
				if err := raise(t, "shared"); err != nil || i%10 != 0 {
					return err
				}
				return failed
			})
			if errors.Is(err, failed) {
				failures.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if fen := quoted(t, l, "shared"); fen != 36 || failures.Load() != 4 {
		t.Errorf("of 40 of which four fail %d failed, and %d are recorded", failures.Load(), fen)
	}
}
