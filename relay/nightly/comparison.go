// Package nightly compares the ledger with Ping++'s list of charges, day by day.
package nightly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
)

// China is where Ping++'s days begin.
var China = time.FixedZone("UTC+8", 8*60*60)

const (
	sweepPause = 400 * time.Millisecond // between pages: half of what can wait is left for others
	// A day's charges are compared in memory. A comparison of more of them is cut, and says so.
	sweepMost = 500_000
)

// Sweep is what the comparison of a day found.
type Sweep struct {
	Date      string `json:"date"`       // in UTC+8, by the charges' creation
	AtPingpp  int    `json:"at_pingpp"`  // charges that Ping++ lists
	InLedger  int    `json:"in_ledger"`  // charges that the ledger has
	Recovered int    `json:"recovered"`  // payments that only Ping++ knew, now recorded and queued
	Returned  int    `json:"returned"`   // charges of which only Ping++ knew that money went back, by refund or reversal, now recorded
	OnlyThere []Item `json:"only_there"` // charges that are not the ledger's own: made elsewhere, or lost with an answer or with the ledger
	OnlyHere  []Item `json:"only_here"`  // charges that Ping++ does not list
	Differ    []Item `json:"differ"`     // charges whose amount, or money refunded, is not the same
	Cut       bool   `json:"cut"`        // the day has more charges than can be compared, and the rest was not
}

// Item is a charge that one side lacks or knows otherwise.
type Item struct {
	Charge  string `json:"charge"`
	OrderNo string `json:"order_no"`
	Amount  int64  `json:"amount"` // fen
	Paid    bool   `json:"paid"`
	What    string `json:"what,omitempty"`
}

// Clean reports whether both sides agree about the whole day.
func (s *Sweep) Clean() bool { return !s.Cut && len(s.OnlyThere)+len(s.OnlyHere)+len(s.Differ) == 0 }

// Comparison compares the charges of one app and mode.
type Comparison struct {
	Scope   ledger.Scope
	Ledger  func(context.Context) (ledger.Ledger, error)
	Pingpp  *pingpp.Client
	Learner *intake.Learner
	Budget  *rate.Limiter // of questions to Ping++
	Now     func() time.Time

	atMost int // instead of sweepMost, in tests
}

func (n *Comparison) most() int { return cmp.Or(n.atMost, sweepMost) }

// Day compares the charges created on a day, in UTC+8, with Ping++'s list. A payment that the ledger has missed is recorded and
// delivered like any other.
func (n *Comparison) Day(ctx context.Context, day time.Time) (*Sweep, error) {
	from := dayOf(day)
	to := from.AddDate(0, 0, 1)
	s := &Sweep{Date: from.Format(time.DateOnly), OnlyThere: []Item{}, OnlyHere: []Item{}, Differ: []Item{}}
	l, err := n.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := n.ours(ctx, l, s, from, to)
	if err != nil {
		return nil, err
	}
	s.InLedger = len(ours)
	after, last, listed := "", from, from // the newest charges come first: the list is compared down to listed
	for {
		if err := n.Budget.Wait(ctx); err != nil {
			return nil, err
		}
		page, err := n.Pingpp.ListCharges(ctx, pingpp.ListParams{
			Limit: pingpp.MostListed, StartingAfter: after, CreatedGTE: from.Unix(), CreatedLT: to.Unix(),
		})
		if err != nil {
			return nil, fmt.Errorf("listing Ping++'s charges of %s: %w", s.Date, err)
		}
		for _, found := range page.Data {
			s.AtPingpp++
			c := ours[found.ID]
			if c == nil && s.Cut { // it may be one of those that were too many
				if c, err = l.Charge(ctx, n.Scope, found.ID); err != nil && !errors.Is(err, ledger.ErrNotFound) {
					return nil, err
				}
			}
			if err := n.compare(ctx, s, c, found); err != nil {
				return nil, err
			}
			delete(ours, found.ID)
			after, last = found.ID, time.Unix(found.Created, 0)
		}
		if !page.HasMore {
			break
		}
		if s.AtPingpp >= n.most() {
			s.Cut, listed = true, last.Add(time.Second)
			break
		}
		sleep(ctx, sweepPause)
	}
	for _, id := range slices.Sorted(maps.Keys(ours)) {
		c := ours[id]
		if c.Created.Before(listed) {
			continue // Ping++ may have it
		}
		s.OnlyHere = append(s.OnlyHere, Item{Charge: c.ID, OrderNo: c.OrderNo, Amount: c.Amount, Paid: c.Paid})
	}
	return s, nil
}

