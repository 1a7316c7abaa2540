package sandbox

import (
	"encoding/json"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// event is an event and what became of it. body is what webhooks carry and GET /v1/events answers,
// byte for byte: the signature is over bytes.
type event struct {
	id, kind, charge string
	live             bool
	created          time.Time
	body             []byte
	signature        string
	deliveries       []*delivery
}

// eventBody is Ping++'s event object, in the order of a published sample. pending_webhooks is 0 in
// all samples of charges' events, sent and fetched.
type eventBody struct {
	ID       string `json:"id"`
	Created  int64  `json:"created"`
	Livemode bool   `json:"livemode"`
	Type     string `json:"type"`
	Data     struct {
		Object any `json:"object"`
	} `json:"data"`
	Object          string  `json:"object"`
	Request         *string `json:"request"`
	PendingWebhooks int     `json:"pending_webhooks"`
}

// newEvent says what to tell the merchant of.
type newEvent struct {
	kind    string
	object  any
	live    bool
	request *string // the API request that caused it
	charge  string
}

// emit records an event and queues it for every webhook URL.
func (s *Sandbox) emit(n newEvent) *event {
	now := s.cfg.Now()
	id := ""
	for id == "" || s.knownEvent(id) {
		id = "evt_40" + modeDigit(n.live) + now.In(beijing).Format("060102150405") + s.dice.Draw(dice.Digits, 9)
	}
	body := eventBody{ID: id, Created: now.Unix(), Livemode: n.live, Type: n.kind, Object: "event", Request: n.request}
	body.Data.Object = n.object
	return s.send(&event{id: id, kind: n.kind, charge: n.charge, live: n.live, created: now, body: rawjson.Encode(body)})
}

// emitRaw records and queues a body that the caller chose, whatever it is. What it says of itself is
// taken over where it is an event's.
func (s *Sandbox) emitRaw(body []byte) *event {
	var said struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Livemode bool   `json:"livemode"`
		Data     struct {
			Object struct {
				ID string `json:"id"`
			} `json:"object"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &said) // what cannot be read stays empty
	if said.ID == "" || s.knownEvent(said.ID) || len(said.ID) > 128 {
		said.ID = "evt_raw_" + s.dice.Draw(dice.Digits, 20)
	}
	return s.send(&event{id: said.ID, kind: said.Type, charge: said.Data.Object.ID, live: said.Livemode, created: s.cfg.Now(), body: body})
}

func (s *Sandbox) send(e *event) *event {
	e.signature = s.sign(e.body)
	s.events.Add(e.id, e)
	s.enqueue(e)
	return e
}

func (s *Sandbox) knownEvent(id string) bool {
	_, ok := s.events.Get(id)
	return ok
}

// getEvent answers GET /v1/events/{id}.
func (s *Sandbox) getEvent(id string, live bool) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.events.Get(id)
	if !ok || e.live != live || !json.Valid(e.body) {
		return nil, notFound("event", id, "id")
	}
	return verbatim(e.body), nil
}

// verbatim is a body that is answered as it is.
type verbatim []byte
