package test

import (
	"fmt"
	"strings"
	"testing"
)

// A body that trickles on without end is answered over every protocol: at once where nobody has to read it, and else when its time is over.
func TestEndlessRequests(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(strings.Replace(plainSite, "reverse_proxy", "wechat_auth /members/*\n\treverse_proxy", 1))
	_, session := s.login()
	roots, site := s.trusted(t), fmt.Sprintf("localhost:%d", s.port)
	signed := sign(t, pingppKey, []byte("{}"))
	for _, carrier := range carriers {
		for _, tt := range []struct {
			name string
			letter
			code string
		}{
			{"charge", letter{path: "/pay/charges", fields: []string{"X-Pay-Session", session, "Content-Type", "application/json"}}, "json_invalid"},
			{"charge of nobody", letter{path: "/pay/charges", fields: []string{"Content-Type", "application/json"}}, "json_invalid"}, // only it says whether the channel needs a session
			{"login", letter{path: "/pay/openid", fields: []string{"Content-Type", "application/json"}}, "json_invalid"},
			{"webhook", letter{path: "/pay/webhooks", fields: []string{"X-Pingplusplus-Signature", signed}}, "json_invalid"},
			{"webhook without a signature", letter{path: "/pay/webhooks"}, "signature_missing"},
			{"webhook with none", letter{path: "/pay/webhooks", fields: []string{"X-Pingplusplus-Signature", "?"}}, "signature_invalid"},
			{"nothing", letter{path: "/pay/nothing"}, "not_found"},
			{"private path", letter{path: "/internal/pay/events"}, "not_found"},
			{"early", letter{path: "/shop", fields: []string{"Early-Data", "1"}}, "too_early"},
			{"members", letter{path: "/members/1"}, "session_missing"},
		} {
			t.Run(carrier.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				tt.method, tt.body, tt.endless = "POST", `{"order_no":"SLOW1",`, true
				got := carrier.send(site, roots, tt.letter)
				if got.status < 400 || !strings.Contains(got.body, fmt.Sprintf("%q", tt.code)) {
					t.Errorf("answered %s, want %s", got, tt.code)
				}
			})
		}
	}
}
