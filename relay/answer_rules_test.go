package relay

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// noise is text that cannot be compressed.
func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// How much of an answer is looked at, and how much is read.
func TestAnswerIsReadSoFar(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	for name, c := range map[string]struct {
		encoding string
		body     string
		limit    int
		want     string
		left     string // of Content-Encoding
		read     int
	}{
		"plain, and short":                     {"", "success", judged, "success", "", 7},
		"plain, of all that is looked at":      {"", long[:judged], judged, long[:judged], "", judged},
		"plain, and longer":                    {"", long[:judged+5000], judged, long[:judged], "", judged + 5000},
		"plain, and longer than is read":       {"", long, judged, long[:judged], "", drained},
		"plain, all that is read looked at":    {"", long, drained, long[:drained], "", drained},
		"packed, and longer than looked at":    {"gzip", string(packed(t, "gzip", string(noise(3*judged)))), judged, string(noise(3 * judged)[:judged]), "", -1},
		"packed, and longer than is read":      {"gzip", string(packed(t, "gzip", string(noise(2*drained)))), drained, string(noise(2 * drained)), "", drained},
		"not packed, and longer than is read":  {"gzip", long, judged, long[:judged], "gzip", drained},
		"not packed, and all of it looked at":  {"gzip", long, drained, long[:drained], "gzip", drained},
		"packed in a way that nobody asks for": {"br", "success", judged, "success", "br", 7},
	} {
		t.Run(name, func(t *testing.T) {
			body := &countedBody{from: strings.NewReader(c.body)}
			resp := &http.Response{Header: http.Header{"Content-Encoding": {c.encoding}}, Body: body}
			got, err := readAnswer(resp, c.limit)
			if len(c.want) > drained { // how much of it one read unpacks to is the packing's matter
				c.want = c.want[:min(len(got), len(c.want))]
				if len(got) < drained/2 {
					t.Errorf("%d bytes", len(got))
				}
			}
			if err != nil || !bytes.Equal(got, []byte(c.want)) || resp.Header.Get("Content-Encoding") != c.left {
				t.Errorf("%d bytes, want %d; encoding %q, want %q; %v", len(got), len(c.want), resp.Header.Get("Content-Encoding"), c.left, err)
			}
			if c.read >= 0 && body.n != c.read {
				t.Errorf("%d bytes were read, want %d", body.n, c.read)
			}
		})
	}
}

// countedBody counts what is read of a body.
type countedBody struct {
	from io.Reader
	n    int
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += n
	return n, err
}

func (c *countedBody) Close() error { return nil }
