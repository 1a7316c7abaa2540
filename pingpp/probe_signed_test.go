package pingpp

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/redact"
)

// A probe is signed as any other call is: it is to show that Ping++ takes the signature.
func TestProbeIsSigned(t *testing.T) {
	signed := ""
	cl, err := New(Config{App: "app_1", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", SigningKey: newKey(), Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		signed = req.Header.Get(RequestSignatureHeader)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"object":"list","url":"/v1/charges","has_more":false,"data":[]}`)), Request: req}, nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Probe(t.Context()); err != nil || signed == "" {
		t.Errorf("signed %q, %v", signed, err)
	}
}
