package adminapi

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/check"
)

// Seen is what the process that answers has seen itself since it was started. The ledger has none of it, and the next process begins anew.
type Seen struct {
	Since    time.Time     `json:"since"`    // this Caddy was started
	Refused  []RefusedView `json:"refused"`  // webhooks, the latest first
	Backends []BackendView `json:"backends"` // of each app and mode whose events go somewhere
}

// RefusedView are the webhooks that a site has refused for one reason.
type RefusedView struct {
	Site   string    `json:"site"` // as the configuration names it
	App    string    `json:"app"`
	Mode   string    `json:"mode"`
	Reason string    `json:"reason"` // as caddy_pay_webhooks_total has it
	Count  int64     `json:"count"`
	Last   time.Time `json:"last"`
	Text   string    `json:"text"` // what the reason means
	Fix    string    `json:"fix"`  // what to do about it
}

// What a backend's state can be.
const (
	BackendReachable   = "reachable"
	BackendFailing     = "failing"     // it answers, and has acknowledged none of the last three attempts, or more
	BackendUnreachable = "unreachable" // events wait, and one at a time goes out to see whether it is back
	BackendUnknown     = "unknown"     // no event has gone out yet
)

// BackendView is how the backend of an app and mode fares.
type BackendView struct {
	App               string    `json:"app"`
	Mode              string    `json:"mode"`
	Events            string    `json:"events"`              // where they go: method, path and address
	State             string    `json:"state"`               // reachable, failing, unreachable, or unknown: no event has gone out yet
	Since             time.Time `json:"since,omitzero"`      // it fails, or is unreachable
	NextProbe         time.Time `json:"next_probe,omitzero"` // while it is unreachable; absent: one is out
	Last              time.Time `json:"last,omitzero"`       // the last attempt ended
	Status            int       `json:"status,omitempty"`    // of its answer to that; absent: none came
	Why               string    `json:"why,omitempty"`       // it did not acknowledge that, in words; absent: it did
	Today             int64     `json:"today"`               // attempts since midnight in UTC+8
	TodayAcknowledged int64     `json:"today_acknowledged"`  // of those
}

// SeenQuery says how what was seen is worded.
type SeenQuery struct {
	Language string `query:"language"` // of the sentences, en or zh; absent: en
}

// seenServer tells of this process.
type seenServer struct {
	seen func() Seen // what a reason means is not in it yet
}

type seenClient struct{ *Endpoint }

// Seen says what this process has seen, in a language, en or zh.
func (s *seenServer) Seen(_ context.Context, language string) (*Seen, error) {
	seen := s.seen()
	for i := range seen.Refused {
		r := &seen.Refused[i]
		text, fix := check.Refusal(r.Reason)
		r.Text, r.Fix = text.In(language), fix.In(language)
	}
	for i := range seen.Backends {
		b := &seen.Backends[i]
		b.Why, _ = new(veil).words(b.Why) // a redirect may name who paid
	}
	return &seen, nil
}

// Seen is Server.Seen.
func (c *seenClient) Seen(ctx context.Context, language string) (*Seen, error) {
	return get[Seen](ctx, c.Endpoint, "/pay/seen", SeenQuery{language})
}
