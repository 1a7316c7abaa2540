package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/caddypay/caddypay/pingpp"
)

// The references run as processes of their own, like the product: this program again, with this variable in its environment.
const serveVariable = "CADDYPAY_BENCH_SERVE"

// serveReference is the main function of such a process. It says on standard output where it listens and ends with its
// standard input.
func serveReference(kind string) error {
	text, err := os.ReadFile("pingpp.pub.pem")
	if err != nil {
		return err
	}
	key, err := pingpp.ParsePublicKey(text)
	if err != nil {
		return err
	}
	verifier, err := pingpp.NewVerifier(key)
	if err != nil {
		return err
	}
	keep := func([]byte) error { return nil }
	if kind == "floor" {
		log, err := newAppendLog("floor.log")
		if err != nil {
			return err
		}
		keep = log.append
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(ln.Addr())
	return http.Serve(ln, bare(verifier, keep))
}

// bare is the least that an endpoint for webhooks can do: read, verify, keep, answer.
func bare(verifier *pingpp.Verifier, keep func([]byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := verifier.Verify(body, r.Header.Values(pingpp.SignatureHeader)); err != nil {
			http.Error(w, "not signed", http.StatusForbidden)
			return
		}
		if err := keep(body); err != nil {
			http.Error(w, "not kept", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"result":"recorded"}`)
	})
}

// appendLog is a file to which records are added. Everything that waits is written in one write and one fdatasync: whoever
// acknowledges only what is on disk cannot do less.
type appendLog struct {
	file  *os.File
	queue chan *record
}

type record struct {
	data []byte
	done chan error
}

func newAppendLog(name string) (*appendLog, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &appendLog{file: f, queue: make(chan *record, 1024)}
	go l.run()
	return l, nil
}

// append returns when the record is on disk.
func (l *appendLog) append(data []byte) error {
	r := &record{data: data, done: make(chan error, 1)}
	l.queue <- r
	return <-r.done
}

func (l *appendLog) run() {
	var buf []byte
	var batch []*record
	for first := range l.queue {
		batch = append(batch[:0], first)
	gather:
		for {
			select {
			case r, ok := <-l.queue:
				if !ok {
					break gather
				}
				batch = append(batch, r)
			default:
				break gather
			}
		}
		buf = buf[:0]
		for _, r := range batch {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(len(r.data)))
			buf = binary.LittleEndian.AppendUint32(buf, crc32.ChecksumIEEE(r.data))
			buf = append(buf, r.data...)
		}
		_, err := l.file.Write(buf)
		if err == nil {
			err = datasync(l.file)
		}
		for _, r := range batch {
			r.done <- err
		}
	}
	_ = l.file.Close()
}

func (l *appendLog) close() { close(l.queue) }

// datasync writes a file to the disk. Its times, which fsync writes too, do not matter: where the system has fdatasync it is that.
var datasync = (*os.File).Sync

// reference is one that runs.
type reference struct {
	*process
	addr string
}

func (s *stage) startReference(kind string) (reference, error) {
	self, err := os.Executable()
	if err != nil {
		return reference{}, err
	}
	p, err := s.spawn(kind, self, nil, serveVariable+"="+kind)
	if err != nil {
		return reference{}, err
	}
	line, err := p.firstLine()
	if err != nil {
		return reference{}, fmt.Errorf("the reference %s: %w", kind, err)
	}
	return reference{p, strings.TrimSpace(line)}, nil
}
