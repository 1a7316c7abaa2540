package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// diary is a ledger that notes when it was asked what, and answers as a test has it.
type diary struct {
	ledger.Ledger
	began time.Time
	mu    sync.Mutex
	lines []string
	claim func(n int, c ledger.Claim) ([]ledger.Event, error)
	due   func(n int) (time.Duration, error) // since it began; 0: nothing is
	n, of int
}

func (d *diary) note(what string) {
	d.lines = append(d.lines, fmt.Sprint(time.Since(d.began).Milliseconds(), " ", what))
}

func (d *diary) Claim(_ context.Context, c ledger.Claim) ([]ledger.Event, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n++
	_, name, _ := strings.Cut(c.Owner, "#")
	d.note("claims " + name)
	if d.claim == nil {
		return nil, nil
	}
	return d.claim(d.n, c)
}

func (d *diary) NextDue(context.Context, ledger.Scope) (due ledger.Due, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of++
	d.note("asks")
	if d.due == nil {
		return ledger.Due{}, nil
	}
	in, err := d.due(d.of)
	if in != 0 {
		due.At = d.began.Add(in)
	}
	return due, err
}

func (d *diary) Resume(context.Context, ledger.Scope) error { return nil }

func (d *diary) Settle(context.Context, string, ledger.Delivery) error { return nil }

// When the ledger is asked for events, and when it is asked when to come again: at once where there may be more, when something changed, when the next is
// due, when the time between two looks is over, and after a fault a little later and later.
func TestWhenToClaim(t *testing.T) {
	broken := errors.New("the disk is full")
	fails := func(errs ...error) func(int, ledger.Claim) ([]ledger.Event, error) {
		return func(n int, _ ledger.Claim) ([]ledger.Event, error) {
			if n <= len(errs) {
				return nil, errs[n-1]
			}
			return nil, nil
		}
	}
	for name, c := range map[string]struct {
		claim    func(int, ledger.Claim) ([]ledger.Event, error)
		due      func(int) (time.Duration, error)
		changed  time.Duration // when something is recorded
		retimed  time.Duration // when an event gets another time
		until    time.Duration
		want     []string
		failures []int64 // that were logged
	}{
		"nothing is due": {until: 2500 * time.Millisecond, want: []string{"0 claims 1", "0 asks", "1000 claims 2", "1000 asks", "2000 claims 3", "2000 asks"}},
		"soon": {due: func(n int) (time.Duration, error) {
			return []time.Duration{300 * time.Millisecond, time.Hour}[n-1], nil
		}, until: 900 * time.Millisecond,
			want: []string{"0 claims 1", "0 asks", "300 claims 2", "300 asks"}},
		"long after": {due: func(int) (time.Duration, error) { return time.Hour, nil }, until: 1500 * time.Millisecond, want: []string{"0 claims 1", "0 asks", "1000 claims 2", "1000 asks"}},
		"long ago": {due: func(n int) (time.Duration, error) { return []time.Duration{-time.Hour, time.Hour}[n-1], nil }, until: 500 * time.Millisecond,
			want: []string{"0 claims 1", "0 asks", "10 claims 2", "10 asks"}},
		"something is recorded": {due: func(int) (time.Duration, error) { return time.Hour, nil }, changed: 100 * time.Millisecond, until: 900 * time.Millisecond,
			want: []string{"0 claims 1", "0 asks", "100 claims 2"}},
		"another time": {due: func(int) (time.Duration, error) { return time.Hour, nil }, retimed: 100 * time.Millisecond, until: 900 * time.Millisecond,
			want: []string{"0 claims 1", "0 asks", "100 claims 2", "100 asks"}},
		"a fault, and more": {claim: fails(broken, broken, nil, broken), changed: 400 * time.Millisecond, until: 900 * time.Millisecond,
			want: []string{"0 claims 1", "50 claims 2", "150 claims 3", "150 asks", "400 claims 4", "450 claims 5", "450 asks"}, failures: []int64{1, 2, 1}},
		"a fault of the second question": {due: func(n int) (time.Duration, error) { return time.Hour, []error{broken, nil}[n-1] }, until: 500 * time.Millisecond,
			want: []string{"0 claims 1", "0 asks", "50 claims 2", "50 asks"}, failures: []int64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{began: time.Now(), claim: c.claim, due: c.due}
				core, seen := observer.New(zap.WarnLevel)
				cfg := config(t, d, failing(errors.New("nobody")))
				cfg.Now, cfg.Poll, cfg.Logger = time.Now, time.Second, zap.New(core)
				r, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				changed, ended := make(chan struct{}), make(chan struct{})
				go func() { defer close(ended); r.dispatch(ctx, changed) }()
				if c.changed > 0 {
					time.Sleep(c.changed)
					changed <- struct{}{}
				}
				if c.retimed > 0 {
					time.Sleep(c.retimed)
					signal(r.retimed)
				}
				time.Sleep(c.until - time.Since(d.began))
				synctest.Wait()
				if !slices.Equal(d.lines, c.want) {
					t.Errorf("%q, want %q", d.lines, c.want)
				}
				var failures []int64
				for _, line := range seen.All() {
					failures = append(failures, line.ContextMap()["failures"].(int64))
				}
				if !slices.Equal(failures, c.failures) {
					t.Errorf("failures %v, want %v", failures, c.failures)
				}
				cancel()
				<-ended
			})
		})
	}
}

// Where a claim gives as many as it asked for there may be more, and nothing is lent before one gives less; where none can go out nothing is claimed.
func TestClaimsAgainForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{began: time.Now()}
		d.claim = func(n int, c ledger.Claim) (es []ledger.Event, err error) {
			d.note(fmt.Sprint("of ", c.Limit))
			for i := range []int{2, 1, 0, 1}[n-1] {
				es = append(es, *newEvent(fmt.Sprint("evt_", n, i), d.began))
			}
			return es, nil
		}
		d.due = func(int) (time.Duration, error) { return time.Hour, nil }
		free := make(chan struct{})
		cfg := config(t, d, transport(func(*http.Request) (*http.Response, error) { <-free; return answering(200, "success")(nil) }))
		cfg.Now, cfg.Poll, cfg.Concurrency, cfg.Timeout = time.Now, time.Second, 2, time.Hour
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.dispatch(ctx, nil) }()
		look := func(what string, drained bool, want ...string) {
			t.Helper()
			synctest.Wait()
			if d.mu.Lock(); !slices.Equal(d.lines, want) {
				t.Errorf("%s: %q, want %q", what, d.lines, want)
			}
			d.lines = nil
			d.mu.Unlock()
			if r.mu.Lock(); r.drained != drained {
				t.Errorf("%s: drained %t", what, r.drained)
			}
			r.mu.Unlock()
		}
		look("both slots are taken", false, "0 claims 1", "0 of 2")
		time.Sleep(500 * time.Millisecond)
		free <- struct{}{}
		look("one is free", false, "500 claims 2", "500 of 1")
		free <- struct{}{}
		look("one is free again, and nothing waits", true, "500 claims 3", "500 of 1", "500 asks")
		free <- struct{}{}
		look("both are free", true)
		cancel()
		<-ended
		r.work.Wait()
	})
}
