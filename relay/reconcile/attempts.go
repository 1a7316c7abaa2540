package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
)

// An attempt is unknown when its request to Ping++ may have made a charge and we cannot tell. Where a process can die, and what
// becomes of the attempt then:
//
//   - before the request is sent: Ping++ has nothing. It is looked for in vain, and given up.
//   - between the request and the answer, or a timeout: Ping++ may have a charge, now or a little later.
//   - between the answer and our record of it: Ping++ has a charge.
//   - after our record: the attempt is known, and the next request for the order hands it out again.
//
// A client gets a credential only after the charge is on record. So nobody holds the credential of an unknown attempt and nobody
// can pay it; looking for it is tidiness, not a condition of safety, and where Ping++ cannot say, a new attempt may be made.
// Not so for channels that take the money without a credential, as from a code that the shop has read: there whoever makes attempts
// waits until it is known.
// What is found is recorded like any other charge. If it still fits the order it is handed out, and the order keeps its one
// charge; if not, the attempt after it supersedes it, and it is reversed where the channel allows and watched where it does not.
const (
	findPages = 100              // of 100 charges
	findTime  = 45 * time.Second // for the reconciler; within its lease
	findUntil = 10 * time.Minute // Ping++ does not have what it does not list so long after the request
)

// findWindows are how far beside the time of its reservation a charge's creation is looked for: first where it lies with clocks that
// agree, then where it can lie at all.
var findWindows = []struct{ before, after time.Duration }{
	{5 * time.Second, time.Minute},
	{5 * time.Minute, 15 * time.Minute},
}

// Attempts finds out what became of attempts to make a charge: of those that are unknown, and those whose number the channel says is paid.
type Attempts struct {
	scope     ledger.Scope
	pingpp    *pingpp.Client
	learner   *intake.Learner
	questions *asking.Questions
	now       func() time.Time
	rand      func() float64
	observe   func(result string)
	logger    *zap.Logger
}

// Find looks through Ping++'s list for the charges of unknown attempts, because a payer waits, records those that are there, and says
// how many. It ends with ctx, or with the first error.
func (a *Attempts) Find(ctx context.Context, l ledger.Ledger, unknown []ledger.Charge) (found int, err error) {
	return a.find(ctx, l, a.questions.Payers, unknown)
}

func (a *Attempts) find(ctx context.Context, l ledger.Ledger, budget *rate.Limiter, unknown []ledger.Charge) (found int, err error) {
	missing := make(map[string]*ledger.Charge, len(unknown))
	var first, last time.Time
	for i := range unknown {
		c := &unknown[i]
		missing[c.Number] = c
		if first.IsZero() || c.Created.Before(first) {
			first = c.Created
		}
		if c.Created.After(last) {
			last = c.Created
		}
	}
	for _, w := range findWindows {
		if err == nil && len(missing) > 0 {
			err = a.findBetween(ctx, l, budget, missing, first.Add(-w.before), last.Add(w.after))
		}
	}
	return len(unknown) - len(missing), err
}

// findBetween goes through the charges created in a time, and takes from missing what it finds.
func (a *Attempts) findBetween(ctx context.Context, l ledger.Ledger, budget *rate.Limiter, missing map[string]*ledger.Charge, from, to time.Time) error {
	after := ""
	for range findPages {
		if err := budget.Wait(ctx); err != nil {
			return fmt.Errorf("%w: %w", asking.ErrTooMuch, err)
		}
		page, err := a.pingpp.ListCharges(ctx, pingpp.ListParams{
			Limit: pingpp.MostListed, StartingAfter: after, CreatedGTE: from.Unix(), CreatedLTE: to.Unix(),
		})
		if err != nil {
			return err
		}
		for _, listed := range page.Data {
			after = listed.ID
			c := missing[listed.OrderNo]
			if c == nil || listed.Metadata[intake.MetaOrderNo] != c.OrderNo {
				continue // another system may use the same number at the same app: that charge is not ours
			}
			if err := a.adopt(ctx, l, c, listed); err != nil {
				return err
			}
			delete(missing, c.Number)
		}
		if !page.HasMore || len(missing) == 0 {
			return nil
		}
	}
	return fmt.Errorf("more than %d charges were created around %s", findPages*pingpp.MostListed, from.Format(time.RFC3339))
}

// adopt records a charge of ours that Ping++ lists. Without a credential it can be handed out to nobody, and is recorded without
// Ping++'s answer, so that it is not.
func (a *Attempts) adopt(ctx context.Context, l ledger.Ledger, c *ledger.Charge, listed *pingpp.Charge) error {
	if !listed.HasCredential() && !listed.Paid && !listed.Reversed {
		// A list may leave the credential out.
		if whole, err := a.pingpp.GetCharge(ctx, listed.ID); err == nil {
			listed = whole
		}
	}
	known := *c
	known.State, known.ID, known.Channel, known.Amount, known.Currency = ledger.Open, listed.ID, listed.Channel, listed.Amount, strings.ToLower(listed.Currency)
	known.Quoted = c.Created // until it is found, that is when it was reserved
	known.Created, known.TimeExpire, known.Reversed = time.Unix(listed.Created, 0), listed.Expires(), listed.Reversed
	known.NextQuery = a.now()
	known.Fingerprint = listed.Fingerprint()
	if listed.HasCredential() {
		known.Raw = listed.Raw
	}
	if err := l.Created(ctx, &known); err != nil {
		return err
	}
	a.logger.Info("charge of an unknown attempt found", zap.String("order_no", c.OrderNo), zap.String("charge", listed.ID),
		zap.String("number", c.Number), zap.Bool("credential", known.Raw != nil))
	if !listed.Paid {
		return nil
	}
	return a.learner.Payment(ctx, l, intake.Paid{Found: listed, Ours: &known})
}

// seek looks for an unknown attempt that is due, and decides when it is looked for again.
func (a *Attempts) seek(ctx context.Context, l ledger.Ledger, c *ledger.Charge) error {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	now := a.now()
	age := now.Sub(c.Created)
	next := ledger.Queried{Scope: a.scope, Number: c.Number, Next: now.Add(asking.Gap(age, a.rand())), Lease: c.Lease}
	found, err := a.find(ctx, l, a.questions.Later, []ledger.Charge{*c})
	switch {
	case err != nil:
		a.observe("error")
		if age >= errorsUntil {
			next.Next = time.Time{}
		}
	case found > 0:
		a.observe("found")
		return nil // its record says when to ask for it
	default:
		a.observe("absent")
		if age >= findUntil {
			next.Next = time.Time{}
			a.logger.Info("Ping++ has no charge for an attempt that got no answer", zap.String("order_no", c.OrderNo), zap.String("number", c.Number))
		}
	}
	return errors.Join(err, l.Queried(context.WithoutCancel(ctx), next))
}
