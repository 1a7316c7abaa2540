package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/caddypay/caddypay/pingpp"
)

// The benchmark's key has many primes, but whoever verifies must not see a difference.
func TestRequestsVerify(t *testing.T) {
	s, err := newSigner()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pingpp.ParsePublicKey(s.publicPEM())
	if err != nil {
		t.Fatal(err)
	}
	if bits := key.N.BitLen(); bits != 2048 {
		t.Errorf("the key has %d bits", bits)
	}
	v, err := pingpp.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	h := &hooks{signer: s, app: "app_bench"}
	for _, req := range h.requests("127.0.0.1:1", 20) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(req.wire)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify(body, r.Header.Values(pingpp.SignatureHeader)); err != nil {
			t.Error(err)
		}
		e, err := pingpp.ParseEvent(body)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := hookNumber(e.ID); !ok || n != req.number {
			t.Errorf("event %s has the number %d, want %d", e.ID, n, req.number)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	s, err := newSigner()
	if err != nil {
		b.Fatal(err)
	}
	h := &hooks{signer: s, app: "app_bench"}
	for b.Loop() {
		_, body := h.event()
		s.sign(body)
	}
}
