package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

const (
	maxFaults    = 1000
	maxTimes     = 1_000_000
	maxDelay     = time.Hour
	slowDelay    = 10 * time.Second
	endlessBytes = 256 << 20 // what a client that never stops reading gets at most
)

// fault is a switch: the next times calls of an operation go wrong in its way.
type fault struct {
	on, name string
	times    int
	delay    time.Duration // 0: the fault's own default
}

var (
	apiFaults     = []string{"400", "502", "502_json", "500", "200_error", "200_null", "200_html", "empty", "402", "403", "429", "401", "slow", "drop", "truncate", "endless"}
	eventFaults   = []string{"duplicate", "late", "missing", "disorder"}
	refundFates   = []string{"failed", "failed_later", "stuck"}
	refundLosses  = []string{"no_metadata", "no_description", "no_texts"}
	attemptFaults = []string{"bad_signature", "empty_signature", "no_signature", "altered_body"}
	wechatFaults  = []string{"502", "500", "200_null", "200_html", "empty", "slow", "drop", "truncate", "endless"} // and every errcode
	errcode       = regexp.MustCompile(`^(-1|[1-9][0-9]{4,6})$`)
)

// faultNames says what each operation can suffer.
var faultNames = map[string][]string{
	opCreate:       append([]string{"wrong_charge"}, apiFaults...),
	opGet:          append([]string{"wrong_charge"}, apiFaults...),
	opList:         apiFaults,
	opReverse:      append([]string{"wrong_charge"}, apiFaults...),
	opCreateRefund: append([]string{"wrong_refund"}, apiFaults...),
	opGetRefund:    append([]string{"wrong_refund"}, apiFaults...),
	opListRefunds:  apiFaults,
	opCreateOrder:  apiFaults,
	opGetOrder:     apiFaults,
	opListOrders:   apiFaults,
	opPayOrder:     apiFaults,
	opCancelOrder:  apiFaults,
	opOrderCharges: apiFaults,
	opRefundOrder:  apiFaults,
	opOrderRefunds: apiFaults,
	opEvent:        append([]string{"wrong_event"}, apiFaults...),
	opRefund:       append(append([]string{}, refundFates...), refundLosses...),
	opNotify:       {"502", "500", "200_html", "empty", "slow", "drop"},
	opSession:      wechatFaults,
	opOAuth:        wechatFaults,
	opStableToken:  wechatFaults,
	opToken:        wechatFaults,
	opTicket:       wechatFaults,
	opWebhook:      append(append([]string{}, eventFaults...), attemptFaults...),
}

// ofWeChat reports whether an operation is WeChat's and not Ping++'s.
func ofWeChat(op string) bool {
	return slices.Contains([]string{opSession, opOAuth, opStableToken, opToken, opTicket}, op)
}

// SetFault makes the next times calls of an operation fail; the package comment lists both. Faults of
// one operation take effect in the order they were set. The error of an unknown name lists what there is.
func (s *Sandbox) SetFault(on, name string, times int) error {
	return s.addFault(fault{on: on, name: name, times: times})
}

func (s *Sandbox) addFault(f fault) error {
	names, ok := faultNames[f.on]
	if !ok {
		return fmt.Errorf("sandbox: faults on %q do not exist: write on as one of %s", f.on, strings.Join(slices.Sorted(maps.Keys(faultNames)), ", "))
	}
	if !slices.Contains(names, f.name) && !(ofWeChat(f.on) && errcode.MatchString(f.name)) {
		more := ""
		if ofWeChat(f.on) {
			more = ", or a WeChat errcode such as -1, 45011, 40226"
		}
		return fmt.Errorf("sandbox: %s has no fault %q: write one of %s%s", f.on, f.name, strings.Join(names, ", "), more)
	}
	if f.times < 1 || f.times > maxTimes {
		return fmt.Errorf("sandbox: a fault of %d times: write times from 1 to %d", f.times, maxTimes)
	}
	if f.delay < 0 || f.delay > maxDelay {
		return fmt.Errorf("sandbox: a delay of %v: write delay_ms from 0 to %d", f.delay, maxDelay.Milliseconds())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) >= maxFaults {
		return fmt.Errorf("sandbox: %d faults are waiting already: clear them with DELETE /sandbox/faults", maxFaults)
	}
	s.faults = append(s.faults, &f)
	return nil
}

// ClearFaults forgets all faults that have not happened yet.
func (s *Sandbox) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault uses up one time of the oldest fault on an operation; of names only, unless nil.
func (s *Sandbox) takeFault(on string, names []string) (fault, bool) {
	for i, f := range s.faults {
		if f.on != on || names != nil && !slices.Contains(names, f.name) {
			continue
		}
		if f.times--; f.times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return *f, true
	}
	return fault{}, false
}

