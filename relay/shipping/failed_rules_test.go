package shipping

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// sick is a storage that cannot be read for a while.
type sick struct {
	counting
	failing error
}

func (s *sick) Load(ctx context.Context, key string) ([]byte, error) {
	if s.failing != nil {
		return nil, s.failing
	}
	return s.memory.Load(ctx, key)
}

// The storage is read and written only where something else fails than before; what cannot be read or kept is said, and told of the next time.
func TestLookingForFailed(t *testing.T) {
	s := newStage(t)
	kept := &sick{counting: counting{memory: s.storage}}
	l := &acks{Ledger: s.l}
	var told []string
	cfg := s.config(l)
	cfg.Storage = kept
	cfg.Failed = func(sh *ledger.Shipment) { told = append(told, fmt.Sprint(sh.ChargeID, " ", sh.Attempts)) }
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	failed := func(attempts int, ids ...string) (rows []ledger.Shipment) {
		for _, id := range ids {
			rows = append(rows, ledger.Shipment{ChargeID: id, Attempts: attempts, Recorded: s.Clock.Now()})
		}
		return rows
	}
	look := func(what string, rows []ledger.Shipment, stored int, want ...string) {
		t.Helper()
		l.pages, l.lists, told, kept.stored = [][]ledger.Shipment{rows}, nil, nil, 0
		r.tellFailed(t.Context())
		s.want(what, []any{told, kept.stored}, []any{want, stored})
		if f := l.lists[0]; len(l.lists) != 1 || f.Scope != scope || len(f.States) != 1 || f.States[0] != ledger.ShipmentFailed || f.Limit != mostFailed {
			t.Errorf("%s: %+v", what, l.lists)
		}
	}
	look("none", nil, 0)
	look("one", failed(1, "ch_1"), 1, "ch_1 1")
	look("the same", failed(1, "ch_1"), 0)
	look("another", failed(1, "ch_1", "ch_2"), 1, "ch_2 1")
	look("once more", failed(2, "ch_1", "ch_2"), 1, "ch_1 2", "ch_2 2")
	look("one is mended", failed(2, "ch_2"), 1)
	s.Clock.Add(time.Second)
	look("reported anew", failed(2, "ch_2"), 1, "ch_2 2")
	s.want("nothing is said", s.logs.String(), "")

	said := func(what string, want int) {
		t.Helper()
		if n := strings.Count(s.logs.String(), "cannot look for reports to WeChat that failed"); n != want {
			t.Errorf("%s: %d lines", what, n)
		}
	}
	l.failing = errors.New("disk I/O error")
	look("in vain", nil, 0)
	said("in vain", 1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r.tellFailed(ended)
	said("at the end", 1)
	l.failing = nil
	look("after that", failed(2, "ch_2"), 0)
	row := failed(3, "ch_2")[0]
	s.storage.kept["pay/shipping/app_test_live_failed.json"] = fmt.Appendf(nil, `{"ch_2":{"recorded":%q,"attempts":3},"ch_3":7}`, row.Recorded.UTC().Format(time.RFC3339Nano))
	look("half of it cannot be read", failed(3, "ch_2", "ch_3"), 1, "ch_2 3", "ch_3 3")
	said("half of it", 1)
	kept.failing = errors.New("the storage is away")
	look("the storage is away", failed(3, "ch_4"), 0)
	said("the storage", 2)
	kept.failing = nil
	look("it is back", failed(3, "ch_4"), 1, "ch_4 3")
}

// A reporter that nobody listens to tells nobody.
func TestFailedToNobody(t *testing.T) {
	s := newStage(t)
	l := &acks{Ledger: s.l, pages: [][]ledger.Shipment{{{ChargeID: "ch_1", Attempts: 1}}}}
	s.reporter(l).tellFailed(t.Context())
	if raw, err := s.storage.Load(t.Context(), "pay/shipping/app_test_live_failed.json"); err != nil || !strings.Contains(string(raw), "ch_1") || s.logs.String() != "" {
		t.Errorf("%s, %v, %s", raw, err, s.logs.String())
	}
}
