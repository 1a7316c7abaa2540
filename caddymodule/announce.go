package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// What is announced to Caddy's events app, for handlers that a Caddyfile binds to it. Amounts are in fen.
const (
	eventChargePaid     = "pay.charge_paid"     // a payment is on the disk; `state` says whether it is on its way to the backend
	eventMismatch       = "pay.mismatch"        // a payment failed a money check, or cannot be read; `reasons` says why
	eventDead           = "pay.event_dead"      // no attempt to deliver an event is left
	eventBackendFailing = "pay.backend_failing" // the last three attempts to deliver failed
	eventShippingDue    = "pay.shipping_due"    // WeChat has no report of a payment's shipping: it failed (`failed`), or within twelve hours its time is over, or is by now (`over`)
)

// announced is how many announcements wait for slow handlers; more are dropped, since payments do not wait for them.
const announced = 256

// announcer hands announcements to Caddy's events app, one after the other, beside what is announced. A nil one announces nothing.
type announcer struct {
	events  *caddyevents.App
	ctx     caddy.Context
	logger  *zap.Logger
	queue   chan announcement
	started chan struct{} // closed when all apps have started: before that nobody may ask the events app who listens, and nobody may listen yet
	start   func()
}

type announcement struct {
	name string
	data map[string]any
}

// newAnnouncer returns nil where the events app is not configured.
func newAnnouncer(ctx caddy.Context, logger *zap.Logger) (*announcer, error) {
	app, err := ctx.AppIfConfigured("events")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pay: %w", err)
	}
	return announceTo(app.(*caddyevents.App), ctx, logger)
}

func announceTo(app *caddyevents.App, ctx caddy.Context, logger *zap.Logger) (*announcer, error) {
	a := &announcer{events: app, ctx: ctx, logger: logger, queue: make(chan announcement, announced), started: make(chan struct{})}
	a.start = sync.OnceFunc(func() { close(a.started) })
	if err := app.On("started", a); err != nil {
		return nil, fmt.Errorf("pay: %w", err)
	}
	return a, nil
}

// Handle hears from Caddy that all apps have started.
func (a *announcer) Handle(context.Context, caddy.Event) error {
	a.start()
	return nil
}

func (a *announcer) hasStarted() bool {
	select {
	case <-a.started:
		return true
	default:
		return false
	}
}

// tell announces, and never waits.
func (a *announcer) tell(name string, scope ledger.Scope, more map[string]any) {
	if a == nil || a.hasStarted() && !a.events.ShouldEmit(name) {
		return
	}
	more["app"], more["mode"] = scope.App, string(scope.Mode)
	select {
	case a.queue <- announcement{name, more}:
	default:
		a.logger.Warn("an event of Caddy's events app is dropped: its handlers are slower than what happens", zap.String("name", name))
	}
}

// run hands on until ctx ends, and then what still waits. Of a configuration that does not come to run nobody hears.
func (a *announcer) run(ctx context.Context) {
	select {
	case <-a.started:
	case <-ctx.Done():
		if !a.hasStarted() {
			return
		}
	}
	for {
		select {
		case one := <-a.queue:
			a.emit(one)
			continue
		case <-ctx.Done():
		}
		for {
			select {
			case one := <-a.queue:
				a.emit(one)
			default:
				return
			}
		}
	}
}

// emit has the handlers called. One that panics must not take payments with it.
func (a *announcer) emit(one announcement) {
	defer func() {
		if p := recover(); p != nil {
			a.logger.Error("a handler of Caddy's events app panicked", zap.String("name", one.name), zap.String("panic", fmt.Sprintf("%.200v", p)), zap.Stack("stack"))
		}
	}()
	a.events.Emit(a.ctx, one.name, one.data)
}

// recorded announces what an event that is on the disk now says about money.
func (a *announcer) recorded(e *ledger.Event) {
	if a == nil {
		return
	}
	about := func() map[string]any {
		m := map[string]any{"event": e.ID, "type": e.Type, "order_no": e.OrderNo, "charge": e.ChargeID, "source": string(e.Source), "state": string(e.State)}
		if e.Payment != nil {
			m["amount"], m["currency"] = e.Payment.Amount, e.Payment.Currency
		}
		return m
	}
	if e.Change != nil && e.Change.Paid {
		a.tell(eventChargePaid, e.Scope, about())
	}
	if reasons := e.Mismatch(); reasons != "" && e.State != ledger.Discarded { // else its money went back, and nothing is to be done
		m := about()
		m["reasons"] = reasons
		a.tell(eventMismatch, e.Scope, m)
	}
}

// dead announces that an event has no attempt left.
func (a *announcer) dead(e *ledger.Event, why string) {
	a.tell(eventDead, e.Scope, map[string]any{"event": e.ID, "type": e.Type, "order_no": e.OrderNo, "charge": e.ChargeID, "why": why})
}
