// Package asking is how often Ping++ is asked, and when again: what the look-ups of charges and of refunds, and the comparisons of days, go by.
package asking

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
)

const (
	queriesASec = 5 // of each budget
	queryBurst  = 10
	payersASec  = 10 // waiting payers are many at once
	payersBurst = 20

	// How long a webhook waits until Ping++ may be asked; Ping++ itself waits some seconds for our answer.
	webhookPatience = 3 * time.Second
)

// ErrTooMuch says that Ping++ has been asked as often as it should be for the moment.
var ErrTooMuch = errors.New("relay: too many questions to Ping++ for the moment")

// Questions is how often Ping++ may be asked about one app, a list of charges being one question. Each purpose has a budget of its
// own, so that a flood of one makes none of the others wait.
type Questions struct {
	Payers  *rate.Limiter // of payers who wait for the answer, or whose client has just reported something
	Refunds *rate.Limiter // of refunds, payments that a refund's event waits for, and unsigned events
	First   *rate.Limiter // first look-ups of charges
	Later   *rate.Limiter // everything that can wait: later look-ups, unknown attempts, the comparison of a day
}

// NewQuestions returns budgets that nothing is taken from yet: ten questions a second for payers, five for each of the others.
func NewQuestions() *Questions {
	budget := func() *rate.Limiter { return rate.NewLimiter(queriesASec, queryBurst) }
	return &Questions{Payers: rate.NewLimiter(payersASec, payersBurst), Refunds: budget(), First: budget(), Later: budget()}
}

// Of is the budget for look-ups of a kind.
func (q *Questions) Of(kind ledger.QueryKind) *rate.Limiter {
	switch kind {
	case ledger.QueryTold:
		return q.Payers
	case ledger.QueryFirst:
		return q.First
	}
	return q.Later
}

// Soon waits for a budget as long as a webhook may.
func Soon(ctx context.Context, budget *rate.Limiter) error {
	within, cancel := context.WithTimeout(ctx, webhookPatience)
	defer cancel()
	if err := budget.Wait(within); err != nil {
		return ErrTooMuch
	}
	return nil
}
