package relay

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// China is where Ping++'s days begin.
var China = time.FixedZone("UTC+8", 8*60*60)

const (
	sweepHour  = 1 // of the day after, in China
	sweepAgain = time.Hour
	sweepPage  = 100                    // charges; the most that Ping++ lists at once
	sweepPause = 400 * time.Millisecond // between pages: half of what can wait is left for others
	// A day's charges are compared in memory; a merchant with more of them should know.
	sweepMost = 500_000
)

// Sweep is what the comparison of a day found.
type Sweep struct {
	Date      string `json:"date"`       // in UTC+8, by the charges' creation
	AtPingpp  int    `json:"at_pingpp"`  // charges that Ping++ lists
	InLedger  int    `json:"in_ledger"`  // charges that the ledger has
	Recovered int    `json:"recovered"`  // payments that only Ping++ knew, now recorded and queued
	OnlyThere []Item `json:"only_there"` // charges that the ledger does not know: made elsewhere, or lost with an answer
	OnlyHere  []Item `json:"only_here"`  // charges that Ping++ does not list
	Differ    []Item `json:"differ"`     // charges whose amount, or money refunded, is not the same
}

// Item is a charge that one side lacks or knows otherwise.
type Item struct {
	Charge  string `json:"charge"`
	OrderNo string `json:"order_no"`
	Amount  int64  `json:"amount"` // fen
	Paid    bool   `json:"paid"`
	What    string `json:"what,omitempty"`
}

// Clean reports whether both sides agree.
func (s *Sweep) Clean() bool { return len(s.OnlyThere)+len(s.OnlyHere)+len(s.Differ) == 0 }

// Sweep compares the charges created on a day, in UTC+8, with Ping++'s list. A payment that the ledger has missed is recorded and
// delivered like any other.
func (r *Reconciler) Sweep(ctx context.Context, day time.Time) (*Sweep, error) {
	y, m, d := day.In(China).Date()
	from := time.Date(y, m, d, 0, 0, 0, 0, China)
	to := from.AddDate(0, 0, 1)
	s := &Sweep{Date: from.Format(time.DateOnly), OnlyThere: []Item{}, OnlyHere: []Item{}, Differ: []Item{}}
	l, err := r.cfg.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := r.ours(ctx, l, from, to)
	if err != nil {
		return nil, err
	}
	s.InLedger = len(ours)
	after := ""
	for {
		if err := r.cfg.Questions.later.Wait(ctx); err != nil {
			return nil, err
		}
		page, err := r.cfg.Pingpp.ListCharges(ctx, pingpp.ListParams{
			Limit: sweepPage, StartingAfter: after, CreatedGTE: from.Unix(), CreatedLT: to.Unix(),
		})
		if err != nil {
			return nil, fmt.Errorf("listing Ping++'s charges of %s: %w", s.Date, err)
		}
		for _, found := range page.Data {
			s.AtPingpp++
			if err := r.compare(ctx, s, ours[found.ID], found); err != nil {
				return nil, err
			}
			delete(ours, found.ID)
			after = found.ID
		}
		if !page.HasMore || len(page.Data) == 0 {
			break
		}
		if s.AtPingpp > sweepMost {
			return nil, fmt.Errorf("more than %d charges are listed at Ping++ for %s", sweepMost, s.Date)
		}
		sleep(ctx, sweepPause)
	}
	for _, id := range slices.Sorted(maps.Keys(ours)) {
		c := ours[id]
		s.OnlyHere = append(s.OnlyHere, Item{Charge: c.ID, OrderNo: c.OrderNo, Amount: c.Amount, Paid: c.Paid})
	}
	return s, nil
}

// ours returns the ledger's charges of a day by their id.
func (r *Reconciler) ours(ctx context.Context, l ledger.Ledger, from, to time.Time) (map[string]*ledger.Charge, error) {
	all := make(map[string]*ledger.Charge)
	for after := ""; ; {
		page, err := l.ChargesCreated(ctx, r.cfg.Scope, from, to, after, 1000)
		if err != nil {
			return nil, err
		}
		for i := range page {
			page[i].Raw = nil
			all[page[i].ID] = &page[i]
			after = page[i].ID
		}
		if len(page) == 0 || len(all) > sweepMost {
			return all, nil
		}
	}
}

// compare looks at one charge of Ping++'s list beside ours, which is nil when the ledger does not have it.
func (r *Reconciler) compare(ctx context.Context, s *Sweep, ours *ledger.Charge, found *pingpp.Charge) error {
	item := Item{Charge: found.ID, OrderNo: found.OrderNo, Amount: found.Amount, Paid: found.Paid}
	if merchant := found.Metadata[metaOrderNo]; merchant != "" {
		item.OrderNo = merchant
	}
	switch {
	case ours == nil || ours.State == ledger.Foreign:
		s.OnlyThere = append(s.OnlyThere, item)
		return nil
	case found.Paid && !ours.Paid:
		_, err := r.cfg.Intake.Accept(ctx, Arrival{
			Event: paidEvent(found, r.cfg.Now()), Charge: ours, OrderNo: ours.OrderNo, Source: ledger.Query, Host: ours.Host,
		})
		if err != nil {
			return err
		}
		s.Recovered++
	case ours.Paid && !found.Paid:
		item.What = "paid here, not at Ping++"
	}
	if found.Amount != ours.Amount {
		item.What = fmt.Sprintf("amount %d here, %d at Ping++", ours.Amount, found.Amount)
	} else if found.AmountRefunded != ours.AmountRefunded {
		item.What = fmt.Sprintf("refunded %d here, %d at Ping++", ours.AmountRefunded, found.AmountRefunded)
	}
	if item.What != "" {
		s.Differ = append(s.Differ, item)
	}
	return nil
}

// sweepDaily compares each day with Ping++'s list once it is over, until ctx ends.
func (r *Reconciler) sweepDaily(ctx context.Context) {
	timer := time.NewTimer(r.untilSweep())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait := sweepAgain
		if r.sweepYesterday(ctx) {
			wait = r.untilSweep()
		}
		timer.Reset(wait)
	}
}

// untilSweep is the time to the next daily comparison. Not all merchants ask at once, and the same one always at the same time of
// the day: a reload shortly before it must not put it off to the next day.
func (r *Reconciler) untilSweep() time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.cfg.Scope.Key()))
	now := r.cfg.Now().In(China)
	next := time.Date(now.Year(), now.Month(), now.Day(), sweepHour, 0, int(h.Sum32()%1800), 0, China)
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next.Sub(now)
}

// sweepYesterday compares the day that has ended, logs what differs, and says whether it could.
func (r *Reconciler) sweepYesterday(ctx context.Context) bool {
	day := r.cfg.Now().Add(-24 * time.Hour)
	s, err := r.Sweep(ctx, day)
	if err != nil {
		r.cfg.Logger.Error("the day could not be compared with Ping++, trying again in an hour; if Caddy is stopped before that, run caddy pay reconcile --date",
			zap.String("date", day.In(China).Format(time.DateOnly)), zap.Error(err))
		return false
	}
	log := r.cfg.Logger.Info
	if !s.Clean() {
		log = r.cfg.Logger.Warn
	}
	log("day compared with Ping++", zap.String("date", s.Date), zap.Int("at_pingpp", s.AtPingpp), zap.Int("in_ledger", s.InLedger),
		zap.Int("recovered", s.Recovered), zap.Int("only_there", len(s.OnlyThere)), zap.Int("only_here", len(s.OnlyHere)), zap.Int("differ", len(s.Differ)))
	return true
}