// ours returns the ledger's charges of a day by their id; s is told when they are too many.
func (n *Comparison) ours(ctx context.Context, l ledger.Ledger, s *Sweep, from, to time.Time) (map[string]*ledger.Charge, error) {
	all := make(map[string]*ledger.Charge)
	for after := ""; ; {
		page, err := l.ChargesCreated(ctx, n.Scope, from, to, after, min(1000, n.most()+1))
		if err != nil {
			return nil, err
		}
		for i := range page {
			page[i].Raw = nil
			all[page[i].ID] = &page[i]
			after = page[i].ID
		}
		if len(page) == 0 {
			return all, nil
		}
		if len(all) > n.most() {
			s.Cut = true
			return all, nil
		}
	}
}

// compare looks at one charge of Ping++'s list beside ours, which is nil when the ledger does not have it.
func (n *Comparison) compare(ctx context.Context, s *Sweep, ours *ledger.Charge, found *pingpp.Charge) error {
	l, err := n.Ledger(ctx)
	if err != nil {
		return err
	}
	item := Item{Charge: found.ID, OrderNo: found.OrderNo, Amount: found.Amount, Paid: found.Paid}
	if merchant := found.Metadata[intake.MetaOrderNo]; merchant != "" {
		item.OrderNo = merchant
	}
	switch {
	case ours == nil || ours.State == ledger.Foreign:
		s.OnlyThere = append(s.OnlyThere, item)
		return n.compareMoney(ctx, l, s, found)
	case found.Paid && !ours.Paid:
		if err := n.Learner.Payment(ctx, l, intake.Paid{Found: found, Ours: ours}); err != nil {
			return err
		}
		s.Recovered++
	case ours.Paid && !found.Paid:
		item.What = "paid here, not at Ping++"
	}
	if ours, err = n.compareReturned(ctx, l, s, ours, found); err != nil {
		return err
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

// compareMoney looks at the money of a charge that may be anybody's. One that carries a merchant's number was made through us, and where the ledger does
// not have it, that is a backup from before, or was lost. Its payment, of which Ping++ will not tell again, is recorded, and so is what went back of
// any payment.
func (n *Comparison) compareMoney(ctx context.Context, l ledger.Ledger, s *Sweep, found *pingpp.Charge) error {
	ours, err := l.Charge(ctx, n.Scope, found.ID)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	if found.Paid && (ours == nil || !ours.Paid) && found.Metadata[intake.MetaOrderNo] != "" {
		if err := n.Learner.Payment(ctx, l, intake.Paid{Found: found, Ours: ours}); err != nil {
			return err
		}
		s.Recovered++
		ours, err = l.Charge(ctx, n.Scope, found.ID)
	}
	if err == nil && ours.Paid {
		_, err = n.compareReturned(ctx, l, s, ours, found)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	return err
}

// compareReturned records what only Ping++ knows of money that went back, and returns our charge as it stands then.
func (n *Comparison) compareReturned(ctx context.Context, l ledger.Ledger, s *Sweep, ours *ledger.Charge, found *pingpp.Charge) (*ledger.Charge, error) {
	ours, err := l.Charge(ctx, n.Scope, ours.ID) // a payment that was just learned may have brought its refunds
	if err != nil {
		return nil, err
	}
	before := *ours
	if found.Reversed && !ours.Reversed {
		if err := l.Queried(ctx, ledger.Queried{Scope: n.Scope, ChargeID: ours.ID, Reversed: true, At: n.Now()}); err != nil {
			return nil, err
		}
	}
	if ours.Paid && found.AmountRefunded > ours.AmountRefunded {
		if err := n.Learner.Refunds(ctx, l, ours.ID, ours.OrderNo); err != nil {
			return nil, fmt.Errorf("listing the refunds of charge %s: %w", ours.ID, err)
		}
	}
	if ours, err = l.Charge(ctx, n.Scope, ours.ID); err == nil && (ours.Reversed != before.Reversed || ours.AmountRefunded != before.AmountRefunded) {
		s.Returned++
	}
	return ours, err
}
