package nightly

import (
	"context"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/pingpp"
)

// returnedDays is how long before a day the charges were created of which is looked whether money went back: Ping++ lists no more by default.
const returnedDays = 30

// compareEarlier looks at the charges created in the month before a day of which Ping++ says that money went back: that may have been on any day since,
// as in the dashboard, and the webhook have been lost, while nobody was there or with a ledger of which this one is a backup.
func (n *Comparison) compareEarlier(ctx context.Context, s *Sweep, day time.Time) error {
	l, err := n.Ledger(ctx)
	if err != nil {
		return err
	}
	refunded := true
	p := pingpp.ListParams{Limit: pingpp.MostListed, CreatedGT: day.AddDate(0, 0, -returnedDays).Unix(), CreatedLT: day.Unix(), Refunded: &refunded}
	for seen := 0; seen < n.most(); {
		if err := n.Budget.Wait(ctx); err != nil {
			return err
		}
		page, err := n.Pingpp.ListCharges(ctx, p)
		if err != nil {
			return fmt.Errorf("listing Ping++'s charges before %s of which money went back: %w", s.Date, err)
		}
		for _, found := range page.Data {
			seen, p.StartingAfter = seen+1, found.ID
			if err := n.compareMoney(ctx, l, s, found); err != nil {
				return err
			}
		}
		if !page.HasMore {
			return nil
		}
		sleep(ctx, sweepPause)
	}
	s.Cut = true
	return nil
}
