package shipping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const mostFailed = 1000 // reports that are looked at; where so many fail they fail of one cause, which is told of

// failures are the reports that failed and that were told of, by their charges: which report it was.
type failures map[string]failure

// failure tells the report of a charge from the one after it, which may fail too.
type failure struct {
	Recorded time.Time `json:"recorded"`
	Attempts int       `json:"attempts"`
}

// tellFailed tells of each report that failed: all processes together once. It goes by the ledger, in which also stands what was no report from the
// beginning; and a crash between that and this leaves nothing untold.
func (r *Reporter) tellFailed(ctx context.Context) {
	p, err := r.cfg.Ledger.ListShipments(ctx, ledger.ShipmentFilter{Scope: r.cfg.Scope, States: []ledger.ShipmentState{ledger.ShipmentFailed}, Limit: mostFailed})
	now := make(failures, len(p.Rows))
	for i := range p.Rows {
		now[p.Rows[i].ChargeID] = failure{p.Rows[i].Recorded.UTC(), p.Rows[i].Attempts}
	}
	if err == nil && !maps.Equal(now, r.failed) {
		if err = r.tellNew(ctx, p.Rows, now); err == nil {
			r.failed = now
		}
	}
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("cannot look for reports to WeChat that failed, trying again", zap.String("scope", r.cfg.Scope.Key()), zap.Error(err))
	}
}

// tellNew tells of those failures that no process has told of, and keeps what fails now, while no other process does.
func (r *Reporter) tellNew(ctx context.Context, rows []ledger.Shipment, now failures) (err error) {
	storage, name := r.cfg.Storage, r.cfg.Scope.App+"_"+string(r.cfg.Scope.Mode)
	key, lock := "pay/shipping/"+name+"_failed.json", "pay_shipping_failed_"+name
	if err := storage.Lock(ctx, lock); err != nil {
		return fmt.Errorf("locking %s in the storage: %w", key, err)
	}
	defer func() { err = errors.Join(err, storage.Unlock(context.WithoutCancel(ctx), lock)) }()
	raw, err := storage.Load(ctx, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s in the storage: %w", key, err)
	}
	var told failures
	if json.Unmarshal(raw, &told) != nil {
		told = nil // as good as none: somebody hears of it twice, which is better than never
	}
	for i := range rows {
		if id := rows[i].ChargeID; told[id] != now[id] {
			r.cfg.Failed(&rows[i])
		}
	}
	if raw, err = json.Marshal(now); err != nil {
		return err // of numbers and times, which always encode
	}
	return storage.Store(ctx, key, raw)
}
