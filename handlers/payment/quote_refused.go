package payment

import (
	"fmt"
	"net/http"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/problem"
)

// refusedQuote is the problem of an order that the backend does not tell the price of. To a client such an order does not exist; whoever set the
// site up may have named a path that does not, or a token that differs, and would otherwise look for it in vain.
func refusedQuote(resp *http.Response, method, target string) *problem.Problem {
	err := backend.TurnedAway(resp, method, target)
	switch resp.StatusCode {
	case http.StatusNotFound:
		err = fmt.Errorf("%w; is that an order that it does not have, or is the path of orders another?", err)
	case http.StatusUnauthorized, http.StatusForbidden:
		err = fmt.Errorf("%w; does it compare X-Pay-Token with this site's backend_token?", err)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return problem.New("backend_unavailable", err)
	}
	p := problem.New("order_not_found", err)
	p.Backend = true
	return p
}
