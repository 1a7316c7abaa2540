package reconcile

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
)

// leasing is a desk that notes which lease a look-up ends.
type leasing struct {
	*desk
	ended []time.Time
}

func (l *leasing) Queried(_ context.Context, q ledger.Queried) error {
	l.ended = append(l.ended, q.Lease)
	return nil
}

// gated is Ping++ behind a gate.
type gated struct {
	open chan struct{}
	to   http.RoundTripper
}

func (g *gated) RoundTrip(r *http.Request) (*http.Response, error) {
	<-g.open
	return g.to.RoundTrip(r)
}

// A look-up that several want ends the lease of the one that was claimed, whoever of them came first.
func TestSharedLookUpEndsTheLease(t *testing.T) {
	for _, first := range []string{"claimed", "asked for"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSitting(t)
			way := &gated{make(chan struct{}), s.desk}
			client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: way})
			if err != nil {
				t.Fatal(err)
			}
			s.Charges.pingpp = client
			s.desk.answers[get] = s.desk.charge("ch_1", "1x", "o1")
			l := &leasing{desk: s.desk}
			both := []ledger.Charge{unpaidAt("ch_1", s.desk.now.Add(-10*time.Minute)), unpaidAt("ch_1", s.desk.now.Add(-10*time.Minute))}
			until := s.desk.now.Add(time.Minute)
			if both[1].Lease = until; first == "claimed" {
				slices.Reverse(both)
			}
			ended := make(chan error, 2)
			for i := range both {
				go func() { ended <- s.Charges.lookUp(t.Context(), l, &both[i]) }()
				synctest.Wait()
			}
			way.open <- struct{}{}
			for range both {
				if err := <-ended; err != nil {
					t.Error(first, err)
				}
			}
			if len(l.ended) != 1 || !l.ended[0].Equal(until) {
				t.Errorf("%s first: leases until %s end, want %s", first, l.ended, until)
			}
		})
	}
}

// What is put off until it may be reversed ends its lease as well.
func TestPostponedEndsTheLease(t *testing.T) {
	s := newSitting(t)
	l := &leasing{desk: s.desk}
	c := unpaidAt("ch_1", s.desk.now)
	c.Superseded, c.Lease = true, s.desk.now.Add(time.Minute)
	if put, err := s.Due.postpone(t.Context(), l, &c); !put || err != nil || len(l.ended) != 1 || !l.ended[0].Equal(c.Lease) {
		t.Errorf("%t, %v, %s", put, err, l.ended)
	}
}

// Only where the time of whoever waits ends before the next turn, the newest payments are all that could be looked through; else what Ping++ said counts.
func TestLastTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSitting(t)
		turn := time.Duration(float64(time.Second) / float64(s.Attempts.questions.Payers.Limit()))
		within := func(d time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			t.Cleanup(cancel)
			return ctx
		}
		if s.Attempts.lastTurn(context.Background()) || s.Attempts.lastTurn(within(turn+time.Millisecond)) || !s.Attempts.lastTurn(within(turn-time.Millisecond)) {
			t.Error("when the last turn is")
		}
		s.desk.pages = [][]string{{"+" + s.desk.charge("ch_2", "2x", "o2", isPaid...)}} // the second page fails
		if _, err := s.Attempts.FindPayment(within(turn-time.Millisecond), s.desk, "o1"); err == nil || errors.Is(err, ErrNewestOnly) {
			t.Error(err)
		}
	})
}
