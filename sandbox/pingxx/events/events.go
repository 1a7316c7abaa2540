// Package events is what Ping++ tells a merchant of: it records events and sends each to every webhook URL, until it was received.
//
// An event goes to every URL of its mode and of both: at most 8 tries, 2 min, 10 min, 10 min, 1 h, 2 h, 6 h and 15 h apart (divided
// by Config.TimeScale), until the first 2xx. Redirects are not followed. The newest 100,000 events and unfinished deliveries are kept.
//
// # Faults
//
// On webhook, per event: duplicate (sent once more after it was received), late (first try after
// delay_ms, default 2 min divided by TimeScale), missing (never sent), disorder (sent after the next
// event's first try, or alone after a scaled minute). Per try: bad_signature, empty_signature,
// no_signature, altered_body. As a lasting state, give times up to 1,000,000: with empty_signature the
// webhooks are those of older accounts' test mode, and only GET /v1/events/{id} confirms an event.
package events

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
	"github.com/caddypay/caddypay/sandbox/store"
)

const opWebhook = "webhook"

var (
	eventFaults   = []string{"duplicate", "late", "missing", "disorder"}
	attemptFaults = []string{"bad_signature", "empty_signature", "no_signature", "altered_body"}
)

// Faults says what webhooks can suffer.
func Faults() map[string]desk.Kinds {
	return map[string]desk.Kinds{opWebhook: {Names: slices.Concat(eventFaults, attemptFaults)}}
}

// Config is what Events need of the sandbox.
type Config struct {
	Client    *http.Client             // sends webhooks; nil: one of their own with a 30 s timeout
	TimeScale float64                  // divides every wait of the schedule
	Sign      func(body []byte) string // Ping++'s signature
	Sent      func(Sent)               // hears of every try once it is over, of several at the same time; nil: nobody does
	Now       func() time.Time         // tells events' times, not the waits
	Dice      *dice.Dice
	Faults    *desk.Faults
	Log       *zap.Logger
}

// Events are all that happened, and their way to the merchant. It is safe for concurrent use; of the locks of Ping++'s room its own
// is taken last.
type Events struct {
	now    func() time.Time
	dice   *dice.Dice
	sign   func(body []byte) string
	sender *sender
	kept   store.Of[*event] // guarded by the sender's lock, as what becomes of an event is
}

// Start returns Events whose sender runs until the context ends; Wait for it.
func Start(ctx context.Context, cfg Config) *Events {
	es := &Events{now: cfg.Now, dice: cfg.Dice, sign: cfg.Sign, sender: newSender(ctx, cfg)}
	go es.sender.work()
	return es
}

// Wait waits for the sender to end; deliveries that are not finished are dropped.
func (es *Events) Wait() { es.sender.wait() }

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

// New says what to tell the merchant of.
type New struct {
	Type     string
	Object   any
	Livemode bool
	Request  *string // the API request that caused it
	Charge   string
}

// Emit records an event and queues it for every webhook URL.
func (es *Events) Emit(n New) State {
	es.sender.mu.Lock()
	defer es.sender.mu.Unlock()
	now := es.now()
	id := ""
	for id == "" || es.kept.Has(id) {
		id = "evt_40" + ModeDigit(n.Livemode) + dice.Dated(now, "060102150405") + es.dice.Draw(dice.Digits, 9)
	}
	body := eventBody{ID: id, Created: now.Unix(), Livemode: n.Livemode, Type: n.Type, Object: "event", Request: n.Request}
	body.Data.Object = n.Object
	return es.send(&event{id: id, kind: n.Type, charge: n.Charge, live: n.Livemode, created: now, body: rawjson.Encode(body)})
}

// EmitRaw records and queues a body that the caller chose, whatever it is. What it says of itself is
// taken over where it is an event's.
func (es *Events) EmitRaw(body []byte) State {
	es.sender.mu.Lock()
	defer es.sender.mu.Unlock()
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
	if said.ID == "" || es.kept.Has(said.ID) || len(said.ID) > 128 {
		said.ID = "evt_raw_" + es.dice.Draw(dice.Digits, 20)
	}
	return es.send(&event{id: said.ID, kind: said.Type, charge: said.Data.Object.ID, live: said.Livemode, created: es.now(), body: body})
}

func (es *Events) send(e *event) State {
	e.signature = es.sign(e.body)
	es.kept.Add(e.id, e)
	es.sender.enqueue(e)
	return e.state()
}

// Body is what webhooks of an event carry and GET /v1/events/{id} answers, if it is one of the mode and JSON at all.
func (es *Events) Body(id string, live bool) ([]byte, bool) {
	es.sender.mu.Lock()
	defer es.sender.mu.Unlock()
	e, ok := es.kept.Get(id)
	if !ok || e.live != live || !json.Valid(e.body) {
		return nil, false
	}
	return e.body, true
}

// Find returns an event as it is now.
func (es *Events) Find(id string) (State, bool) {
	es.sender.mu.Lock()
	defer es.sender.mu.Unlock()
	e, ok := es.kept.Get(id)
	if !ok {
		return State{}, false
	}
	return e.state(), true
}

// Newest returns the newest events, at most limit.
func (es *Events) Newest(limit int) []State {
	es.sender.mu.Lock()
	defer es.sender.mu.Unlock()
	out := []State{}
	for e := range es.kept.Newest() {
		if len(out) >= limit {
			break
		}
		out = append(out, e.state())
	}
	return out
}

// ModeDigit tells the mode in the ids of Ping++'s objects.
func ModeDigit(live bool) string {
	if live {
		return "1"
	}
	return "0"
}
