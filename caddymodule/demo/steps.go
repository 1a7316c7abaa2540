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

// seen is what has become of one order, and what the shop knows.
type seen struct {
	Steps  map[string]string `json:"steps"` // what was seen of each step that has happened
	Orders []order           `json:"orders"`
	Log    []line            `json:"log"`
}

type order struct {
	OrderNo string `json:"order_no"`
	Product string `json:"product"`
	Amount  int64  `json:"amount"` // fen
	Status  string `json:"status"`
}

// steps serves GET /demo/steps?order_no=…, server-sent events: all that is known, whenever it changes.
func (p *Page) steps(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	beat := time.Now()
	for last := []byte(nil); ; {
		now, err := json.Marshal(p.look(r.Context(), r.URL.Query().Get("order_no")))
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

// look asks everybody what they have seen of an order.
func (p *Page) look(ctx context.Context, orderNo string) seen {
	s := seen{Steps: map[string]string{}, Orders: []order{}, Log: []line{}}
	for _, o := range p.shop.Orders(maxOrders) {
		s.Orders = append(s.Orders, order{o.OrderNo, o.Product, o.Amount, o.Status})
	}
	p.mu.Lock()
	s.Log = append(s.Log, p.log...)
	p.mu.Unlock()
	if orderNo == "" {
		return s
	}
	for _, l := range s.Log {
		if l.step == "order_quote" && strings.Contains(l.Text, orderNo) {
			s.Steps["order_quote"] = l.Text
		}
	}
	l, err := p.ledger(ctx)
	if err != nil {
		return s
	}
	attempts, err := l.Attempts(ctx, p.scope, orderNo)
	if err != nil {
		return s
	}
	for _, c := range attempts {
		if c.ID != "" {
			s.Steps["charge_created"] = c.ID + " · " + c.Channel
		}
	}
	state := p.box.State(50)
	for i := range attempts {
		if id := attempts[i].ID; id != "" && attempts[i].Paid {
			s.Steps["client_confirmed"] = "GET /pay/charges/" + id + " → paid"
		}
		p.lookAtEvents(ctx, l, &s, state.Events, attempts[i].ID)
	}
	return s
}

// lookAtEvents finds what came of a charge's payment.
func (p *Page) lookAtEvents(ctx context.Context, l ledger.Ledger, s *seen, events []sandbox.EventState, chargeID string) {
	for _, e := range events {
		if chargeID == "" || e.Charge != chargeID || e.Type != "charge.succeeded" {
			continue
		}
		s.Steps["user_paid"] = chargeID
		for _, d := range e.Deliveries {
			for _, a := range d.Attempts {
				if a.Status == http.StatusOK {
					s.Steps["webhook_verified"] = fmt.Sprintf("%s · RSA-SHA256 → %d", e.ID, a.Status)
				}
			}
		}
		stored, err := l.Event(ctx, p.scope, e.ID)
		if err != nil {
			return
		}
		s.Steps["event_stored"] = fmt.Sprintf("%s · %d bytes · fsync", stored.Type, len(e.Body))
		if stored.State == ledger.Delivered {
			s.Steps["event_delivered"] = fmt.Sprintf("POST /internal/pay/events → success · X-Pay-Attempt: %d", stored.Attempts)
		}
	}
}
