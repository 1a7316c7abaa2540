package pingxx

import (
	"net/http"
	"testing"
)

func TestRequestTarget(t *testing.T) {
	for sent, want := range map[string]string{
		"/v1/charges?": "/v1/charges?", "https://api.pingxx.com/v1/charges?a=1": "/v1/charges?a=1", "": "/v1/x?q=1", "https://h": "/v1/x?q=1",
	} {
		r, _ := http.NewRequest("GET", "https://h/v1/x?q=1", nil)
		r.RequestURI = sent
		if got := requestTarget(r); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}
