package reconcile

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
)

const (
	queryLease = time.Minute           // longer than one look-up takes: three calls to Ping++, retries included
	queryStart = queryLease - findTime // what has not begun so long after the claim is left for another
	queryPoll  = time.Second           // how often the ledger is asked for charges that are due
	queryClaim = 100                   // charges that are claimed at once: what one list can answer
	queryBatch = 8                     // calls at a time; lists replace single questions when more charges than that are due
	listWrites = 4 * queryBatch        // of what a list said, at a time
	listWorth  = 4                     // lists may cost a quarter of the questions that they replace
)

// Due looks up the charges that are due.
type Due struct {
	scope     ledger.Scope
	ledger    func(context.Context) (ledger.Ledger, error)
	pingpp    *pingpp.Client
	charges   *Charges
	attempts  *Attempts
	questions *asking.Questions
	owner     string
	observe   func(result string)
	now       func() time.Time
	logger    *zap.Logger
}

// run looks them up until ctx ends.
func (d *Due) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, kind := range []ledger.QueryKind{ledger.QueryTold, ledger.QueryFirst, ledger.QueryLater} {
		all.Go(func() { d.follow(ctx, kind) })
	}
	all.Wait()
}

// follow looks up the charges of one kind that are due, until ctx ends.
func (d *Due) follow(ctx context.Context, kind ledger.QueryKind) {
	poll := time.NewTicker(queryPoll)
	defer poll.Stop()
	for ctx.Err() == nil {
		looked, err := d.Round(ctx, kind)
		if err != nil && ctx.Err() == nil {
			d.logger.Warn("cannot look up charges whose webhook is late, trying again", zap.Error(err))
		}
		if looked == queryClaim && err == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

// Round looks up the charges of one kind that are due, at most queryClaim, and says how many there were.
func (d *Due) Round(ctx context.Context, kind ledger.QueryKind) (int, error) {
	l, err := d.ledger(ctx)
	if err != nil {
		return 0, err
	}
	now := d.now()
	claimed, err := l.ClaimQueries(ctx, ledger.QueryClaim{
		Scope: d.scope, Kind: kind, Owner: d.owner, Now: now, Until: now.Add(queryLease), Limit: queryClaim,
	})
	if err != nil {
		return 0, err
	}
	budget := d.questions.Of(kind)
	begin, cancel := context.WithTimeout(ctx, queryStart) // the leases of the others run out, and somebody else asks
	defer cancel()
	left := claimed
	if len(claimed) > queryBatch {
		left = d.list(begin, l, budget, claimed)
	}
	var calls errgroup.Group
	calls.SetLimit(queryBatch)
	for i := range left {
		c, ask := &left[i], d.charges.lookUp
		switch {
		case c.State == ledger.Taken:
			ask = d.attempts.seekPaid
		case c.ID == "":
			ask = d.attempts.seek
		}
		calls.Go(func() error {
			if c.ID != "" {
				if later, err := d.postpone(ctx, l, c); later || err != nil || budget.Wait(begin) != nil {
					return nil
				}
			}
			if begin.Err() != nil {
				return nil
			}
			d.logLookUp(ctx, c, ask(ctx, l, c))
			return nil
		})
	}
	return len(claimed), calls.Wait()
}

// list answers look-ups from Ping++'s list of charges, up to a hundred with one question, and returns those that are left. Among many
// charges that are not due it would take more lists than questions: it ends before that.
func (d *Due) list(ctx context.Context, l ledger.Ledger, budget *rate.Limiter, claimed []ledger.Charge) (left []ledger.Charge) {
	missing := make(map[string]*ledger.Charge, len(claimed))
	for i := range claimed {
		if c := &claimed[i]; c.ID == "" || c.Superseded { // those are sought or reversed
			left = append(left, *c)
		} else {
			missing[c.ID] = c
		}
	}
	var writes errgroup.Group
	writes.SetLimit(listWrites)
	var last *pingpp.Charge // of the page before
	more := true
	for pages := 0; more && pages < len(claimed)/listWorth && len(missing) > 1; pages++ {
		p := window(missing)
		if last != nil && p.CreatedLTE >= last.Created {
			p.StartingAfter = last.ID
		}
		if budget.Wait(ctx) != nil {
			break
		}
		page, err := d.pingpp.ListCharges(ctx, p)
		if err != nil {
			d.logger.Warn("charges that are due could not be listed, asking for each by itself", zap.Int("charges", len(missing)), zap.Error(err))
			break
		}
		more = page.HasMore
		for _, found := range page.Data {
			last = found
			if c := missing[found.ID]; c != nil {
				delete(missing, c.ID)
				writes.Go(func() error {
					result, err := d.charges.conclude(context.WithoutCancel(ctx), l, c, found, nil, false)
					d.observe(result)
					d.logLookUp(ctx, c, err)
					return nil
				})
			}
		}
	}
	_ = writes.Wait()
	for i := range claimed {
		if missing[claimed[i].ID] != nil {
			left = append(left, claimed[i])
		}
	}
	return left
}

// postpone puts off the look-up of a superseded attempt that cannot be reversed yet, and says whether it did: until then there is no need to ask.
func (d *Due) postpone(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (bool, error) {
	now := d.now()
	wait := unripe(c, now)
	if !c.Superseded || !pingpp.Reversible(c.Channel) || wait <= 0 {
		return false, nil
	}
	return true, l.Queried(ctx, ledger.Queried{Scope: d.scope, ChargeID: c.ID, Next: now.Add(wait), Superseded: true, Lease: c.Lease})
}

// window is the time in which charges were created, as a list is asked for.
func window(charges map[string]*ledger.Charge) pingpp.ListParams {
	p := pingpp.ListParams{Limit: pingpp.MostListed}
	for _, c := range charges {
		created := c.Created.Unix()
		if p.CreatedGTE == 0 || created < p.CreatedGTE {
			p.CreatedGTE = created
		}
		p.CreatedLTE = max(p.CreatedLTE, created)
	}
	return p
}

func (d *Due) logLookUp(ctx context.Context, c *ledger.Charge, err error) {
	if err != nil && ctx.Err() == nil {
		d.logger.Warn("a charge could not be looked up", zap.String("order_no", c.OrderNo), zap.String("number", c.Number),
			zap.String("charge", c.ID), zap.Int("queries", c.Queries), zap.Error(err))
	}
}
