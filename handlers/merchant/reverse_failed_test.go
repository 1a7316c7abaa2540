package merchant

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// reverse asks for a reversal, and returns the answer or the problem.
func (s *shop) reverse(id string) (*httptest.ResponseRecorder, *problem.Problem) {
	return s.calls(func(w http.ResponseWriter, r *http.Request) error { return s.api.Reverse(w, r, id) }, http.MethodPost, "{}")
}

// A reversal is logged by who made it; asked for again, it is the same success, and was made before.
func TestReversalIsLoggedOnce(t *testing.T) {
	s, logs := newShop(t), &relaytest.Logs{}
	s.api.Logger = logs.Logger()
	id := s.Charge(s.l, "order1", 100).ID
	s.After(time.Minute)
	for range 2 {
		if w, p := s.reverse(id); p != nil || w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"status":"reversed"`) || w.Header().Get("X-Pay-Order-No") != "order1" {
			t.Errorf("%v %s", p, w.Body)
		}
		if n := strings.Count(logs.String(), "charge reversed for the merchant"); n != 1 {
			t.Errorf("%d lines: %s", n, logs)
		}
	}
}

// Where Ping++ does not reverse a charge the merchant learns why, as far as it said: also of one whose money a till has taken, which is no news then.
func TestReversalThatFails(t *testing.T) {
	for name, fault := range map[string]string{"refused": "402", "without a word": ""} {
		for _, paid := range []bool{false, true} {
			s := newShop(t)
			id := s.Till(s.l, "order1").ID
			if paid {
				s.Pay(id)
			}
			s.After(time.Minute)
			if fault != "" {
				s.Fault("reverse_charge", fault, 1)
			} else {
				breaks := func(r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/reverse") {
						panic(http.ErrAbortHandler)
					}
				}
				s.Before.Store(&breaks)
			}
			w, p := s.reverse(id)
			if p == nil || w.Body.Len() > 0 || p.Code == "order_already_paid" {
				t.Fatalf("%s, paid %t: %v %s", name, paid, p, w.Body)
			}
			message, told := p.Members["failure_msg"]
			if told != (fault != "") || told && message == "" || !told && len(p.Members) > 0 {
				t.Errorf("%s, paid %t: %s %v", name, paid, p.Code, p.Members)
			}
			if s.Known(s.l, id).Reversed {
				t.Errorf("%s, paid %t: it counts as reversed", name, paid)
			}
		}
	}
}
