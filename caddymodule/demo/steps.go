package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/sandbox"
)

// seen is what has become of the newest orders, and what the shop knows.
type seen struct {
	Orders    []order `json:"orders"`
	Log       []line  `json:"log"`
	Broken    string  `json:"broken"`     // the kind of outage that is on
	BrokenFor int     `json:"broken_for"` // seconds
	Kept      *kept   `json:"kept"`
}

type order struct {
	OrderNo string            `json:"order_no"`
	Product string            `json:"product"`
	Amount  int64             `json:"amount"` // fen
	Status  string            `json:"status"`
	Steps   map[string]string `json:"steps"`             // what was seen of each step that has happened
	Waiting *waiting          `json:"waiting,omitempty"` // the shop has not taken the event yet
}

// waiting is an event that the shop did not acknowledge.
type waiting struct {
	Attempts int `json:"attempts"`
	Status   int `json:"status"` // of the last answer; 0 or 502 when there was none
}

// steps serves GET /demo/steps, server-sent events: all that is known, whenever it changes.
func (p *Page) steps(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	beat := time.Now()
	for last := []byte(nil); ; {
		now, err := json.Marshal(p.look(r.Context()))
		if err != nil {
			return
		}
		if !bytes.Equal(now, last) {
			_, err = fmt.Fprintf(w, "data: %s\n\n", now)
			last, beat = now, time.Now()
		} else if time.Since(beat) > 15*time.Second {
			_, err = fmt.Fprint(w, ": still here\n\n")
			beat = time.Now()
		}
		if err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

// look asks everybody what they have seen of the newest orders.
func (p *Page) look(ctx context.Context) seen {
	s := seen{Orders: []order{}, Log: []line{}}
	s.Broken, s.BrokenFor = p.outage.broken()
	s.Kept = p.kept(ctx)
	p.mu.Lock()
	s.Log = append(s.Log, p.log...)
	p.mu.Unlock()
	events := p.box.State(50).Events
	for _, o := range p.shop.Orders(maxOrders) {
		shown := order{OrderNo: o.OrderNo, Product: o.Product, Amount: o.Amount, Status: o.Status, Steps: map[string]string{}}
		for _, l := range s.Log {
			if l.step == "order_quote" && strings.Contains(l.Text, o.OrderNo) {
				shown.Steps["order_quote"] = l.Text
			}
		}
		p.lookAtPayment(ctx, &shown, events)
		s.Orders = append(s.Orders, shown)
	}
	return s
}

// lookAtPayment finds what came of an order's charges.
func (p *Page) lookAtPayment(ctx context.Context, o *order, events []sandbox.EventState) {
	l, err := p.ledger(ctx)
	if err != nil {
		return
	}
	attempts, err := l.Attempts(ctx, p.scope, o.OrderNo)
	if err != nil {
		return
	}
	for i := range attempts {
		c := &attempts[i]
		if c.ID == "" {
			continue
		}
		o.Steps["charge_created"] = c.ID + " · " + c.Channel
		if c.Paid {
			o.Steps["client_confirmed"] = "GET /pay/charges/" + c.ID + " → paid"
		}
		p.lookAtEvents(ctx, l, o, events, c.ID)
	}
}

// lookAtEvents finds what came of a charge's payment.
func (p *Page) lookAtEvents(ctx context.Context, l ledger.Ledger, o *order, events []sandbox.EventState, chargeID string) {
	for _, e := range events {
		if e.Charge != chargeID || e.Type != "charge.succeeded" {
			continue
		}
		o.Steps["user_paid"] = chargeID
		for _, d := range e.Deliveries {
			for _, a := range d.Attempts {
				if a.Status == http.StatusOK {
					o.Steps["webhook_verified"] = fmt.Sprintf("%s · RSA-SHA256 → %d", e.ID, a.Status)
				}
			}
		}
		stored, err := l.Event(ctx, p.scope, e.ID)
		if err != nil {
			return
		}
		o.Steps["event_stored"] = fmt.Sprintf("%s · %d bytes · fsync", stored.Type, len(e.Body))
		if stored.State == ledger.Delivered {
			o.Steps["event_delivered"] = fmt.Sprintf("POST %s → success · X-Pay-Attempt: %d", eventsPath, stored.Attempts)
			continue
		}
		if tries, err := l.Deliveries(ctx, p.scope, e.ID); err == nil && len(tries) > 0 {
			o.Waiting = &waiting{len(tries), tries[len(tries)-1].Status}
		}
	}
}
