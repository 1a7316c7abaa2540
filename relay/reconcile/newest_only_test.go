package reconcile

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/relay/asking"
)

// A shop with more payments than can be asked about in time has its newest ones looked through, however fast Ping++ answers: what ends the time then is
// the budget, whose next turn would come too late. Where others have taken the turns it is not known what there would have been time for.
func TestNewestOnlyByTheBudget(t *testing.T) {
	for name, c := range map[string]struct {
		taken  int // of the budget, by others
		within time.Duration
		pages  []string // "+" stands for more behind it
		newest bool
	}{
		"its own turns":    {0, 30 * time.Second, []string{"+"}, true},
		"those of others":  {2, 90 * time.Second, []string{"+"}, false},
		"not even a first": {1, 30 * time.Second, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSitting(t)
			budget := rate.NewLimiter(rate.Every(time.Minute), 1)
			s.Attempts.questions.Payers = budget
			s.desk.pages = [][]string{{"+" + s.desk.charge("ch_9", "9x", "o9", isPaid...)}}
			if c.pages == nil {
				budget.ReserveN(time.Now(), c.taken)
			} else {
				s.desk.listing = func() { // others come between the first page and the second
					for range c.taken {
						budget.Reserve()
					}
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), c.within)
			defer cancel()
			found, err := s.Attempts.FindPayment(ctx, s.desk, "o1")
			if found || !errors.Is(err, asking.ErrTooMuch) || errors.Is(err, ErrNewestOnly) != c.newest {
				t.Errorf("%t, %v", found, err)
			}
		})
	}
}
