package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/store"
)

// State is what the sandbox has seen and done. Lists are newest first.
type State struct {
	App     string         `json:"app"`
	Charges []any          `json:"charges"` // charge objects
	Orders  []any          `json:"orders"`  // order objects
	Events  []EventState   `json:"events"`
	Calls   map[string]int `json:"calls"` // per operation; webhook counts tries
	Faults  []FaultState   `json:"faults"`
}

// EventState is an event and its deliveries, one for each webhook URL.
type EventState struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Charge     string          `json:"charge,omitempty"`
	Livemode   bool            `json:"livemode"`
	Created    time.Time       `json:"created"`
	Signature  string          `json:"signature"`
	Body       string          `json:"body"` // the signed bytes
	Deliveries []DeliveryState `json:"deliveries"`
}

// DeliveryState is an event's way to one URL.
type DeliveryState struct {
	URL      string    `json:"url"`
	Status   string    `json:"status"` // pending, delivered, failed, missing
	Attempts []Attempt `json:"attempts"`
}

// FaultState is a fault that has not happened as often as it should.
type FaultState struct {
	On    string `json:"on"`
	Fault string `json:"fault"`
	Times int    `json:"times"`              // left
	Delay int64  `json:"delay_ms,omitempty"` // milliseconds
}

// State returns what the sandbox has seen and done, at most limit charges, limit orders and limit events.
func (s *Sandbox) State(limit int) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	st := State{App: s.cfg.App, Charges: []any{}, Orders: []any{}, Events: []EventState{}, Calls: map[string]int{}, Faults: []FaultState{}}
	for c := range s.charges.Newest() {
		if len(st.Charges) >= limit {
			break
		}
		st.Charges = append(st.Charges, c.shown(now))
	}
	for o := range s.orderObjects.Newest() {
		if len(st.Orders) >= limit {
			break
		}
		st.Orders = append(st.Orders, o.shown(now))
	}
	for e := range s.events.Newest() {
		if len(st.Events) >= limit {
			break
		}
		st.Events = append(st.Events, e.state())
	}
	for op, n := range s.calls {
		st.Calls[op] = n
	}
	for _, f := range s.faults {
		st.Faults = append(st.Faults, FaultState{f.on, f.name, f.times, f.delay.Milliseconds()})
	}
	return st
}

func (e *event) state() EventState {
	st := EventState{ID: e.id, Type: e.kind, Charge: e.charge, Livemode: e.live, Created: e.created,
		Signature: e.signature, Body: string(e.body), Deliveries: []DeliveryState{}}
	for _, d := range e.deliveries {
		st.Deliveries = append(st.Deliveries, DeliveryState{d.url, d.status, append([]Attempt{}, d.attempts...)})
	}
	return st
}

// serveLevers answers under /sandbox/.
func (s *Sandbox) serveLevers(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/sandbox/"), "/")
	switch asked := r.Method + " " + path[0]; {
	case asked == "GET state" && len(path) == 1:
		s.serveState(w, r)
	case asked == "GET pingpp.pub.pem" && len(path) == 1:
		s.write(w, response{status: http.StatusOK, contentType: "application/x-pem-file", body: s.pubPEM})
	case asked == "POST charges" && len(path) == 3 && path[2] == "pay":
		s.leverPay(w, path[1])
	case asked == "POST refunds" && len(path) == 1:
		s.leverRefund(w, r)
	case asked == "POST refunds" && len(path) == 3 && (path[2] == "succeed" || path[2] == "fail"):
		s.leverSettle(w, path[1], path[2] == "succeed")
	case asked == "POST wechat" && len(path) == 2 && path[1] == "codes":
		s.leverCode(w, r)
	case asked == "POST wechat" && len(path) == 2 && path[1] == "user":
		s.leverUser(w, r)
	case asked == "POST faults" && len(path) == 1:
		s.leverFault(w, r)
	case asked == "DELETE faults" && len(path) == 1:
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	case asked == "GET events" && len(path) == 2:
		s.leverEvent(w, path[1])
	case asked == "POST events" && len(path) == 1:
		s.leverNewEvent(w, r)
	case asked == "POST webhooks" && len(path) == 1:
		s.leverWebhook(w, r)
	default:
		fail(w, http.StatusNotFound, errors.New("no such lever: there are POST /sandbox/charges/{id}/pay, POST /sandbox/refunds, POST /sandbox/refunds/{id}/succeed and /fail, "+
			"POST /sandbox/wechat/codes and /user, POST and DELETE /sandbox/faults, "+
			"GET /sandbox/state, GET /sandbox/events/{id}, POST /sandbox/events, POST /sandbox/webhooks, GET /sandbox/pingpp.pub.pem"))
	}
}

func (s *Sandbox) serveState(w http.ResponseWriter, r *http.Request) {
	limit := 1000
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > store.Max {
			fail(w, http.StatusBadRequest, fmt.Errorf("limit is %q: write a number from 0 to %d", v, store.Max))
			return
		}
		limit = n
	}
	reply(w, http.StatusOK, s.State(limit))
}

func (s *Sandbox) leverPay(w http.ResponseWriter, id string) {
	switch err := s.Pay(id); {
	case errors.Is(err, ErrUnknownCharge):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusConflict, err)
	default:
		c, _ := s.chargeShown(id)
		reply(w, http.StatusOK, c)
	}
}

func (s *Sandbox) chargeShown(id string) (*charge, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.charges.Get(id)
	if !ok {
		return nil, false
	}
	return c.shown(s.cfg.Now()), true
}

