package caddymodule

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What the other side has answered is told from what it has not; what we broke off ourselves is neither.
func TestTiming(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		status int // 0: no answer
		want   map[string]int
	}{
		{"answered", t.Context(), 200, map[string]int{"answered": 1}},
		{"refused", t.Context(), 402, map[string]int{"answered": 1}},
		{"broken", t.Context(), 502, map[string]int{"failed": 1}},
		{"no answer", t.Context(), 0, map[string]int{"failed": 1}},
		{"broken off", gone, 0, nil},
	} {
		took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took"}, []string{"result"})
		rt := watching(took, spanPingpp)(roundTripper(func(*http.Request) (*http.Response, error) {
			if c.status == 0 {
				return nil, errors.New("no answer")
			}
			return &http.Response{StatusCode: c.status, Body: http.NoBody}, nil
		}))
		resp, err := rt.RoundTrip(httptest.NewRequest("GET", "https://api.example.com/v1/charges", nil).WithContext(c.ctx))
		if (err != nil) != (c.status == 0) || err == nil && resp.StatusCode != c.status {
			t.Errorf("%s: %v, %v", c.name, resp, err)
		}
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(took)
		got := map[string]int{}
		for _, f := range must(r.Gather()) {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = int(m.GetHistogram().GetSampleCount())
			}
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
