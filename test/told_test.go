package test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// told is a service of the merchant's that is told of incidents.
type told struct {
	*httptest.Server
	mu       sync.Mutex
	messages []message
}

// message is one of them.
type message struct {
	ID, Type, Text string
	Incidents      []struct{ ID, Site string }
}

// newTold takes what is signed with a secret, each message once.
func newTold(t testing.TB, secret string) *told {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := new(told)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := wh.Verify(body, r.Header); err != nil {
			t.Errorf("a message is not signed: %v", err)
		}
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("%v in the message %s", err, body)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !slices.ContainsFunc(s.messages, func(o message) bool { return o.ID == m.ID }) {
			s.messages = append(s.messages, m)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// await waits for n messages, and returns all there are.
func (s *told) await(t testing.TB, n int) (all []message) {
	t.Helper()
	eventually(t, nightLong, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if all = slices.Clone(s.messages); len(all) < n {
			return errorf("%d messages came, want %d", len(all), n)
		}
		return nil
	})
	return all
}