// leverRefund refunds a charge as a person does in Ping++'s dashboard. Its bounds are the API's.
func (s *Sandbox) leverRefund(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Charge      string `json:"charge"`
		Amount      int64  `json:"amount"`
		Description string `json:"description"`
		Status      string `json:"status"`
	}
	if !read(w, r, &in) {
		return
	}
	if in.Charge == "" || in.Amount < 0 {
		fail(w, http.StatusBadRequest, errors.New(`write "charge" (an id), and "amount" in fen, more than 0, or leave it out for all that is left`))
		return
	}
	switch in.Status {
	case "", "succeeded", "failed":
	case "pending":
		in.Status = "" // what every refund is at first
	default:
		fail(w, http.StatusBadRequest, fmt.Errorf("status is %q: write pending, succeeded or failed", in.Status))
		return
	}
	if in.Description == "" {
		in.Description = "Refund in the sandbox"
	}
	s.mu.Lock()
	c, ok := s.charges.Get(in.Charge)
	var re *refund
	var refusal *apiError
	if ok {
		if re, refusal = s.refund(c, refundParams{amount: in.Amount, description: in.Description}, in.Status); refusal == nil {
			re = re.shown()
		}
	}
	s.mu.Unlock() // before the answer is written: a slow reader holds up nobody
	switch {
	case !ok:
		fail(w, http.StatusNotFound, ErrUnknownCharge)
	case refusal != nil:
		fail(w, http.StatusConflict, errors.New(refusal.en))
	default:
		reply(w, http.StatusOK, re)
	}
}

// leverSettle ends a pending refund now.
func (s *Sandbox) leverSettle(w http.ResponseWriter, id string, succeed bool) {
	s.mu.Lock()
	re, ok := s.refunds[id]
	pending := ok && re.Status == "pending"
	if pending {
		s.settleRefund(re, succeed)
		re = re.shown()
	}
	s.mu.Unlock()
	switch {
	case !ok:
		fail(w, http.StatusNotFound, errors.New("no such refund"))
	case !pending:
		fail(w, http.StatusConflict, errors.New("the refund is not pending"))
	default:
		reply(w, http.StatusOK, re)
	}
}

func (s *Sandbox) leverCode(w http.ResponseWriter, r *http.Request) {
	var in struct {
		OpenID  string `json:"openid"`
		UnionID string `json:"unionid"`
	}
	if !read(w, r, &in) {
		return
	}
	if !userIDs(w, in.OpenID, in.UnionID) {
		return
	}
	reply(w, http.StatusOK, map[string]string{"code": s.newCode(in.OpenID, in.UnionID)})
}

func (s *Sandbox) leverUser(w http.ResponseWriter, r *http.Request) {
	var in WebUser
	if !read(w, r, &in) || !userIDs(w, in.OpenID, in.UnionID) {
		return
	}
	s.SetWebUser(in)
	w.WriteHeader(http.StatusNoContent)
}

// userIDs checks what a lever calls a user by; it answers when that will not do.
func userIDs(w http.ResponseWriter, ids ...string) bool {
	for _, id := range ids {
		if id != "" && !openIDShape.MatchString(id) {
			fail(w, http.StatusBadRequest, errors.New("openid and unionid consist of at most 128 letters, digits, _ and -"))
			return false
		}
	}
	return true
}

func (s *Sandbox) leverFault(w http.ResponseWriter, r *http.Request) {
	in := struct {
		On    string `json:"on"`
		Fault string `json:"fault"`
		Times int    `json:"times"`
		Delay int64  `json:"delay_ms"`
	}{Times: 1}
	if !read(w, r, &in) {
		return
	}
	delay := time.Duration(min(max(in.Delay, -1), maxDelay.Milliseconds()+1)) * time.Millisecond
	if err := s.addFault(fault{on: in.On, name: in.Fault, times: in.Times, delay: delay}); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) leverEvent(w http.ResponseWriter, id string) {
	s.mu.Lock()
	e, ok := s.events.Get(id)
	var st EventState
	if ok {
		st = e.state()
	}
	s.mu.Unlock() // before the answer is written: a slow reader holds up nobody
	if !ok {
		fail(w, http.StatusNotFound, errors.New("no such event"))
		return
	}
	reply(w, http.StatusOK, st)
}

// leverNewEvent makes an event about a charge as it is, or about an object that the caller gives.
func (s *Sandbox) leverNewEvent(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Type     string          `json:"type"`
		Charge   string          `json:"charge"`
		Object   json.RawMessage `json:"object"`
		Livemode bool            `json:"livemode"`
	}
	if !read(w, r, &in) {
		return
	}
	if in.Type == "" || (in.Charge == "") == (in.Object == nil) {
		fail(w, http.StatusBadRequest, errors.New(`write "type", and either "charge" (an id) or "object" (any JSON object)`))
		return
	}
	n := newEvent{kind: in.Type, object: in.Object, live: in.Livemode, charge: in.Charge}
	if in.Charge != "" {
		c, ok := s.chargeShown(in.Charge)
		if !ok {
			fail(w, http.StatusNotFound, ErrUnknownCharge)
			return
		}
		c.Credential = rawjson.Object{} // events never carry one
		n.object, n.live, n.request = c, c.Livemode, &c.request
	}
	s.mu.Lock()
	st := s.emit(n).state()
	s.mu.Unlock()
	reply(w, http.StatusAccepted, st)
}

// leverWebhook signs and sends the body as it is.
func (s *Sandbox) leverWebhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("reading the body: %w", err))
		return
	}
	s.mu.Lock()
	st := s.emitRaw(body).state()
	s.mu.Unlock()
	reply(w, http.StatusAccepted, st)
}

// read decodes a lever's JSON body; an empty one is {}. What it cannot read it answers itself.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		fail(w, http.StatusBadRequest, fmt.Errorf("reading the JSON body: %w", err))
		return false
	}
	return true
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(rawjson.Encode(v))
}

func fail(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}
