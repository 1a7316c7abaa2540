package adminapi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
)

// zoned is how a time is written in a sentence.
const zoned = "2006-01-02 15:04:05 -07:00"

// unpriced is Config.Unpriced; nil: no site runs.
type unpriced func(scopes []ledger.Scope, orderNo string) (payment.Unpriced, bool)

// whyNoEvents says how far an order came that a list found no events of.
func whyNoEvents(ctx context.Context, l ledger.Ledger, knows unpriced, scopes []ledger.Scope, orderNo string) (string, error) {
	var attempts []ledger.Charge
	var names []string
	for _, scope := range scopes {
		more, err := l.Attempts(ctx, scope, orderNo)
		if err != nil {
			return "", err
		}
		attempts = append(attempts, more...)
		names = append(names, scope.App+" in "+string(scope.Mode)+" mode")
	}
	if len(attempts) == 0 {
		if knows == nil {
			return fmt.Sprintf("The order %.64q is unknown: the ledger has no payment of it that was begun.", orderNo), nil
		}
		if why, ok := knows(scopes, orderNo); ok {
			return fmt.Sprintf("The order %.64q got no price when somebody last wanted to pay it, at %s: %s", orderNo, why.At.Local().Format(zoned), why.Why), nil
		}
		return fmt.Sprintf("The order %.64q is unknown: no payment of it was begun, by %s, and since this configuration was loaded nobody was refused its price.",
			orderNo, strings.Join(names, " or ")), nil
	}
	made := slices.DeleteFunc(slices.Clone(attempts), func(c ledger.Charge) bool { return c.ID == "" })
	paid := slices.IndexFunc(made, func(c ledger.Charge) bool { return c.Paid })
	switch {
	case paid >= 0:
		return fmt.Sprintf("The order %.64q is paid, by %s; leave the other filters out to see its events.", orderNo, made[paid].ID), nil
	case len(made) == 0:
		last := attempts[len(attempts)-1]
		return fmt.Sprintf("The order %.64q never came to be asked for at Ping++, or without an answer: its last attempt, through %s, is %s.", orderNo, last.Channel, last.State), nil
	}
	last := made[len(made)-1]
	why := fmt.Sprintf("The order %.64q is unpaid: %s was made through %s at %s", orderNo, last.ID, last.Channel, last.Created.Local().Format(zoned))
	if !last.NextQuery.IsZero() {
		why += ", and Ping++ is asked for it again at " + last.NextQuery.Local().Format(zoned)
	}
	return why + ".", nil
}
