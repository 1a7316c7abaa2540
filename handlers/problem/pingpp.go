package problem

import (
	"errors"
	"time"

	"github.com/caddypay/caddypay/pingpp"
)

// OfPingpp gives Ping++'s refusal, or its silence, the code for it.
func OfPingpp(err error) *Problem {
	perr, ok := errors.AsType[*pingpp.Error](err)
	switch {
	case !ok:
		return Retry("provider_unavailable", 2*time.Second, err)
	case perr.OrderPaid():
		return New("order_already_paid", err)
	}
	switch perr.Kind {
	case pingpp.Channel:
		return New("charge_rejected", err)
	case pingpp.InvalidRequest, pingpp.Authentication, pingpp.NotFound:
		return New("provider_rejected", err)
	case pingpp.RateLimit:
		return Retry("provider_unavailable", 5*time.Second, err)
	case pingpp.Timeout:
		return New("provider_timeout", err)
	}
	return Retry("provider_unavailable", 2*time.Second, err)
}
