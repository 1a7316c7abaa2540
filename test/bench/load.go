package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// request is one that goes out as it is.
type request struct {
	number uint32
	wire   []byte
}

// conn is a keep-alive connection of the load generator. It does what a client must and no more: what it costs is taken from
// the same two cores on which the server runs.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 4096)}, nil
}

var contentLength = []byte("content-length:")

// do sends a request and reads the answer to its end. An error leaves the connection unusable.
func (c *conn) do(wire []byte) (status int, err error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := c.Write(wire); err != nil {
		return 0, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		switch {
		case first:
			if len(line) < 12 {
				return 0, fmt.Errorf("the answer begins with %q", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, err
			}
			continue
		case len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil {
				return 0, err
			}
			continue
		case len(line) > 2:
			continue
		}
		if length < 0 {
			return 0, errors.New("the answer has no Content-Length")
		}
		_, err = io.CopyN(io.Discard, c.r, int64(length))
		return status, err
	}
}

// run is what came of a round of load.
type run struct {
	ok      int
	failed  int
	why     string // of one that failed
	elapsed time.Duration
	took    []time.Duration // of those that were answered 200
	sent    map[uint32]time.Time
}

func (r *run) rate() float64 {
	if r.elapsed <= 0 {
		return 0
	}
	return float64(r.ok) / r.elapsed.Seconds()
}

func (r *run) note(status int, err error, took time.Duration) {
	if err == nil && status == 200 {
		r.ok++
		r.took = append(r.took, took)
		return
	}
	r.failed++
	if r.why = fmt.Sprint("status ", status); err != nil {
		r.why = err.Error()
	}
}

func (r *run) add(other *run) {
	r.ok, r.failed, r.took = r.ok+other.ok, r.failed+other.failed, append(r.took, other.took...)
	if other.why != "" {
		r.why = other.why
	}
}

// workers runs a function on n connections of their own at the same time and adds up what they note.
func workers(addr string, n int, work func(c *conn, r *run)) (*run, error) {
	conns := make([]*conn, n)
	for i := range conns {
		c, err := dial(addr)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		conns[i] = c
	}
	parts := make([]run, n)
	var all sync.WaitGroup
	start := time.Now()
	for i, c := range conns {
		all.Go(func() { work(c, &parts[i]) })
	}
	all.Wait()
	total := &run{elapsed: time.Since(start)}
	for i := range parts {
		total.add(&parts[i])
	}
	return total, nil
}

// closed is a closed loop: each connection sends its next request when it has the answer to the last, until the time is up or
// the requests are. With again they are sent over and over.
func closed(addr string, requests []request, connections int, limit time.Duration, again bool) (*run, error) {
	var next atomic.Int64
	end := time.Now().Add(limit)
	return workers(addr, connections, func(c *conn, r *run) {
		for {
			at := time.Now()
			i := int(next.Add(1) - 1)
			if again {
				i %= len(requests)
			}
			if i >= len(requests) || at.After(end) {
				return
			}
			status, err := c.do(requests[i].wire)
			r.note(status, err, time.Since(at))
			if err != nil {
				return
			}
		}
	})
}

// openLoop sends each request at its time, whatever has become of those before. How long one took counts from that time on,
// so a server that stalls is charged for everybody who waited.
func openLoop(addr string, requests []request, perSecond int) (*run, error) {
	type scheduled struct {
		request
		at time.Time
	}
	queue := make(chan scheduled, len(requests))
	sent := make(map[uint32]time.Time, len(requests))
	gap := time.Second / time.Duration(perSecond)
	start := time.Now().Add(50 * time.Millisecond) // when all are connected
	for i, r := range requests {
		sent[r.number] = start.Add(time.Duration(i) * gap)
	}
	go func() {
		defer close(queue)
		for _, r := range requests {
			time.Sleep(time.Until(sent[r.number]))
			queue <- scheduled{r, sent[r.number]}
		}
	}()
	total, err := workers(addr, 64, func(c *conn, r *run) {
		for s := range queue {
			status, err := c.do(s.wire)
			r.note(status, err, time.Since(s.at))
			if err != nil {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	total.sent = sent
	return total, nil
}
