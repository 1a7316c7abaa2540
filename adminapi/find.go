package adminapi

import (
	"context"
	"net/http"
)

// FindQuery is what is looked for.
type FindQuery struct {
	Text string `query:"q" required:"true"` // an order number, or any other number or id of a payment
}

// Find says what goes by a name, whatever kind of name that is; nothing is no error.
func (s *listServer) Find(ctx context.Context, text string) ([]Found, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []Found{}
	for _, scope := range s.running() {
		found, err := l.Find(ctx, scope, text)
		if err != nil {
			return nil, unread(err)
		}
		for _, f := range found {
			all = append(all, Found{App: scope.App, Mode: string(scope.Mode), Kind: string(f.Kind), ID: f.ID, OrderNo: f.OrderNo})
		}
	}
	return all, nil
}

func (s *listServer) search(ctx context.Context, q FindQuery) ([]Found, error) {
	if q.Text == "" {
		return nil, refuse(http.StatusBadRequest, "q is missing: an order number, or any other number or id of a payment")
	}
	return s.Find(ctx, q.Text)
}

// Find is Server.Find.
func (c *listClient) Find(ctx context.Context, text string) ([]Found, error) {
	found, err := get[[]Found](ctx, c.Endpoint, "/pay/find", FindQuery{text})
	return *found, err
}
