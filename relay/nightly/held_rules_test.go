package nightly

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
)

// renewing is a ledger that prolongs the lease of a comparison.
type renewing struct {
	ledger.Ledger
	renewals atomic.Int64
	until    atomic.Value
}

func (r *renewing) ClaimSweep(_ context.Context, c ledger.SweepClaim) (time.Time, bool, error) {
	r.until.Store(c.Until)
	r.renewals.Add(1)
	return theDay, true, nil
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A comparison that takes long keeps its lease, and comes to its end; one that is told to stop has not compared the day, wherever it was.
func TestHeldComparison(t *testing.T) {
	for _, stops := range []bool{false, true} {
		b, answers, lists := &renewing{}, &there{}, 0
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		n, _ := newNights(t, &nightBooks{}, answers)
		client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			for end := time.Now().Add(time.Minute); b.renewals.Load() < 3 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			}
			if lists++; stops && lists == 2 { // of the month before
				stop()
				return nil, req.Context().Err()
			}
			return answers.RoundTrip(req)
		})})
		if err != nil {
			t.Fatal(err)
		}
		n.Pingpp, n.renew = client, time.Millisecond
		s, err := n.sweepHeld(ctx, b, ledger.SweepClaim{To: theDay.AddDate(0, 0, 1)}, theDay)
		if stops && (s != nil || !errors.Is(err, context.Canceled)) || !stops && (s == nil || err != nil) || lists != 2 {
			t.Errorf("told to stop %t: %+v, %v after %d lists", stops, s, err, lists)
		}
		if until := b.until.Load().(time.Time); !until.Equal(n.Now().Add(sweepLease)) {
			t.Errorf("leased until %s", until)
		}
	}
}
