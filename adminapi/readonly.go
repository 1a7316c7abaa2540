package adminapi

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/caddypay/caddypay/ledger"
)

// NewReader returns the server of a ledger that was opened for reading, of a Caddy that cannot be asked. It answers what can be read from the ledger
// alone; what would act, or needs the running sites, it refuses. File is where the ledger is, and scopes are those that are shown.
func NewReader(l ledger.Ledger, file string, scopes []ledger.Scope) http.Handler {
	s := New(Config{
		Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil },
		File:   file, Scopes: func() []ledger.Scope { return scopes },
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if beyond(r) {
			methods{r.Method: refuseBeyond}.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
}

// readable are the paths whose POST only reads.
var readable = map[string]bool{"/pay/runs/preview": true}

// beyond says whether a request is beyond what a ledger alone can answer.
func beyond(r *http.Request) bool {
	switch r.URL.Path {
	case "/pay/health", "/pay/seen", "/pay/check":
		return true
	}
	return r.Method != http.MethodGet && !readable[r.URL.Path]
}

func refuseBeyond(http.ResponseWriter, *http.Request) (any, error) {
	return nil, refuse(http.StatusConflict, "the ledger was opened for reading; start Caddy to act, or to ask what only a running Caddy knows")
}

// ClientOf returns a client of a server in this process.
func ClientOf(server http.Handler) *Client {
	return NewClient(Endpoint{URL: "http://127.0.0.1", HTTP: &http.Client{Transport: within{server}}})
}

// within carries requests to a handler, without a network.
type within struct{ http.Handler }

func (w within) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context()) // a handler may read a body that is not there
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	a := &answer{status: http.StatusOK, header: make(http.Header)}
	w.ServeHTTP(a, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
	}, nil
}

// answer is what a handler writes.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
