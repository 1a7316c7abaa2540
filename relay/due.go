package relay

import (
	"context"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
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

// follow looks up the charges of one kind that are due, until ctx ends.
func (r *Reconciler) follow(ctx context.Context, kind ledger.QueryKind) {
	poll := time.NewTicker(queryPoll)
	defer poll.Stop()
	for ctx.Err() == nil {
		looked, err := r.round(ctx, kind)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("cannot look up charges whose webhook is late, trying again", zap.Error(err))
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

// round looks up the charges of one kind that are due, at most queryClaim, and says how many there were.
func (r *Reconciler) round(ctx context.Context, kind ledger.QueryKind) (int, error) {
	l, err := r.cfg.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	now := r.cfg.Now()
	due, err := l.ClaimQueries(ctx, ledger.QueryClaim{
		Scope: r.cfg.Scope, Kind: kind, Owner: r.cfg.Owner, Now: now, Until: now.Add(queryLease), Limit: queryClaim,
	})
	if err != nil {
		return 0, err
	}
	budget := r.cfg.Questions.of(kind)
	begin, cancel := context.WithTimeout(ctx, queryStart) // the leases of the others run out, and somebody else asks
	defer cancel()
	left := due
	if len(due) > queryBatch {
		left = r.list(begin, l, budget, due)
	}
	var calls errgroup.Group
	calls.SetLimit(queryBatch)
	for i := range left {
		c, ask := &left[i], r.lookUp
		switch {
		case c.State == ledger.Taken:
			ask = r.seekPaid
		case c.ID == "":
			ask = r.seek
		}
		calls.Go(func() error {
			if c.ID != "" {
				if later, err := r.postpone(ctx, l, c); later || err != nil || budget.Wait(begin) != nil {
					return nil
				}
			}
			if begin.Err() != nil {
				return nil
			}
			r.logLookUp(ctx, c, ask(ctx, l, c))
			return nil
		})
	}
	return len(due), calls.Wait()
}

// list answers look-ups from Ping++'s list of charges, up to a hundred with one question, and returns those that are left. Among many
// charges that are not due it would take more lists than questions: it ends before that.
func (r *Reconciler) list(ctx context.Context, l ledger.Ledger, budget *rate.Limiter, due []ledger.Charge) (left []ledger.Charge) {
	missing := make(map[string]*ledger.Charge, len(due))
	for i := range due {
		if c := &due[i]; c.ID == "" || c.Superseded { // those are sought or reversed
			left = append(left, *c)
		} else {
			missing[c.ID] = c
		}
	}
	var writes errgroup.Group
	writes.SetLimit(listWrites)
	var last *pingpp.Charge // of the page before
	more := true
	for pages := 0; more && pages < len(due)/listWorth && len(missing) > 1; pages++ {
		p := window(missing)
		if last != nil && p.CreatedLTE >= last.Created {
			p.StartingAfter = last.ID
		}
		if budget.Wait(ctx) != nil {
			break
		}
		page, err := r.cfg.Pingpp.ListCharges(ctx, p)
		if err != nil {
			r.cfg.Logger.Warn("charges that are due could not be listed, asking for each by itself", zap.Int("charges", len(missing)), zap.Error(err))
			break
		}
		more = page.HasMore
		for _, found := range page.Data {
			last = found
			if c := missing[found.ID]; c != nil {
				delete(missing, c.ID)
				writes.Go(func() error {
					result, err := r.conclude(context.WithoutCancel(ctx), l, c, found, nil, false)
					r.cfg.Observe(result)
					r.logLookUp(ctx, c, err)
					return nil
				})
			}
		}
	}
	_ = writes.Wait()
	for i := range due {
		if missing[due[i].ID] != nil {
			left = append(left, due[i])
		}
	}
	return left
}

// window is the time in which charges were created, as a list is asked for.
func window(charges map[string]*ledger.Charge) pingpp.ListParams {
	p := pingpp.ListParams{Limit: sweepPage}
	for _, c := range charges {
		created := c.Created.Unix()
		if p.CreatedGTE == 0 || created < p.CreatedGTE {
			p.CreatedGTE = created
		}
		p.CreatedLTE = max(p.CreatedLTE, created)
	}
	return p
}

func (r *Reconciler) logLookUp(ctx context.Context, c *ledger.Charge, err error) {
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("a charge could not be looked up", zap.String("order_no", c.OrderNo), zap.String("number", c.Number),
			zap.String("charge", c.ID), zap.Int("queries", c.Queries), zap.Error(err))
	}
}
