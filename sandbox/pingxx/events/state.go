package events

import "time"

// State is an event and its deliveries, one for each webhook URL.
type State struct {
	ID         string     `json:"id"`
	Type       string     `json:"type"`
	Charge     string     `json:"charge,omitempty"`
	Livemode   bool       `json:"livemode"`
	Created    time.Time  `json:"created"`
	Signature  string     `json:"signature"`
	Body       string     `json:"body"` // the signed bytes
	Deliveries []Delivery `json:"deliveries"`
}

// Delivery is an event's way to one URL.
type Delivery struct {
	URL      string    `json:"url"`
	Status   string    `json:"status"` // pending, delivered, failed, missing
	Attempts []Attempt `json:"attempts"`
}

func (e *event) state() State {
	st := State{ID: e.id, Type: e.kind, Charge: e.charge, Livemode: e.live, Created: e.created,
		Signature: e.signature, Body: string(e.body), Deliveries: []Delivery{}}
	for _, d := range e.deliveries {
		st.Deliveries = append(st.Deliveries, Delivery{d.url, d.status, append([]Attempt{}, d.attempts...)})
	}
	return st
}

// Attempt is one try of a delivery.
type Attempt struct {
	At      time.Time `json:"at"`
	Millis  int64     `json:"ms"`
	Status  int       `json:"status,omitempty"` // of the merchant's answer
	Error   string    `json:"error,omitempty"`  // why there was no answer
	Snippet string    `json:"snippet,omitempty"`
	Fault   string    `json:"fault,omitempty"`
}

// Sent is one try of a webhook, and what came back. Answers, and events that a caller of the levers made, may hold any bytes.
type Sent struct {
	Event    string `json:"event"`
	Type     string `json:"type"`
	Charge   string `json:"charge,omitempty"`
	Livemode bool   `json:"livemode"`
	URL      string `json:"url"`
	Try      int    `json:"try"` // from 1
	Attempt
	Delivery string     `json:"delivery"`          // delivered, failed, or pending: it is tried again
	Next     *time.Time `json:"next_at,omitempty"` // when; or when a copy goes out (duplicate)
}
