package core

import (
	"context"

	"github.com/caddypay/caddypay/ledger"
)

const (
	pageDefault = 50
	pageMax     = 1000
)

// Event implements [ledger.Events].
func (l *Ledger) Event(ctx context.Context, s ledger.Scope, id string) (*ledger.Event, error) {
	var e *Event
	err := l.store.Read(ctx, func(r Reader) (err error) {
		e, err = r.Event(s, id)
		if err == nil && e == nil {
			err = ledger.ErrNotFound
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &e.Event, nil
}

// Deliveries implements [ledger.Events].
func (l *Ledger) Deliveries(ctx context.Context, s ledger.Scope, id string) (ds []ledger.Delivery, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		ds, err = r.Deliveries(s, id)
		return err
	})
	return ds, err
}
