package pingpp

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddypay/caddypay/redact"
)

// A call that Ping++ wants to come again after its end is over at once, and does not wait for its end.
func TestNoUseInWaiting(t *testing.T) {
	for after, want := range map[string]int{"60": 1, "2": 2} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			cl, err := New(Config{App: "app_1", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				if asked++; asked > 1 {
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"object":"list","url":"/v1/charges","has_more":false,"data":[]}`)), Request: req}, nil
				}
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
			})})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			_, err = cl.ListCharges(ctx, ListParams{Limit: 1})
			if took := time.Since(start); asked != want || (err == nil) != (want == 2) || want == 1 && took > time.Second {
				t.Errorf("Retry-After %s: asked %d times in %s, %v", after, asked, took, err)
			}
		})
	}
}
