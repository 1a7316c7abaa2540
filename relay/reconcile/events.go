package reconcile

import (
	"context"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
)

// Events asks Ping++ for events that came unsigned.
type Events struct {
	pingpp *pingpp.Client
	budget *rate.Limiter
}

// Get asks for an event by its id. Anybody can send an id: this waits for no budget, so that whoever sends many takes nothing from
// those who wait.
func (e *Events) Get(ctx context.Context, id string) (*pingpp.Event, error) {
	if !e.budget.Allow() {
		return nil, asking.ErrTooMuch
	}
	return e.pingpp.GetEvent(ctx, id)
}
