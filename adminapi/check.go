package adminapi

import (
	"context"
	"net/http"

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

// CheckQuery says how the findings are worded.
type CheckQuery struct {
	Language string `query:"language"` // of the sentences, en or zh; absent: en
}

// checkServer looks for what is wrong.
type checkServer struct {
	check func(context.Context) []check.Finding
	try   func(ctx context.Context, site string, t check.Trial) ([]check.Finding, error)
}

type checkClient struct{ *Endpoint }

// Check looks at everything that a payment needs. It takes 15 s at most.
func (s *checkServer) Check(ctx context.Context, language string) (*check.Report, error) {
	r := check.NewReport(s.check(ctx), language)
	return &r, nil
}

// TryBackend tries the merchant's backend with an order, in test mode.
func (s *checkServer) TryBackend(ctx context.Context, t Trial) (*check.Report, error) {
	found, err := s.try(ctx, t.Site, check.Trial{OrderNo: t.OrderNo, OpenID: t.OpenID, Fulfilled: t.Fulfilled})
	if err != nil {
		return nil, refuse(http.StatusNotFound, "%w", err)
	}
	r := check.NewReport(found, t.Language)
	return &r, nil
}

// Check is Server.Check.
func (c *checkClient) Check(ctx context.Context, language string) (*check.Report, error) {
	return get[check.Report](ctx, c.Endpoint, "/pay/check", CheckQuery{language})
}

// TryBackend is Server.TryBackend.
func (c *checkClient) TryBackend(ctx context.Context, t Trial) (*check.Report, error) {
	return post[check.Report](ctx, c.Endpoint, "/pay/check/backend", nil, t)
}