// serve counts a call, lets its fault happen, and otherwise answers what the operation answers.
func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request, op string, answer func() response) {
	s.mu.Lock()
	s.calls[op]++
	f, faulty := s.takeFault(op, nil)
	s.mu.Unlock()
	if !faulty {
		s.write(w, answer())
		return
	}
	if instead, ok := s.instead(r, f); ok {
		s.write(w, instead)
		return
	}
	switch f.name {
	case "slow":
		if !s.pause(r, orDefault(f.delay, slowDelay)) {
			panic(http.ErrAbortHandler) // returning would be an empty 200
		}
		s.write(w, answer())
	case "drop":
		answer()
		panic(http.ErrAbortHandler) // net/http's own way to cut a connection
	case "truncate":
		s.truncate(w, answer())
	case "endless":
		s.endless(w, r, answer())
	case "wrong_charge", "wrong_refund", "wrong_event":
		s.write(w, swap(answer()))
	}
}

// instead is the answer of a fault in whose way nothing is done.
func (s *Sandbox) instead(r *http.Request, f fault) (response, bool) {
	html := func(status int, text string) response {
		return response{status: status, contentType: "text/html", body: []byte(
			"<html>\r\n<head><title>" + text + "</title></head>\r\n<body>\r\n<center><h1>" + text + "</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")}
	}
	down := &apiError{kind: apiFailure, zh: "服务器暂时不可用，请稍后重试。", en: "The service is temporarily unavailable, try again later."}
	busy := &apiError{kind: apiFailure, zh: "请求过于频繁，请稍后重试。", en: "Too many requests, try again later."}
	asError := func(e *apiError, status int) (response, bool) {
		e.status = status
		return refuse(r, e), true
	}
	contentType := apiJSON
	if ofWeChat(f.on) {
		contentType = wechatType
		if code, err := strconv.Atoi(f.name); err == nil && errcode.MatchString(f.name) {
			return s.wechatError(code), true
		}
	}
	switch f.name {
	case "502":
		return html(http.StatusBadGateway, "502 Bad Gateway"), true
	case "200_html":
		return html(http.StatusOK, "Welcome"), true
	case "empty":
		return response{status: http.StatusOK, contentType: contentType}, true
	case "200_null":
		return response{status: http.StatusOK, contentType: contentType, body: []byte("null"), signed: !ofWeChat(f.on)}, true
	case "500":
		if f.on == opNotify || ofWeChat(f.on) {
			return html(http.StatusInternalServerError, "500 Internal Server Error"), true
		}
		return asError(down, http.StatusInternalServerError)
	case "502_json":
		return asError(down, http.StatusBadGateway)
	case "200_error":
		return asError(down, http.StatusOK)
	case "400":
		return asError(&apiError{kind: invalidRequest, zh: "请求无法处理。", en: "The request cannot be processed."}, http.StatusBadRequest)
	case "401":
		return asError(&apiError{kind: invalidRequest, zh: "提供了无效的 API KEY: sk_test_************************。", en: "Invalid API key provided: sk_test_************************"}, http.StatusUnauthorized)
	case "402":
		return asError(channelRefusal("wx_lite", "系统繁忙，请稍后再试"), http.StatusPaymentRequired)
	case "403":
		return asError(busy, http.StatusForbidden)
	case "429":
		return asError(busy, http.StatusTooManyRequests)
	}
	return response{}, false
}

// pause waits and reports whether client and sandbox are still there.
func (s *Sandbox) pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-s.ctx.Done():
		return false
	}
}

// truncate announces the whole body and cuts the connection in its middle.
func (s *Sandbox) truncate(w http.ResponseWriter, a response) {
	s.head(w, a)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// endless begins like the answer and never ends it, until the client gives up.
func (s *Sandbox) endless(w http.ResponseWriter, r *http.Request, a response) {
	s.head(w, a)
	w.WriteHeader(a.status)
	start := a.body[:max(len(a.body)-1, 0)] // without the closing brace: the object never ends
	if _, err := w.Write(append(append([]byte{}, start...), `,"endless":"`...)); err != nil {
		return
	}
	chunk := []byte(strings.Repeat("0123456789abcdef", 2048))
	for sent := 0; sent < endlessBytes; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil || r.Context().Err() != nil || s.ctx.Err() != nil {
			break
		}
	}
	panic(http.ErrAbortHandler)
}

// swap makes another object of an answered one; errors stay as they are.
func swap(a response) response {
	o, err := rawjson.Parse(a.body)
	if _, isError := o.Get("error"); err != nil || isError {
		return a
	}
	id, _ := o.Get("id")
	other := []byte(id)
	if len(other) > 2 { // the last character before the closing quote
		other[len(other)-2] = '0' + (other[len(other)-2]-'0'+1)%10
	}
	o.SetRaw("id", json.RawMessage(other))
	if raw, ok := o.Get("amount"); ok {
		n, _ := rawjson.Integer(raw)
		o.Set("amount", n+1)
	}
	if _, ok := o.Get("order_no"); ok {
		o.Set("order_no", "another0order")
	}
	a.body = rawjson.Encode(o)
	return a
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
