package refunds

const (
	RefundAfter  = refundAfter
	RefundQuiet  = refundQuiet
	RefundsUntil = refundsUntil
)

var Record = (*Maker).record
