package relay

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// settled is a ledger that keeps what outcomes report.
type settled struct {
	ledger.Ledger
	mu       sync.Mutex
	shipping map[string]ledger.Delivery // by event and state
}

func (s *settled) Settle(ctx context.Context, owner string, d ledger.Delivery) error {
	s.mu.Lock()
	s.shipping[d.EventID+" "+string(d.State)] = d
	s.mu.Unlock()
	return s.Ledger.Settle(ctx, owner, d)
}

// Only the receipt of a live payment reports what was shipped, in the write that settles it; what is no report keeps no delivery from being one.
func TestReceiptsReport(t *testing.T) {
	l := &settled{Ledger: newLedger(t), shipping: map[string]ledger.Delivery{}}
	var first sync.Once
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Pay-Event") == "charge.succeeded" {
			first.Do(func() { w.WriteHeader(http.StatusInternalServerError) })
		}
		_, _ = io.WriteString(w, r.Header.Get("Webhook-Id")+" is taken")
	})
	live := ledger.Scope{App: scope.App, Mode: ledger.Live}
	var logs relaytest.Logs
	asked := make(chan string, 10)
	for _, s := range []ledger.Scope{live, scope} {
		cfg := config(t, l, b)
		cfg.Scope, cfg.Retry, cfg.Logger = s, []time.Duration{time.Millisecond}, logs.Logger()
		cfg.Ships = func(ev *ledger.Event, answer []byte) (*ledger.Shipping, ledger.ShippingProblem) {
			asked <- ev.ID + ": " + string(answer)
			if ev.ID == "evt_bad" {
				return nil, ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: "type cannot be oABCDEFGHIJKLMNOPQRSTUVWXYZ1"}
			}
			return &ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}, ledger.ShippingProblem{}
		}
		start(t, cfg)
	}
	add := func(s ledger.Scope, id, kind string) {
		e := newEvent(id, time.Now())
		e.Scope, e.Type = s, kind
		record(t, l, e)
		waitFor(t, id+" is delivered", func() bool {
			e, err := l.Event(context.Background(), s, id)
			return err == nil && e.State == ledger.Delivered
		})
	}
	add(live, "evt_paid", "charge.succeeded")
	add(live, "evt_order", "order.succeeded")
	add(live, "evt_bad", "charge.succeeded")
	add(live, "evt_back", "refund.succeeded")
	add(scope, "evt_test", "charge.succeeded")
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, want := range map[string]bool{"evt_paid pending": false, "evt_paid delivered": true, "evt_order delivered": true, "evt_bad delivered": false, "evt_back delivered": false, "evt_test delivered": false} {
		if d, ok := l.shipping[key]; !ok || (d.Shipping != nil) != want || (d.ShippingProblem.Code != "") != strings.HasPrefix(key, "evt_bad") {
			t.Errorf("%s: %+v", key, d)
		}
	}
	close(asked)
	var got []string
	for a := range asked {
		got = append(got, a)
	}
	if want := "evt_paid: evt_paid is taken, evt_order: evt_order is taken, evt_bad: evt_bad is taken"; strings.Join(got, ", ") != want {
		t.Errorf("asked what to report: %v", got)
	}
	if log := logs.String(); !strings.Contains(log, "is no report") || strings.Contains(log, "oABCDEFGHIJKLMNOPQRSTUVWXYZ1") {
		t.Errorf("the log: %s", log)
	}
}
