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

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/store"
)

const leverPrefix = "/sandbox/"

// serveLevers answers under /sandbox/.
func (s *Sandbox) serveLevers(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, leverPrefix), "/")
	switch asked := r.Method + " " + path[0]; {
	case asked == "GET state" && len(path) == 1:
		s.serveState(w, r)
	case asked == "GET pingpp.pub.pem" && len(path) == 1:
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(s.PublicKeyPEM())
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
	case asked == "POST wechat" && len(path) == 2 && path[1] == "program":
		s.leverProgram(w, r)
	case asked == "POST wechat" && len(path) == 3 && path[1] == "orders":
		s.leverOrder(w, r, path[2])
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
			"POST /sandbox/wechat/codes, /user, /program and /orders/{id}, POST and DELETE /sandbox/faults, "+
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
		c, _ := s.pingxx.Trade.Charges.Shown(id)
		reply(w, http.StatusOK, c)
	}
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
	re, err := s.pingxx.Trade.Refunds.ByHand(in.Charge, in.Amount, in.Description, in.Status)
	switch {
	case errors.Is(err, ErrUnknownCharge):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusConflict, err)
	default:
		reply(w, http.StatusOK, re)
	}
}

// leverSettle ends a pending refund now.
func (s *Sandbox) leverSettle(w http.ResponseWriter, id string, succeed bool) {
	re, err := s.pingxx.Trade.Refunds.Settle(id, succeed)
	switch {
	case errors.Is(err, trade.ErrUnknownRefund):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusConflict, err)
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
	reply(w, http.StatusOK, map[string]string{"code": s.weixin.NewCode(in.OpenID, in.UnionID)})
}

func (s *Sandbox) leverUser(w http.ResponseWriter, r *http.Request) {
	var in WebUser
	if !read(w, r, &in) || !userIDs(w, in.OpenID, in.UnionID) {
		return
	}
	s.SetWebUser(in)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) leverProgram(w http.ResponseWriter, r *http.Request) {
	var in WeChatSetting
	if !read(w, r, &in) {
		return
	}
	p, err := s.SetProgram(in)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusOK, p)
}

func (s *Sandbox) leverOrder(w http.ResponseWriter, r *http.Request, transactionNo string) {
	var in WeChatChange
	if !read(w, r, &in) {
		return
	}
	o, err := s.weixin.Orders.Move(transactionNo, in)
	switch {
	case errors.Is(err, ErrUnknownOrder):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, ErrNotShipped):
		fail(w, http.StatusConflict, err)
	case err != nil:
		fail(w, http.StatusBadRequest, err)
	default:
		reply(w, http.StatusOK, o)
	}
}

// userIDs checks what a lever calls a user by; it answers when that will not do.
func userIDs(w http.ResponseWriter, ids ...string) bool {
	for _, id := range ids {
		if id != "" && !channel.OpenIDShape.MatchString(id) {
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
	delay := time.Duration(min(max(in.Delay, -1), desk.MaxDelay.Milliseconds()+1)) * time.Millisecond
	if err := s.faults.Set(desk.Fault{On: in.On, Name: in.Fault, Times: in.Times, Delay: delay}); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) leverEvent(w http.ResponseWriter, id string) {
	st, ok := s.pingxx.Events.Find(id)
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
	if in.Charge == "" {
		reply(w, http.StatusAccepted, s.pingxx.Events.Emit(events.New{Type: in.Type, Object: in.Object, Livemode: in.Livemode}))
		return
	}
	st, ok := s.pingxx.Trade.Charges.Tell(in.Type, in.Charge)
	if !ok {
		fail(w, http.StatusNotFound, ErrUnknownCharge)
		return
	}
	reply(w, http.StatusAccepted, st)
}

// leverWebhook signs and sends the body as it is.
func (s *Sandbox) leverWebhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("reading the body: %w", err))
		return
	}
	reply(w, http.StatusAccepted, s.pingxx.Events.EmitRaw(body))
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
