// Package body reads the bodies of requests, within limits of size, time and memory.
package body

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
)

const (
	// bodyTime is how long a request's body may take to come, and bodyRate, in bytes a second, how much more time what has come gives the
	// rest: a phone on a bad line is let through, and nobody can hold a connection open for nothing.
	bodyTime = 10 * time.Second
	bodyRate = 16 << 10
	// maxUnread bounds the memory of all webhooks that are being read, and that of all other bodies, in bytes.
	maxUnread = 64 << 20
	// firstRead is the memory that a body has before anything of it has come, in bytes.
	firstRead = 512
)

// pacedBody ends a body that comes too slowly, also where the server reads it, after an answer that did not need it. The time is the
// machine's: it ends a read of the network.
type pacedBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	start time.Time
	came  int64
	ended bool
}

// Pace gives the body its time.
func Pace(w http.ResponseWriter, r *http.Request) {
	if !hasBody(r) {
		return
	}
	b := &pacedBody{ReadCloser: r.Body, conn: http.NewResponseController(w), start: time.Now()}
	b.extend()
	r.Body = b
}

// Unread has the connection closed after an answer that did not need the body: the server would wait for it first. HTTP/2 and later
// end the stream alone.
func Unread(w http.ResponseWriter, r *http.Request) {
	if b, ok := r.Body.(*pacedBody); hasBody(r) && !(ok && b.ended) && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// extend sets the end as it follows from what has come. Where a server's writer takes no deadline, there is none.
func (b *pacedBody) extend() {
	_ = b.conn.SetReadDeadline(b.start.Add(bodyTime + time.Duration(b.came)*time.Second/bodyRate))
}

// Read implements [io.Reader].
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.came += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
		_ = b.conn.SetReadDeadline(time.Time{}) // else it would end the request itself, while it waits for a payment
	case err == nil:
		b.extend()
	}
	return n, err
}

// Memory is how many bytes are taken.
type Memory struct{ atomic.Int64 }

// Read reads a request's body of at most limit bytes.
func Read(r *http.Request, limit int, m *Memory) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return nil, problem.New("too_large", fmt.Errorf("a body of %d bytes, more than %d", r.ContentLength, limit))
	}
	var body []byte
	defer func() { m.Add(-int64(cap(body))) }()
	for {
		if len(body) == cap(body) {
			size := min(max(2*cap(body), firstRead), limit+1)
			if err := m.take(size - cap(body)); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			return nil, problem.New("too_large", fmt.Errorf("a body of more than %d bytes", limit))
		case errors.Is(err, io.EOF):
			return body, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, problem.New("json_invalid", fmt.Errorf("the body comes too slowly: %d bytes in %s and a second for each %d of them", len(body), bodyTime, bodyRate))
		case err != nil:
			return nil, problem.New("json_invalid", fmt.Errorf("reading the body: %w", err))
		}
	}
}

// take takes more.
func (m *Memory) take(bytes int) error {
	if m.Add(int64(bytes)) > maxUnread {
		m.Add(-int64(bytes))
		return problem.Limited("bodies", time.Second)
	}
	return nil
}
