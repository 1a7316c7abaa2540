// Package desk is where the calls of an emulated service arrive: each is counted, suffers the fault that was set on it, and is answered
// whole. The services share one set of faults, and are told apart by their operations.
package desk

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	slowDelay    = 10 * time.Second
	endlessBytes = 256 << 20 // what a client that never stops reading gets at most
)

// Answer is a whole answer, made before any of it is written.
type Answer struct {
	Status int
	Type   string // of the content
	Body   []byte
	Signed bool // with the headers of an API that signs what it answers
}

// Desk takes the calls of one service.
type Desk struct {
	Faults *Faults
	Done   <-chan struct{}                               // closed with the sandbox: waits of faults end
	Sign   func(h http.Header, body []byte)              // adds the headers of a signed answer
	Fail   func(r *http.Request, f Fault) (Answer, bool) // the answer of a fault in whose way nothing is done
	Swap   func(Answer) Answer                           // what a fault wrong_… makes of an answer
}

// Serve counts a call, lets its fault happen, and otherwise answers what the operation answers.
func (d *Desk) Serve(w http.ResponseWriter, r *http.Request, op string, answer func() Answer) {
	f, faulty := d.Faults.Call(op)
	if !faulty {
		d.Write(w, answer())
		return
	}
	if instead, ok := d.Fail(r, f); ok {
		d.Write(w, instead)
		return
	}
	switch f.Name {
	case "slow":
		if !d.pause(r, f.OrDefault(slowDelay)) {
			panic(http.ErrAbortHandler) // returning would be an empty 200
		}
		d.Write(w, answer())
	case "drop":
		answer()
		panic(http.ErrAbortHandler) // net/http's own way to cut a connection
	case "truncate":
		d.truncate(w, answer())
	case "endless":
		d.endless(w, r, answer())
	case "wrong_charge", "wrong_refund", "wrong_event":
		d.Write(w, d.Swap(answer()))
	}
}

// Broken is what a broken server in front of any service answers in the place of its own answers of a content type.
func Broken(f Fault, contentType string) (Answer, bool) {
	switch f.Name {
	case "502":
		return html(http.StatusBadGateway, "502 Bad Gateway"), true
	case "500":
		return html(http.StatusInternalServerError, "500 Internal Server Error"), true
	case "200_html":
		return html(http.StatusOK, "Welcome"), true
	case "200_null":
		return Answer{Status: http.StatusOK, Type: contentType, Body: []byte("null")}, true
	case "empty":
		return Answer{Status: http.StatusOK, Type: contentType}, true
	}
	return Answer{}, false
}

func html(status int, text string) Answer {
	return Answer{Status: status, Type: "text/html", Body: []byte(
		"<html>\r\n<head><title>" + text + "</title></head>\r\n<body>\r\n<center><h1>" + text + "</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")}
}

// Write sends an answer whole.
func (d *Desk) Write(w http.ResponseWriter, a Answer) {
	d.head(w, a)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // a client that is gone is no matter of ours
}

func (d *Desk) head(w http.ResponseWriter, a Answer) {
	w.Header().Set("Content-Type", a.Type)
	if a.Signed {
		d.Sign(w.Header(), a.Body)
	}
}

// pause waits and reports whether client and sandbox are still there.
func (d *Desk) pause(r *http.Request, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-d.Done:
		return false
	}
}

// truncate announces the whole body and cuts the connection in its middle.
func (d *Desk) truncate(w http.ResponseWriter, a Answer) {
	d.head(w, a)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body[:len(a.Body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// endless begins like the answer and never ends it, until the client gives up.
func (d *Desk) endless(w http.ResponseWriter, r *http.Request, a Answer) {
	d.head(w, a)
	w.WriteHeader(a.Status)
	start := a.Body[:max(len(a.Body)-1, 0)] // without the closing brace: the object never ends
	if _, err := w.Write(append(append([]byte{}, start...), `,"endless":"`...)); err != nil {
		return
	}
	chunk := []byte(strings.Repeat("0123456789abcdef", 2048))
	for sent := 0; sent < endlessBytes; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil || r.Context().Err() != nil || d.closed() {
			break
		}
	}
	panic(http.ErrAbortHandler)
}

func (d *Desk) closed() bool {
	select {
	case <-d.Done:
		return true
	default:
		return false
	}
}
