package reconcile

import "time"

const (
	AskEvery       = askEvery
	QueryClaim     = queryClaim
	QueryBatch     = queryBatch
	QueryLease     = queryLease
	AfterExpiry    = afterExpiry
	ReverseAgain   = reverseAgain
	ReverseRefused = reverseRefused
	PaidSince      = paidSince
)

func (r *Charges) MayAsk(chargeID string) bool { return r.mayAsk(chargeID) }

// Asked is how many charges are remembered as asked for.
func (r *Charges) Asked() int { return len(r.asked) }

func (r *Charges) Until() time.Duration { return r.schedule.until }

var (
	Again = (*Reversals).again
	May   = (*Reversals).may
)
