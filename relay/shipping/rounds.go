package shipping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	findEvery = 24 * time.Hour
	findPage  = 200
	lookEvery = 5 * time.Minute // for what runs out of its time
	duePage   = 200
)

// marks are what all processes remember together.
type marks struct {
	Since time.Time `json:"since"` // when shipping was first reported for the app: of what was paid before it, the shop's own program may have told WeChat
	Told  time.Time `json:"told"`  // until when the times are told of that payments have run out of
}

// remember calls change with the marks, while no other process does, and keeps what it makes of them.
func (r *Reporter) remember(ctx context.Context, change func(*marks) error) (err error) {
	storage, name := r.cfg.Storage, r.cfg.Scope.App+"_"+string(r.cfg.Scope.Mode)
	key, lock := "pay/shipping/"+name+".json", "pay_shipping_"+name
	if err := storage.Lock(ctx, lock); err != nil {
		return fmt.Errorf("locking %s in the storage: %w", key, err)
	}
	defer func() { err = errors.Join(err, storage.Unlock(context.WithoutCancel(ctx), lock)) }()
	var was marks
	raw, err := storage.Load(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%s in the storage: %w", key, err)
	case json.Unmarshal(raw, &was) != nil:
		was = marks{} // as good as none
	}
	m, now := was, r.cfg.Now()
	if m.Since.IsZero() {
		m = marks{Since: now, Told: now}
	}
	if err := change(&m); err != nil || m == was {
		return err
	}
	if raw, err = json.Marshal(m); err != nil {
		return err // of times, which always encode
	}
	return storage.Store(ctx, key, raw)
}

// elapsed says that it is time for something again, and notes that it is done; a clock that was put back is no reason to wait.
func (r *Reporter) elapsed(last *time.Time, gap time.Duration) bool {
	now := r.cfg.Now()
	if !last.IsZero() && now.Sub(*last) < gap && !now.Before(*last) {
		return false
	}
	*last = now
	return true
}

// findUnshipped gives those payments a shipment, once a day, that came in while no site reported shipping, or by one that does not. It begins as far before
// the first report as WeChat may still want one.
func (r *Reporter) findUnshipped(ctx context.Context) {
	if !r.elapsed(&r.found, findEvery) {
		return
	}
	var first time.Time
	err := r.remember(ctx, func(m *marks) error { first = m.Since; return nil })
	since := r.cfg.Now().Add(-ledger.ShippingSpan)
	if first.Before(since) {
		since = first
	}
	total := 0
	for cursor := ""; err == nil && ctx.Err() == nil; {
		var n int
		n, cursor, err = r.cfg.Ledger.FindUnshipped(ctx, ledger.ShippingSearch{Scope: r.cfg.Scope, Since: since, Doubted: first, Now: r.cfg.Now(), Cursor: cursor, Limit: findPage})
		if total += n; cursor == "" {
			break
		}
	}
	if total > 0 {
		r.cfg.Logger.Info("payments were found that nobody reported to WeChat; it is asked about them", zap.String("scope", r.cfg.Scope.Key()), zap.Int("payments", total))
	}
	if err != nil && ctx.Err() == nil {
		r.found = r.cfg.Now().Add(lookEvery - findEvery)
		r.cfg.Logger.Warn("cannot look for payments that nobody reported to WeChat, trying again", zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
	}
}

// tellDue tells of each payment whose time is over soon, or is over by now.
func (r *Reporter) tellDue(ctx context.Context) {
	if !r.elapsed(&r.looked, lookEvery) {
		return
	}
	err := r.remember(ctx, func(m *marks) error {
		now := r.cfg.Now()
		for _, over := range []bool{true, false} {
			ahead := ledger.ShippingNotice
			if over {
				ahead = 0
			}
			if err := r.deadlines(ctx, m.Told.Add(ahead), now.Add(ahead), over); err != nil {
				return err
			}
		}
		m.Told = now
		return nil
	})
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("cannot look for payments that run out of the time to report them to WeChat, trying again", zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
	}
}

// tellLate tells of a payment of which WeChat has only now said that it wants a report, if the time to tell of that has passed.
func (r *Reporter) tellLate(ctx context.Context, s *ledger.Shipment) {
	var told time.Time
	err := r.remember(ctx, func(m *marks) error { told = m.Told; return nil })
	if err != nil {
		told = r.cfg.Now() // rather twice than never
	}
	switch deadline := s.Deadline(); {
	case deadline.Before(told):
		r.tell(s, true)
	case deadline.Add(-ledger.ShippingNotice).Before(told):
		r.tell(s, false)
	}
}

func (r *Reporter) tell(s *ledger.Shipment, over bool) {
	r.cfg.Logger.Warn("WeChat has no report of a payment's shipping", zap.String("order_no", s.OrderNo), zap.String("charge", s.ChargeID),
		zap.Int64("amount", s.Amount), zap.Time("deadline", s.Deadline()), zap.Bool("over", over), zap.String("code", s.Problem.Code))
	r.cfg.Due(s, over)
}

// deadlines tells of the payments without a complete report whose time is over at or after one moment and before another.
func (r *Reporter) deadlines(ctx context.Context, from, to time.Time, over bool) error {
	f := ledger.ShipmentFilter{Scope: r.cfg.Scope, States: []ledger.ShipmentState{ledger.ShipmentWaiting, ledger.ShipmentFailed},
		Since: from.Add(-ledger.ShippingTerm), Until: to.Add(-ledger.ShippingTerm), Limit: duePage}
	if !f.Since.Before(f.Until) {
		return nil
	}
	for {
		p, err := r.cfg.Ledger.ListShipments(ctx, f)
		if err != nil {
			return err
		}
		for i := range p.Rows {
			r.tell(&p.Rows[i], over)
		}
		if f.Cursor = p.Next; f.Cursor == "" {
			return nil
		}
	}
}
