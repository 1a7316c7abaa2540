package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// deaf is a proxy whose transport does not notice that a request's time is over, as any that is plugged into Caddy may be.
type deaf chan struct{}

func (d deaf) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	<-d
	return nil
}

// A call to the backend ends when its time is over, whatever carries it: else a payer and the other orders' events would wait with it.
func TestUpstreamEndsInTime(t *testing.T) {
	proxy := make(deaf)
	defer close(proxy)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, _, err := ask(ctx, newUpstream(proxy), "{}")
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it waits for the proxy")
	}
}
