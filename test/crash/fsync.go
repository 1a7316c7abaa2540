package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A killed process leaves what it has written with the kernel, so no kill -9 can show that a commit was never forced to the disk.
// The system calls can: between the sending of a webhook and its 200 there has to be one that forces the ledger's log there.

// span is from when to when, in Unix seconds.
type span struct{ from, to float64 }

// holds says whether one of others is wholly within it.
func (s span) holds(others []span) bool {
	return slices.ContainsFunc(others, func(o span) bool { return s.from <= o.from && o.to <= s.to })
}

// unforced sends webhooks one by one to a process that strace watches, and returns those that were acknowledged although nothing
// was forced to the disk meanwhile. Their type is not delivered, so that nothing else is written.
func unforced(ctx context.Context, o options, dir string, n int) (ids []string, err error) {
	ping, err := newPingpp(rand.New(rand.NewPCG(o.seed, 1)), func(*event) {})
	if err != nil {
		return nil, err
	}
	defer ping.close()
	s, err := newSite(o.bin, dir, ping)
	if err != nil {
		return nil, err
	}
	defer s.log.Close()
	s.backend, s.types = "127.0.0.1:9", "types order.succeeded"
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	trace := filepath.Join(dir, "trace")
	// The tracer is a grandchild (-D), so that the process stays our own child to signal.
	p, err := s.start("a1", ports[0], ports[1], "strace", "-D", "-f", "-y", "-ttt", "-T", "-e", "trace=fsync,fdatasync", "-o", trace)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	if _, err := p.ready(ctx); err != nil {
		return nil, err
	}
	client := newSender(o, nil)
	defer client.client.CloseIdleConnections()
	sent := make(map[string]span)
	for range n {
		e := ping.payment(ping.newOrder())
		from := unix(time.Now())
		if status := client.post(e, p.base()+"/pay/webhooks"); status != http.StatusOK {
			return nil, fmt.Errorf("a webhook was answered %d", status)
		}
		sent[e.id] = span{from, unix(time.Now())}
	}
	if err := p.term(); err != nil {
		return nil, err
	}
	forced, calls, err := readTrace(trace)
	if err != nil {
		return nil, err
	}
	if calls == 0 { // making the ledger's file forces its folder in any case
		return nil, errors.New("strace has seen nothing: may processes be traced here?")
	}
	for id, s := range sent {
		if !s.holds(forced) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// forcing is a line of strace's: process, time, call and file; a call that others interrupt has two lines.
var forcing = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (?:f(?:data)?sync\(\d+<([^>]*)>(\) += 0(?: \(DELAYED\))? <([0-9.]+)>)?|<\.\.\. f(?:data)?sync resumed>.* = 0(?: \(DELAYED\))? <([0-9.]+)>)`)

// readTrace returns when the ledger's log was forced to the disk, and how many calls there were in all.
func readTrace(file string) (forced []span, calls int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	begun := make(map[string]float64) // by process, of a call that has not ended
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m := forcing.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		calls++
		process, path, whole, took, resumed := m[1], m[3], m[4] != "", m[5], m[6]
		at, _ := strconv.ParseFloat(m[2], 64) // digits by the expression
		switch {
		case resumed != "":
			if from, ok := begun[process]; ok {
				forced = append(forced, span{from, at})
				delete(begun, process)
			}
		case !strings.HasSuffix(path, "ledger.db-wal"):
			delete(begun, process) // of a call that failed
		case whole:
			d, _ := strconv.ParseFloat(took, 64)
			forced = append(forced, span{at, at + d})
		default:
			begun[process] = at
		}
	}
	return forced, calls, lines.Err()
}
