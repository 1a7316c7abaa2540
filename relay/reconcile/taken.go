package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
)

// A shop may have charged through the same app before this ledger was there. A channel that says of a number "already paid" then knows
// of a payment that we do not: the attempt is taken, and until it is clear whose charge that was, nobody is charged for the order again.
const (
	takenSince = 90 * 24 * time.Hour // how long before our attempt the charge may have been created
	takenUntil = 24 * time.Hour      // how long it is looked for

	// How long before a payment may have been made of which a ledger that is a backup does not know yet. What is older the comparison of its day
	// has found.
	paidSince = 48 * time.Hour
)

// Holder is whose charge has the number of an attempt that is taken.
type Holder string

// What FindPaid finds.
const (
	HolderUnknown Holder = ""      // Ping++ lists no paid charge that tells: the order stays as it is
	HolderOrder   Holder = "order" // the attempt's own order: its payment is recorded
	HolderOther   Holder = "other" // another order: the number is no good to this one, and it may be charged by another
)

// FindPaid looks through Ping++'s list for the paid charge that has the number of a taken attempt, because a payer waits, and records what follows
// from it. It ends with ctx, or with the first error.
func (a *Attempts) FindPaid(ctx context.Context, l ledger.Ledger, c *ledger.Charge) (Holder, error) {
	return a.findPaid(ctx, l, a.questions.Payers, c)
}

func (a *Attempts) findPaid(ctx context.Context, l ledger.Ledger, budget *rate.Limiter, c *ledger.Charge) (Holder, error) {
	after, paid := "", true
	for range findPages {
		if err := budget.Wait(ctx); err != nil {
			return HolderUnknown, fmt.Errorf("%w: %w", asking.ErrTooMuch, err)
		}
		page, err := a.pingpp.ListCharges(ctx, pingpp.ListParams{
			Limit: pingpp.MostListed, StartingAfter: after, CreatedGTE: c.Created.Add(-takenSince).Unix(), Paid: &paid,
		})
		if err != nil {
			return HolderUnknown, err
		}
		for _, listed := range page.Data {
			after = listed.ID
			if !listed.Paid || listed.OrderNo != c.Number {
				continue
			}
			switch named := listed.Metadata[intake.MetaOrderNo]; {
			case named == c.OrderNo, named == "" && c.Number == c.OrderNo:
				return HolderOrder, a.recordTaken(ctx, l, c, listed)
			case named != "":
				return HolderOther, l.Release(ctx, ledger.Release{Scope: a.scope, Number: c.Number, As: ledger.Refused})
			}
		}
		if !page.HasMore {
			return HolderUnknown, nil
		}
	}
	return HolderUnknown, fmt.Errorf("more than %d charges were paid since %s", findPages*pingpp.MostListed, c.Created.Add(-takenSince).Format(time.DateOnly))
}

// ErrNewestOnly says that there are more payments than could be looked through.
var ErrNewestOnly = errors.New("relay: only the newest payments could be looked through")

// FindPayment looks through Ping++'s list for a paid charge that was made through us for an order under whatever number, since a number of the order was
// used that this ledger has never given away: it may be a backup. It says whether there is one that the ledger did not know to be paid, and records its
// payment. When the time of ctx is over it has looked at the newest ones: ErrNewestOnly.
func (a *Attempts) FindPayment(ctx context.Context, l ledger.Ledger, orderNo string) (bool, error) {
	p, paid := pingpp.ListParams{Limit: pingpp.MostListed, CreatedGTE: a.now().Add(-paidSince).Unix()}, true
	p.Paid = &paid
	for n := range findPages {
		page, err := a.payersPage(ctx, p)
		switch {
		case err != nil && n > 0 && (errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, asking.ErrTooMuch) && a.lastTurn(ctx)):
			return false, fmt.Errorf("%w, %d of them: %w", ErrNewestOnly, n*pingpp.MostListed, err)
		case err != nil:
			return false, err
		}
		for _, listed := range page.Data {
			p.StartingAfter = listed.ID
			if !listed.Paid || listed.Metadata[intake.MetaOrderNo] != orderNo {
				continue
			}
			ours, err := l.Charge(ctx, a.scope, listed.ID)
			switch {
			case err != nil && !errors.Is(err, ledger.ErrNotFound):
				return false, err
			case err == nil && ours.Paid: // if it still counts, whoever asks has seen it
				continue
			}
			return true, a.learner.Payment(ctx, l, intake.Paid{Found: listed, Ours: ours})
		}
		if !page.HasMore {
			return false, nil
		}
	}
	return false, fmt.Errorf("%w, %d of them", ErrNewestOnly, findPages*pingpp.MostListed)
}

// lastTurn says that the time of ctx ends before the budget of payers has another turn: whoever took the one before took the last that there was time for.
func (a *Attempts) lastTurn(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end).Seconds()*float64(a.questions.Payers.Limit()) <= 1
}

// payersPage asks for a page of charges while somebody waits to pay.
func (a *Attempts) payersPage(ctx context.Context, p pingpp.ListParams) (*pingpp.ChargeList, error) {
	if err := a.questions.Payers.Wait(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", asking.ErrTooMuch, err)
	}
	return a.pingpp.ListCharges(ctx, p)
}

// recordTaken records the charge that has paid an order, and its payment. To whom it belongs only its openid can say: whoever asked for our attempt may be
// somebody else.
func (a *Attempts) recordTaken(ctx context.Context, l ledger.Ledger, c *ledger.Charge, listed *pingpp.Charge) error {
	known := *c
	var extra struct {
		OpenID string `json:"open_id"`
	}
	if listed.Channel != c.Channel || json.Unmarshal(listed.Extra, &extra) != nil || extra.OpenID != c.Payer {
		known.Payer, known.PayerAppID = "", ""
	}
	a.logger.Warn("the order was paid outside of this ledger; the payment is recorded and delivered", zap.String("order_no", c.OrderNo),
		zap.String("charge", listed.ID), zap.Int64("amount", listed.Amount))
	return a.adopt(ctx, l, &known, listed)
}

// seekPaid looks for the charge of a taken attempt that is due, and decides when it is looked for again.
func (a *Attempts) seekPaid(ctx context.Context, l ledger.Ledger, c *ledger.Charge) error {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	now := a.now()
	age := now.Sub(c.Created)
	next := ledger.Queried{Scope: a.scope, Number: c.Number, Next: now.Add(asking.Gap(age, a.rand())), Lease: c.Lease}
	holder, err := a.findPaid(ctx, l, a.questions.Later, c)
	switch {
	case err != nil:
		a.observe("error")
	case holder != HolderUnknown:
		a.observe("found")
		return nil // its record says what comes next
	default:
		a.observe("absent")
	}
	if age >= takenUntil {
		next.Next = time.Time{}
		a.logger.Error("the channel says that an order is paid, and Ping++ lists no paid charge of its number; nobody is charged for it again",
			zap.String("order_no", c.OrderNo), zap.String("number", c.Number),
			zap.String("advice", "look for the number at Ping++ and at the channel; if the order is to be paid through this site all the same, give it another number"))
	}
	return errors.Join(err, l.Queried(context.WithoutCancel(ctx), next))
}
