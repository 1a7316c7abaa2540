package pingpp

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/redact"
)

// A probe asks as the client does, with its key, clock, words and transport, and says what the answer shows, of whatever kind.
func TestProbe(t *testing.T) {
	const list = `{"object":"list","url":"/v1/charges","has_more":false,"data":[]}`
	for name, c := range map[string]struct {
		status int
		body   string
		kind   ErrorKind // "": no error
	}{"answered": {200, list, ""}, "refused": {401, `{"error":{"type":"authentication_error","message":"no"}}`, Authentication}} {
		wrapped, asked := 0, 0
		now := time.Unix(1_790_000_000, 0)
		transport := roundTrip(func(req *http.Request) (*http.Response, error) {
			asked++
			if req.URL.Path != "/v1/charges" || req.URL.Query().Get("limit") != "1" || req.URL.Host != "127.0.0.1" || req.URL.Query().Get("app[id]") != "app_1" || req.Header.Get("Authorization") != "Bearer sk_test_"+strings.Repeat("k", 24) || req.Header.Get("Pingplusplus-Request-Timestamp") != "1790000000" || req.Header.Get("Accept-Language") != "zh-CN" || req.Header.Get("User-Agent") == "" {
				t.Errorf("%s: %s %v", name, req.URL, req.Header)
			}
			if end, ok := req.Context().Deadline(); !ok || time.Until(end) > 7*time.Second || time.Until(end) <= 0 {
				t.Errorf("%s: it may take until %s", name, end)
			}
			time.Sleep(time.Millisecond) // Took says so at least
			return &http.Response{StatusCode: c.status, Header: http.Header{"Date": {now.UTC().Format(http.TimeFormat)}, SignatureHeader: {"c2ln"}}, Body: io.NopCloser(strings.NewReader(c.body)), Request: req}, nil
		})
		cl, err := New(Config{App: "app_1", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: transport, Timeout: 7 * time.Second, Language: "zh-CN", Now: func() time.Time { return now },
			Rand: func() float64 { return 0.25 }, Wrap: func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) { wrapped++; return next.RoundTrip(req) })
			}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := cl.Probe(t.Context())
		if c.kind == "" && err != nil || c.kind != "" && !isKind(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if !got.Date.Equal(now) || got.Signature != "c2ln" || !bytes.Equal(got.Body, []byte(c.body)) || got.Took < time.Millisecond || wrapped != 1 || asked != 1 {
			t.Errorf("%s: %+v, asked %d times, %d of them wrapped", name, got, asked, wrapped)
		}
		if cl.rand() != 0.25 {
			t.Error("not the random numbers that were given")
		}
	}
	// What cannot be had is tried again, by the client's own clock and random numbers.
	tries := 0
	cl, err := New(Config{App: "app_1", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Rand: func() float64 { return 0 }, Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		tries++
		return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{"Retry-After": {time.Now().UTC().Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader("try again")), Request: req}, nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cl.Probe(t.Context()); !isKind(err, Server) || tries < 2 || string(got.Body) != "try again" {
		t.Errorf("%v after %d tries: %q", err, tries, got.Body)
	}
}

func isKind(err error, kind ErrorKind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}
