package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Receipt is how the backend answered an event that was sent as a test.
type Receipt struct {
	OK      bool          // a relay would count the event as delivered
	Why     string        // why not, in words for the operator
	Status  int           // the backend's HTTP status; 0: no answer
	Said    string        // the first words of the answer; long ones are cut short
	Reached bool          // the backend itself answered, not a proxy in its place
	Late    bool          // it took longer than it may
	Took    time.Duration // until the answer was there
}

// Probe sends an event to the backend once, as a relay with this configuration would, and judges the answer. Nothing is recorded, and nothing
// is tried again. change, unless it is nil, may alter the header before it goes out. Ledger and Owner are not needed.
func Probe(ctx context.Context, cfg Config, ev *ledger.Event, change func(http.Header)) (Receipt, error) {
	if cfg.Method == "" {
		cfg.Method = http.MethodPost
	}
	target, err := parseTarget(cfg.Path)
	if err != nil {
		return Receipt{}, fmt.Errorf("relay: the events path must be a path like /internal/pay/events: %w", err)
	}
	cfg.defaults()
	sent := &changing{next: cfg.Backend, change: change, ctx: ctx}
	cfg.Backend = sent
	start := time.Now()
	a := cfg.courier(target).attempt(ctx, ev, ev.Attempts+1, cfg.Now())
	rc := Receipt{OK: a.ok(), Why: a.why, Status: a.status, Said: redacted(a.snippet), Reached: a.reach == answered || a.reach == succeeded, Took: time.Since(start)}
	rc.Late = !rc.OK && errors.Is(sent.ctx.Err(), context.DeadlineExceeded)
	return rc, nil
}

// changing alters requests on their way.
type changing struct {
	next   http.RoundTripper
	change func(http.Header)
	ctx    context.Context // of the last one
}

func (c *changing) RoundTrip(req *http.Request) (*http.Response, error) {
	c.ctx = req.Context()
	if c.change != nil {
		c.change(req.Header)
	}
	return c.next.RoundTrip(req)
}
