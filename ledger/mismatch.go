package ledger

import "strings"

// Mismatch names the money checks that the event failed, with commas between; empty when it passed them all. An event can have other reasons
// too: those for which it was filtered until somebody replayed it.
func (e *Event) Mismatch() string {
	var checks []string
	for _, reason := range e.Reasons {
		switch reason {
		case ReasonAmount, ReasonCurrency, ReasonSuperseded, ReasonPaidTwice, ReasonReversed, ReasonRefunded, ReasonUnreadable:
			checks = append(checks, reason)
		}
	}
	return strings.Join(checks, ",")
}
