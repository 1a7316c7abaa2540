package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/check"
)

// Trial says how a backend is to be tried; see check.Trial.
type Trial struct {
	Site      string `json:"site,omitempty"`      // whose; default: all that take test payments
	OrderNo   string `json:"order_no,omitempty"`  // an order that can be paid, and counts as paid afterwards; default: TEST1
	OpenID    string `json:"openid,omitempty"`    // who would pay it; default: whoever the backend says may
	Fulfilled string `json:"fulfilled,omitempty"` // where the answer about an order says how often it was fulfilled; default: fulfilled
	Language  string `json:"language,omitempty"`  // of the sentences, en or zh; default: en
}

// CheckQuery says how the findings are worded, and how old they may be.
type CheckQuery struct {
	Language string `query:"language"`                                                    // of the sentences, en or zh; absent: en
	Age      int    `query:"age" want:"how old findings may be, in seconds, like age=60"` // a look that began up to so many seconds ago will do; absent: there is a new one
}

// checkServer looks for what is wrong.
type checkServer struct {
	check func(context.Context) []check.Finding
	try   func(ctx context.Context, site string, t check.Trial) ([]check.Finding, error)
	looks looks
}

type checkClient struct{ *Endpoint }

// lookMost is how long a look takes, with the wait for one that is under way.
const lookMost = check.All + time.Second

// Check looks at everything that a payment needs. It takes 15 s at most.
func (s *checkServer) Check(ctx context.Context, language string) (*check.Report, error) {
	return s.Checked(ctx, language, 0)
}

// Checked is Check, but what was found by a look that began up to so long ago will do: pages that are loaded again ask nobody again.
func (s *checkServer) Checked(ctx context.Context, language string, age time.Duration) (*check.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	found, at, err := s.looks.look(ctx, age, s.check)
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the checks did not end in time: %w", err)
	}
	r := report(found, language)
	r.At = at
	return r, nil
}

// report words findings. What a backend has answered is quoted in some.
func report(found []check.Finding, language string) *check.Report {
	r := check.NewReport(found, language)
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Text, _ = new(veil).words(f.Text)
	}
	return &r
}

// looks keeps what the last look at everything has found: however many ask, Ping++, WeChat and the backend are asked by one at a time.
type looks struct {
	turn  chan struct{} // capacity 1: whoever has put something in may look
	began time.Time     // of the last one
	found []check.Finding
	ended time.Time
}

// look returns what was found by a look that began up to so long ago, and when that ended; else it looks.
func (l *looks) look(ctx context.Context, age time.Duration, look func(context.Context) []check.Finding) ([]check.Finding, time.Time, error) {
	oldest := time.Now().Add(-age)
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, time.Time{}, ctx.Err()
	}
	if !l.began.IsZero() && !l.began.Before(oldest) {
		return l.found, l.ended, nil
	}
	began := time.Now()
	found := look(ctx)
	if err := ctx.Err(); err != nil { // who asked has gone, and what was cut short says nothing
		return nil, time.Time{}, err
	}
	l.began, l.found, l.ended = began, found, time.Now()
	return l.found, l.ended, nil
}

// TryBackend tries the merchant's backend with an order, in test mode.
func (s *checkServer) TryBackend(ctx context.Context, t Trial) (*check.Report, error) {
	found, err := s.try(ctx, t.Site, check.Trial{OrderNo: t.OrderNo, OpenID: t.OpenID, Fulfilled: t.Fulfilled})
	if err != nil {
		return nil, refuse(http.StatusNotFound, "%w", err)
	}
	return report(found, t.Language), nil
}

// Check is Server.Check.
func (c *checkClient) Check(ctx context.Context, language string) (*check.Report, error) {
	return c.Checked(ctx, language, 0)
}

// Checked is Server.Checked; the age goes in whole seconds.
func (c *checkClient) Checked(ctx context.Context, language string, age time.Duration) (*check.Report, error) {
	return get[check.Report](ctx, c.Endpoint, "/pay/check", CheckQuery{language, int(age / time.Second)})
}

// TryBackend is Server.TryBackend.
func (c *checkClient) TryBackend(ctx context.Context, t Trial) (*check.Report, error) {
	return post[check.Report](ctx, c.Endpoint, "/pay/check/backend", nil, t)
}
