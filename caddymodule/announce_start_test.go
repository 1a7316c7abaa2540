package caddymodule

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

type hearer chan string

func (h hearer) Handle(_ context.Context, e caddy.Event) error {
	h <- e.Name()
	return nil
}

// announcerOf returns an announcer to an events app that has not started, and what is heard of it.
func announcerOf(t *testing.T) (*announcer, hearer) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	heard := make(hearer, 9)
	app := &caddyevents.App{Subscriptions: []*caddyevents.Subscription{{Events: []string{eventDead}, Handlers: []caddyevents.Handler{heard}}}}
	if err := app.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	a, err := announceTo(app, ctx, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return a, heard
}

// What is announced before Caddy's events app listens is heard once it does, and not before all apps have started.
func TestAnnouncedBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, heard := announcerOf(t)
		running, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			a.run(running)
			close(ended)
		}()
		a.tell(eventDead, ledger.Scope{App: "app_1", Mode: ledger.Live}, map[string]any{})
		if err := a.events.Start(); err != nil { // which changes what an announcement would read
			t.Fatal(err)
		}
		synctest.Wait()
		if len(heard) > 0 || len(a.queue) != 1 {
			t.Errorf("before all apps have started %d events are heard, and %d wait", len(heard), len(a.queue))
		}
		a.events.Emit(a.ctx, "started", nil)
		synctest.Wait()
		if len(heard) != 1 || <-heard != eventDead {
			t.Errorf("what was announced is not heard, and %d other events are", len(heard))
		}
		stop()
		<-ended
	})
}

// A configuration that fails to start announces nothing, and its announcer ends.
func TestNothingIsAnnouncedWithoutAStart(t *testing.T) {
	a, heard := announcerOf(t)
	a.tell(eventDead, ledger.Scope{App: "app_1", Mode: ledger.Live}, map[string]any{})
	running, stop := context.WithCancel(t.Context())
	stop()
	a.run(running)
	if len(heard) > 0 {
		t.Errorf("%s is heard", <-heard)
	}
}
