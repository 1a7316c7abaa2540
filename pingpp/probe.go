package pingpp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// Probed is what an answer of Ping++ shows besides its content.
type Probed struct {
	Date      time.Time // of Ping++'s clock, to the second; zero where no answer came or none was named
	Took      time.Duration
	Signature string // of the answer, as webhooks have one; empty: Ping++ did not sign it
	Body      []byte // over which it was made
}

// Probe asks Ping++ for the newest charge, only to see that it answers this key and signature: nothing comes of it. What the answer shows is
// returned with an error too.
func (c *Client) Probe(ctx context.Context) (Probed, error) {
	seen := &witness{next: c.transport}
	alone := &Client{app: c.app, live: c.live, caller: caller{key: c.key, signer: c.signer, base: c.base, transport: seen, timeout: c.timeout,
		now: c.now, rand: c.rand, language: c.language, userAgent: c.userAgent}}
	defer c.rest()
	start := time.Now()
	_, err := alone.ListCharges(ctx, ListParams{Limit: 1})
	seen.p.Took, seen.p.Body = time.Since(start), seen.body.Bytes()
	return seen.p, err
}

// witness notes what the last answer shows.
type witness struct {
	next http.RoundTripper
	p    Probed
	body bytes.Buffer
}

func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	w.p = Probed{Signature: Signature(resp.Header.Values(SignatureHeader))}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		w.p.Date = date
	}
	w.body.Reset()
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(resp.Body, &w.body), resp.Body}
	return resp, nil
}
