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

// lookMost is how long a look takes, with the wait for one that is under way.
const lookMost = check.All + time.Second

// Check looks at everything that a payment needs.
func (s *Server) Check(ctx context.Context, language string) (*check.Report, error) {
	return s.Checked(ctx, language, 0)
}

// Checked is Check, but what was found by a look that began up to so long ago will do: pages that are loaded again ask nobody again.
func (s *Server) Checked(ctx context.Context, language string, age time.Duration) (*check.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	found, at, err := s.looks.look(ctx, age, s.cfg.Check)
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the checks did not end in time: %w", err)
	}
	r := check.NewReport(found, language)
	r.At = at
	return &r, nil
}

func (s *Server) serveCheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	v := r.URL.Query()
	var age time.Duration
	if text := v.Get("age"); text != "" {
		var err error
		if age, err = time.ParseDuration(text); err != nil || age < 0 {
			return nil, refuse(http.StatusBadRequest, "age is how old findings may be, not %.20q; write: age=60s", text)
		}
	}
	return s.Checked(r.Context(), v.Get("language"), age)
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
func (s *Server) TryBackend(ctx context.Context, t Trial) (*check.Report, error) {
	found, err := s.cfg.TryBackend(ctx, t.Site, check.Trial{OrderNo: t.OrderNo, OpenID: t.OpenID, Fulfilled: t.Fulfilled})
	if err != nil {
		return nil, refuse(http.StatusNotFound, "%w", err)
	}
	r := check.NewReport(found, t.Language)
	return &r, nil
}

func (s *Server) serveTrial(w http.ResponseWriter, r *http.Request) (any, error) {
	var t Trial
	if err := readBody(w, r, &t, `{"order_no": "TEST1"}`); err != nil {
		return nil, err
	}
	return s.TryBackend(r.Context(), t)
}

// Check is Server.Check.
func (c *Client) Check(ctx context.Context, language string) (*check.Report, error) {
	return c.Checked(ctx, language, 0)
}

// Checked is Server.Checked.
func (c *Client) Checked(ctx context.Context, language string, age time.Duration) (*check.Report, error) {
	return get[check.Report](ctx, c, "/pay/check", map[string][]string{"language": {language}, "age": {age.String()}})
}

// TryBackend is Server.TryBackend.
func (c *Client) TryBackend(ctx context.Context, t Trial) (*check.Report, error) {
	return post[check.Report](ctx, c, "/pay/check/backend", nil, t)
}
