package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
		m := newMember(ctx, ctx, f)
		go func() {
			if <-m.begin {
				m.work()
			}
		}()
		ms = append(ms, m)
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
	l.appends.transact(ms)
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
		l.appends.transact(ms)
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
			err := l.appends.write(t.Context(), l.patience, func(t core.Tx) error {
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

// payment is of a charge that was never seen.
func payment(id, order string) *ledger.Event {
	e := event(id)
	e.Type, e.ObjectID, e.ChargeID, e.Number, e.OrderNo, e.Lane = "charge.succeeded", "ch_"+order, "ch_"+order, order, order, order
	e.Change = &ledger.ChargeChange{Paid: true, TimePaid: e.Received}
	e.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: e.Received}
	return e
}

// What a group is told of an event before it records it is so at its end too, or the group is undone: an id, or an effect, that comes twice at the same
// moment is recorded once, whatever else it names.
func TestGroupTwice(t *testing.T) {
	l := openLedger(t)
	at := func(n int) string { return fmt.Sprint("evt_", n) }
	refund := func(id, order string) *ledger.Event {
		e := payment(id, order)
		e.Type, e.ObjectID, e.Payment, e.Change = "refund.succeeded", "re_"+order, nil, &ledger.ChargeChange{Refund: 100}
		return e
	}
	for what, want := range map[string]struct {
		of   func(n int) *ledger.Event // n is one of 16 that come at once
		dids map[ledger.Appended]int
	}{
		"one event, again and again":        {func(int) *ledger.Event { return payment("evt_a", "a") }, map[ledger.Appended]int{ledger.Recorded: 1, ledger.Duplicate: 15}},
		"one id for different orders":       {func(n int) *ledger.Event { return payment("evt_b", fmt.Sprint("b", n)) }, map[ledger.Appended]int{ledger.Recorded: 1, ledger.Duplicate: 15}},
		"one payment by different ids":      {func(n int) *ledger.Event { return payment(at(n), "c") }, map[ledger.Appended]int{ledger.Recorded: 1, ledger.SameEffect: 15}},
		"one refund by different ids":       {func(n int) *ledger.Event { return refund(at(100+n), "d") }, map[ledger.Appended]int{ledger.Recorded: 1, ledger.SameEffect: 15}},
		"payments that nothing is alike in": {func(n int) *ledger.Event { return payment(at(200+n), fmt.Sprint("e", n)) }, map[ledger.Appended]int{ledger.Recorded: 16}},
	} {
		var mu sync.Mutex
		var all sync.WaitGroup
		dids := make(map[ledger.Appended]int)
		for n := range 16 {
			all.Go(func() {
				did, err := l.Append(t.Context(), want.of(n))
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				mu.Lock()
				defer mu.Unlock()
				dids[did]++
			})
		}
		all.Wait()
		if !maps.Equal(dids, want.dids) {
			t.Errorf("%s: %v, want %v", what, dids, want.dids)
		}
	}
	if faults, err := l.Verify(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("the ledger is not whole: %v, %v", faults, err)
	}
}

// What a member asks stays in its order, and no statement sets a row twice, however much of it is put together with what others ask.
func TestGroupOrder(t *testing.T) {
	set := func(seq, amount int64) stmt {
		c := &core.Charge{Seq: seq, Charge: ledger.Charge{Amount: amount}}
		return stmt{text: sqlSetCharge, args: happened(c)}
	}
	books := stmt{text: sqlBooks, args: []any{int64(1), "1", nil}, read: func(*row) {}}
	rest := [][]stmt{
		{set(1, 10), {text: "a"}, set(1, 11), set(2, 12)},
		{{text: "b"}, books, set(3, 13), {text: "c"}},
		{{text: sqlLock}, books, set(4, 14), set(4, 15)},
	}
	var did tx
	for did.merge(rest) {
	}
	var got []string
	for _, s := range did.ahead {
		what := s.text
		switch s.text {
		case bulks[sqlBooks].text:
			what = "books"
		case bulks[sqlSetCharge].text:
			seqs, amounts := s.args[0].(array), s.args[1].(array)
			what = "set"
			for i := 20; i < len(seqs); i += 12 {
				what += fmt.Sprintf(" %d:%d", seqs[i+11], amounts[i+11])
			}
		}
		got = append(got, what)
	}
	if want := []string{"b", "books", "set 1:10 3:13 4:14", "a", "c", "set 1:11 2:12 4:15"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
