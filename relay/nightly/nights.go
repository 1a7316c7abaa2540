package nightly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	sweepHour    = 1         // of the day after, in China
	sweepAgain   = time.Hour // after one that failed; and nobody looks less often, whatever the clock did meanwhile
	sweepLease   = ledger.LongestLease
	sweepRenew   = 15 * time.Second
	sweepRelease = 5 * time.Second // to record how far it came, while the process ends
	sweepDays    = 30              // the most that are made up for
	sweepTries   = 24              // of one day, before it holds up those after it no longer
)

// Nights compares each day with Ping++'s list once it is over, and the days that were over while nobody could. How far it has come
// is in the ledger.
type Nights struct {
	*Comparison
	Owner  string // names this process in leases
	Logger *zap.Logger

	renew  time.Duration // instead of sweepRenew, in tests
	look   time.Duration // instead of successionLook and successionAgain, in tests
	failed int           // tries of the day that is next
}

// Run compares until ctx ends.
func (n *Nights) Run(ctx context.Context) {
	var beside sync.WaitGroup
	beside.Go(func() { n.follow(ctx) })
	defer beside.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait, err := n.catchUp(ctx)
		if err != nil && ctx.Err() == nil {
			n.Logger.Error("the comparison with Ping++ failed, trying again in an hour", zap.Error(err))
			wait = sweepAgain
		}
		timer.Reset(wait)
	}
}

// catchUp compares every day that is due, the oldest first, and says when to look again.
func (n *Nights) catchUp(ctx context.Context) (wait time.Duration, err error) {
	l, err := n.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	for {
		now := n.Now()
		claim := ledger.SweepClaim{Scope: n.Scope, Owner: n.Owner, To: n.due(now), Now: now, Until: now.Add(sweepLease)}
		from, granted, err := l.ClaimSweep(ctx, claim)
		switch {
		case err != nil:
			return 0, err
		case granted:
			if err := n.sweepFrom(ctx, l, claim, from); err != nil {
				return 0, err
			}
			sleep(ctx, sweepPause)
			continue
		case !from.IsZero() && from.Before(claim.To):
			return sweepLease, nil // another process compares, or has died
		}
		return min(n.untilSweep(now), sweepAgain), nil
	}
}

// sweepFrom compares the day of a moment under a lease, and records that it did.
func (n *Nights) sweepFrom(ctx context.Context, l ledger.Ledger, claim ledger.SweepClaim, from time.Time) (err error) {
	done := ledger.Swept{Scope: claim.Scope, Owner: claim.Owner}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepRelease)
		defer cancel()
		err = errors.Join(err, l.Swept(ctx, done))
	}()
	day := dayOf(from)
	if oldest := claim.To.AddDate(0, 0, -sweepDays); day.Before(oldest) {
		n.Logger.Warn("days that were over long ago are not compared with Ping++; run caddy pay reconcile --date for each of them",
			zap.String("from", day.Format(time.DateOnly)), zap.String("before", oldest.Format(time.DateOnly)))
		day = oldest
	}
	s, err := n.sweepHeld(ctx, l, claim, day)
	switch {
	case err == nil:
		n.report(s)
	case ctx.Err() != nil:
		return err
	case n.failed+1 < sweepTries:
		n.failed++
		return err
	default:
		n.Logger.Error("a day could not be compared with Ping++ and is left out; run caddy pay reconcile --date when the cause is mended",
			zap.String("date", day.Format(time.DateOnly)), zap.Error(err))
	}
	n.failed, done.To = 0, day.AddDate(0, 0, 1)
	return nil
}

// errSweepTaken ends a comparison that another process has taken over.
var errSweepTaken = errors.New("another process has taken the comparison over")

// sweepHeld compares a day, which may take minutes, and meanwhile keeps the lease.
func (n *Nights) sweepHeld(ctx context.Context, l ledger.Ledger, claim ledger.SweepClaim, day time.Time) (*Sweep, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel(nil)
	beside.Go(func() {
		tick := time.NewTicker(cmp.Or(n.renew, sweepRenew))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			claim.Prolong, claim.Now = true, n.Now()
			claim.Until = claim.Now.Add(sweepLease)
			if _, granted, err := l.ClaimSweep(ctx, claim); err == nil && !granted {
				cancel(errSweepTaken)
			}
		}
	})
	s, err := n.Day(ctx, day)
	if err == nil && !day.AddDate(0, 0, 1).Before(claim.To) { // once for all days that are made up for
		if failed := n.compareEarlier(ctx, s, day); failed != nil {
			err = ctx.Err()
			n.Logger.Warn("charges of the month before, of which money went back, could not all be compared with Ping++; the next night does it again", zap.Error(failed))
		}
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", day.Format(time.DateOnly), err)
	}
	return s, nil
}

// report logs what a comparison found; what differs is a warning.
func (n *Nights) report(s *Sweep) {
	log := n.Logger.Info
	if !s.Clean() {
		log = n.Logger.Warn
	}
	message := "day compared with Ping++"
	if s.Cut {
		message = "day compared with Ping++, but not whole: it has more charges than can be compared"
	}
	log(message, zap.String("date", s.Date), zap.Int("at_pingpp", s.AtPingpp), zap.Int("in_ledger", s.InLedger), zap.Int("recovered", s.Recovered), zap.Int("returned", s.Returned),
		zap.Int("only_there", len(s.OnlyThere)), zap.Int("only_here", len(s.OnlyHere)), zap.Int("differ", len(s.Differ)), zap.Bool("cut", s.Cut))
}

// due is the end of the last day that should have been compared by now. Not all merchants ask at once, and the same one always at the
// same time of the day.
func (n *Nights) due(now time.Time) time.Time { return dayOf(now.Add(-n.sweepTime())) }

// untilSweep is the time until the next day is due.
func (n *Nights) untilSweep(now time.Time) time.Duration {
	return n.due(now).AddDate(0, 0, 1).Add(n.sweepTime()).Sub(now)
}

// sweepTime is how long after its end a day is compared: from 1:00 to 1:30 at night.
func (n *Nights) sweepTime() time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(n.Scope.Key()))
	return sweepHour*time.Hour + time.Duration(h.Sum32()%1800)*time.Second
}

// dayOf is the beginning of a moment's day in China.
func dayOf(t time.Time) time.Time {
	y, m, d := t.In(China).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, China)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
