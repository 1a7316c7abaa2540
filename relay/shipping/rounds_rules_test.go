package shipping

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// spy is a ledger that notes what it is asked, and answers what it is told to.
type spy struct {
	ledger.Ledger
	mu      sync.Mutex
	claims  int
	claim   ledger.ShipmentClaim // the last
	search  []string             // cursors and limits of what was looked for
	found   []int                // on each page; empty: by the ledger itself
	lists   []string             // cursors and limits of lists
	pages   [][]ledger.Shipment
	failing error
}

func (s *spy) ClaimShipments(ctx context.Context, c ledger.ShipmentClaim) ([]ledger.Shipment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims, s.claim = s.claims+1, c
	if s.failing != nil {
		return nil, s.failing
	}
	return s.Ledger.ClaimShipments(ctx, c)
}

func (s *spy) FindUnshipped(_ context.Context, f ledger.ShippingSearch) (int, string, error) {
	s.search = append(s.search, fmt.Sprint(f.Cursor, " ", f.Limit))
	if s.failing != nil {
		return 0, "", s.failing
	}
	n := s.found[0]
	if s.found = s.found[1:]; len(s.found) > 0 {
		return n, "next", nil
	}
	return n, "", nil
}

func (s *spy) ListShipments(_ context.Context, f ledger.ShipmentFilter) (ledger.Page[ledger.Shipment], error) {
	s.lists = append(s.lists, fmt.Sprint(f.Cursor, " ", f.Limit, " ", f.Until.Sub(f.Since)))
	if s.failing != nil || len(s.pages) == 0 {
		return ledger.Page[ledger.Shipment]{}, s.failing
	}
	p := ledger.Page[ledger.Shipment]{Rows: s.pages[0]}
	if s.pages = s.pages[1:]; len(s.pages) > 0 {
		p.Next = "next"
	}
	return p, nil
}

// It is time again after the gap, at first, and by a clock that was put back.
func TestElapsed(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	now := s.Clock.Now()
	for name, c := range map[string]struct {
		last time.Time
		want bool
	}{
		"at first": {time.Time{}, true}, "just now": {now, false}, "nearly": {now.Add(1 - time.Minute), false}, "a minute": {now.Add(-time.Minute), true}, "put back": {now.Add(1), true},
	} {
		last := c.last
		if got := r.elapsed(&last, time.Minute); got != c.want || got != last.Equal(now) && name != "just now" {
			t.Errorf("%s: %t, then %s", name, got, last)
		}
	}
}

// What nobody reported is looked for to the last page once a day, soon again where that fails, and said where there is some.
func TestLookingForUnshipped(t *testing.T) {
	s := newStage(t)
	spy := &spy{Ledger: s.l, found: []int{2, 3}}
	r := s.reporter(spy)
	want := func(what string, looks ...string) {
		t.Helper()
		r.findUnshipped(t.Context())
		if s.want(what, spy.search, looks); len(looks) > 0 {
			spy.search = nil
		}
	}
	want("two pages", " 200", "next 200")
	if !strings.Contains(s.logs.String(), `"payments":5`) {
		t.Error("they are not said")
	}
	s.Clock.Add(findEvery - time.Second)
	want("within the day")
	s.Clock.Add(time.Second)
	spy.found = []int{0}
	want("a day later", " 200")
	if n := strings.Count(s.logs.String(), "payments were found"); n != 1 {
		t.Errorf("%d lines", n)
	}
	s.Clock.Add(findEvery)
	spy.failing = errors.New("disk I/O error")
	want("in vain", " 200")
	if n := strings.Count(s.logs.String(), "cannot look for payments that nobody reported"); n != 1 {
		t.Errorf("%d lines", n)
	}
	spy.failing, spy.found = nil, []int{0}
	s.Clock.Add(lookEvery - time.Second)
	want("not at once")
	s.Clock.Add(time.Second)
	want("soon", " 200")
}

// What runs out of its time is told of to the last page, every five minutes, with no gap and nothing twice; what fails is told of the next time.
func TestLookingForDeadlines(t *testing.T) {
	s := newStage(t)
	spy := &spy{Ledger: s.l}
	r := s.reporter(spy)
	want := func(what string, lists ...string) {
		t.Helper()
		r.tellDue(t.Context())
		s.want(what, spy.lists, lists)
		spy.lists = nil
	}
	want("at first") // there is no time to look through yet
	s.Clock.Add(lookEvery - time.Second)
	want("too soon")
	s.Clock.Add(time.Second)
	spy.pages = [][]ledger.Shipment{{{OrderNo: "1"}, {OrderNo: "2"}}, {{OrderNo: "3"}}}
	want("five minutes", " 200 5m0s", "next 200 5m0s", " 200 5m0s")
	s.want("told", s.due, []string{"1 true", "2 true", "3 true"})
	spy.failing = errors.New("disk I/O error")
	s.Clock.Add(lookEvery)
	want("in vain", " 200 5m0s")
	if n := strings.Count(s.logs.String(), "cannot look for payments that run out"); n != 1 {
		t.Errorf("%d lines", n)
	}
	spy.failing = nil
	s.Clock.Add(lookEvery)
	want("both times", " 200 10m0s", " 200 10m0s")
}

// counting is a storage that counts what is kept.
type counting struct {
	*memory
	stored int
}

func (c *counting) Store(ctx context.Context, key string, v []byte) error {
	c.stored++
	return c.memory.Store(ctx, key, v)
}

// Since when shipping is reported is kept once; what cannot be read is as good as none.
func TestWhatIsRemembered(t *testing.T) {
	s := newStage(t)
	kept := &counting{memory: s.storage}
	cfg := s.config(s.l)
	cfg.Storage = kept
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const key = "pay/shipping/app_test_live.json"
	first := s.Clock.Now()
	var got marks
	look := func(what string, since time.Time, stored int) {
		t.Helper()
		if err := r.remember(t.Context(), func(m *marks) error { got = *m; return nil }); err != nil || !got.Since.Equal(since) || !got.Told.Equal(since) || kept.stored != stored {
			t.Errorf("%s: %+v, %v, stored %d times", what, got, err, kept.stored)
		}
	}
	look("at first", first, 1)
	s.Clock.Add(time.Hour)
	look("later", first, 1)
	s.storage.kept[key] = []byte("{")
	look("half written", s.Clock.Now(), 2)
	s.storage.kept[key] = []byte(`{"since":7,"told":"2020-01-01T00:00:00Z"}`)
	look("of another form", s.Clock.Now(), 3)
}
