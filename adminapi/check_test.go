package adminapi

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/check"
)

// looker is a server that counts how often it looks at everything, and how many do at once.
func looker(t *testing.T, look func(ctx context.Context)) (c *Client, looked *atomic.Int64) {
	t.Helper()
	looked = new(atomic.Int64)
	var under atomic.Int64
	srv := httptest.NewServer(New(Config{Check: func(ctx context.Context) []check.Finding {
		if under.Add(1) > 1 {
			t.Error("two look at once")
		}
		defer under.Add(-1)
		looked.Add(1)
		look(ctx)
		return []check.Finding{{ID: "clock", Result: check.OK, Text: check.Words{EN: "well", ZH: "好"}}}
	}}))
	t.Cleanup(srv.Close)
	return NewClient(Endpoint{HTTP: srv.Client(), URL: srv.URL}), looked
}

// However many ask, and in whatever language, one look answers all who take what is a little old; who does not, gets a look of his own.
func TestChecksAreShared(t *testing.T) {
	c, looked := looker(t, func(context.Context) {})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			language := []string{"en", "zh"}[i%2]
			r, err := c.Checked(t.Context(), language, time.Hour)
			if err != nil || r.Findings[0].Text != map[string]string{"en": "well", "zh": "好"}[language] || r.At.IsZero() || time.Since(r.At) > time.Minute {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
	all.Wait()
	if n := looked.Load(); n != 1 {
		t.Errorf("looked %d times", n)
	}
	for want := int64(2); want < 4; want++ {
		if _, err := c.Check(t.Context(), "en"); err != nil || looked.Load() != want {
			t.Errorf("looked %d times, want %d: %v", looked.Load(), want, err)
		}
	}
	for _, age := range []string{"-1", "soon"} {
		in := struct {
			Age string `query:"age"`
		}{age}
		if _, err := get[check.Report](t.Context(), c.Endpoint, "/pay/check", in); err == nil || !strings.Contains(err.Error(), "like age=60") {
			t.Errorf("%s: %v", age, err)
		}
	}
}

// A look that ends since who asked for it has gone is not shown to the next.
func TestChecksCutShortAreNotKept(t *testing.T) {
	began := make(chan struct{}, 1)
	var short atomic.Bool
	short.Store(true)
	c, looked := looker(t, func(ctx context.Context) {
		if short.Load() {
			began <- struct{}{}
			<-ctx.Done()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := c.Checked(ctx, "en", time.Hour); gone <- err }()
	<-began
	short.Store(false)
	cancel()
	if err := <-gone; err == nil {
		t.Error("it has an answer")
	}
	if r, err := c.Checked(t.Context(), "en", time.Hour); err != nil || r.Result != check.OK || looked.Load() != 2 {
		t.Errorf("%+v %v, looked %d times", r, err, looked.Load())
	}
}
