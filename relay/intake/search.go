package intake

import (
	"context"
	"fmt"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

const (
	refundPages   = 10 // of 100; WeChat has at most 50 refunds of a charge
	refundPerPage = 100
)

// SearchRefunds goes through the refunds at Ping++ of a charge, or of its Ping++ order, until one matches; nil when none does.
func SearchRefunds(ctx context.Context, c *pingpp.Client, re *ledger.Refund, matches func(*pingpp.Refund) bool) (*pingpp.Refund, error) {
	p := pingpp.ListRefundsParams{Limit: refundPerPage}
	for page := 1; page <= refundPages; page++ {
		var list *pingpp.RefundList
		var err error
		if re.Through == "" {
			list, err = c.ListRefunds(ctx, re.ChargeID, p)
		} else {
			list, err = c.ListOrderRefunds(ctx, re.Through, pingpp.OrderPage{Page: page, PerPage: refundPerPage})
		}
		if err != nil {
			return nil, err
		}
		for _, found := range list.Data {
			if matches(found) {
				return found, nil
			}
		}
		if !list.HasMore {
			return nil, nil
		}
		p.StartingAfter = list.Data[len(list.Data)-1].ID
	}
	return nil, fmt.Errorf("charge %s has more than %d refunds", re.ChargeID, refundPages*refundPerPage)
}
