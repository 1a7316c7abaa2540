package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// How a request to Ping++ or WeChat ended.
const (
	didAnswer = "answered" // whatever the answer says
	didFail   = "failed"   // there was none, or a status of 500 and above
)

// timed measures how long the other side takes to begin its answer.
type timed struct {
	http.RoundTripper
	took *prometheus.HistogramVec
}

// watching returns what puts a measure and spans around a transport.
func watching(took *prometheus.HistogramVec, span string) func(http.RoundTripper) http.RoundTripper {
	return func(rt http.RoundTripper) http.RoundTripper { return spanning(timed{rt, took}, span) }
}

// RoundTrip passes the request on. One that we have broken off ourselves says nothing about the other side.
func (t timed) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.RoundTripper.RoundTrip(r)
	result := didAnswer
	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		return resp, err
	case err != nil || resp.StatusCode >= http.StatusInternalServerError:
		result = didFail
	}
	t.took.WithLabelValues(result).Observe(time.Since(start).Seconds())
	return resp, err
}
