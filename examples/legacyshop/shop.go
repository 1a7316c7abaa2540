// Package legacyshop is a small backend of the kind that caddypay stands in front of: it knows nothing of Ping++ and
// WeChat, has no SDK and does no crypto. It says what an order costs, and is told when one is paid.
//
// The demo runs it, and it shows the three things that every backend has to do: compare X-Pay-Token, answer what an order
// costs, and fulfil an order once, however often it is told.
package legacyshop

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Product is something that the shop sells.
type Product struct {
	ID    string
	Name  string
	Price int64 // fen
}

// Order is what somebody wants to buy.
type Order struct {
	OrderNo string    `json:"order_no"`
	Product string    `json:"product"`
	Amount  int64     `json:"amount"` // fen
	Status  string    `json:"status"` // unpaid, paid or refunded
	PaidAt  time.Time `json:"paid_at,omitzero"`
	openid  string    // of the WeChat user who ordered
	browser string    // or the shop's own cookie, of who ordered on the web

	charge    string // that paid it
	refunded  int64  // fen
	fulfilled int    // how often
}

// Shop is the backend; make one with New.
type Shop struct {
	token    string
	mode     string
	products []Product
	now      func() time.Time

	mu     sync.Mutex
	orders map[string]*Order
	newest []*Order
	seen   map[string]bool // webhook-ids that have been handled
	onStep func(step, detail string)
}

// New makes a shop that answers only to callers with the token, and takes only payments of the mode: test or live.
func New(token, mode string) *Shop {
	return &Shop{
		token: token, mode: mode, now: time.Now,
		products: []Product{{"tea", "Green tea 绿茶", 1999}, {"cup", "Cup 茶杯", 4500}},
		orders:   make(map[string]*Order), seen: make(map[string]bool),
		onStep: func(string, string) {},
	}
}

// OnStep calls f whenever the shop is asked for a price (order_quote) or told of an event (event_delivered).
func (s *Shop) OnStep(f func(step, detail string)) { s.onStep = f }

// Products is what the shop sells.
func (s *Shop) Products() []Product { return s.products }

// Orders returns the newest orders, at most limit.
func (s *Shop) Orders(limit int) []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var orders []Order
	for _, o := range s.newest[:min(limit, len(s.newest))] {
		orders = append(orders, *o)
	}
	return orders
}

// ServeHTTP serves the shop's own API and the two paths that caddypay calls.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", s.createOrder)
	mux.HandleFunc("GET /orders/{order_no}", s.showOrder)
	mux.HandleFunc("GET /internal/pay/orders/{order_no}", s.quote)
	mux.HandleFunc("POST /internal/pay/events", s.event)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "A legacy shop. POST /orders {\"product\":\"tea\"} makes an order.")
	})
	mux.ServeHTTP(w, r)
}

// The cookie by which the shop knows a web customer, as it did before there was any payment.
const cookie = "shop_customer"

// customer says who asks: a WeChat user, as Caddy says, or a browser.
func customer(r *http.Request) (openid, browser string) {
	if openid = r.Header.Get("X-WX-OPENID"); openid != "" {
		return openid, ""
	}
	if c, err := r.Cookie(cookie); err == nil {
		return "", c.Value
	}
	return "", ""
}

// of reports whether an order is this customer's.
func (o *Order) of(r *http.Request) bool {
	openid, browser := customer(r)
	return o.openid == openid && o.browser == browser && openid+browser != ""
}

// createOrder is called by the mini program, through Caddy, which says who the user is, or by a page of the shop.
func (s *Shop) createOrder(w http.ResponseWriter, r *http.Request) {
	var in struct{ Product string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&in); err != nil {
		http.Error(w, `send {"product":"tea"}`, http.StatusBadRequest)
		return
	}
	i := slices.IndexFunc(s.products, func(p Product) bool { return p.ID == in.Product })
	if i < 0 {
		http.Error(w, "no such product", http.StatusNotFound)
		return
	}
	openid, browser := customer(r)
	if openid+browser == "" {
		browser = rand.Text()
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: browser, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &Order{
		OrderNo: fmt.Sprintf("%s%04d", s.now().Format("20060102150405"), len(s.orders)+1),
		Product: s.products[i].Name, Amount: s.products[i].Price, Status: "unpaid", openid: openid, browser: browser,
	}
	s.orders[o.OrderNo] = o
	s.newest = slices.Insert(s.newest, 0, o)
	reply(w, http.StatusCreated, o)
}

func (s *Shop) showOrder(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[r.PathValue("order_no")]
	if o == nil || !o.of(r) {
		http.NotFound(w, r)
		return
	}
	reply(w, http.StatusOK, o)
}

// trusted compares X-Pay-Token: without it anybody who reaches the backend could announce a payment.
func (s *Shop) trusted(w http.ResponseWriter, r *http.Request) bool {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Pay-Token")), []byte(s.token)) != 1 {
		http.Error(w, "wrong X-Pay-Token", http.StatusForbidden)
		return false
	}
	// A free test payment must never buy anything in a shop that is live.
	if r.Header.Get("X-Pay-Mode") != s.mode {
		http.Error(w, "wrong X-Pay-Mode", http.StatusForbidden)
		return false
	}
	return true
}

// quote says what an order costs and who may pay it: the WeChat user whose openid it names, or the browser whose cookie came along.
func (s *Shop) quote(w http.ResponseWriter, r *http.Request) {
	if !s.trusted(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[r.PathValue("order_no")]
	if o == nil || o.openid == "" && !o.of(r) {
		http.NotFound(w, r)
		return
	}
	status := map[string]string{"unpaid": "payable", "paid": "paid", "refunded": "closed"}[o.Status]
	s.onStep("order_quote", fmt.Sprintf("%s · ¥%d.%02d", o.OrderNo, o.Amount/100, o.Amount%100))
	reply(w, http.StatusOK, map[string]any{
		"order_no": o.OrderNo, "amount": o.Amount, "currency": "cny", "subject": o.Product, "body": o.Product,
		"openid": o.openid, "status": status, "fulfilled": o.fulfilled,
	})
}

// event is told of payments and refunds, at least once each.
func (s *Shop) event(w http.ResponseWriter, r *http.Request) {
	if !s.trusted(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	var in struct {
		Data struct {
			Object struct {
				ID, Charge string
				Amount     int64
			}
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, kind, orderNo, it := r.Header.Get("webhook-id"), r.Header.Get("X-Pay-Event"), r.Header.Get("X-Pay-Order-No"), in.Data.Object
	o := s.orders[orderNo]
	switch {
	case s.seen[id]: // it is done
	case kind == "charge.succeeded" && (o == nil || o.Amount != it.Amount || o.charge != "" && o.charge != it.ID):
		http.Error(w, "no order to be paid at this price", http.StatusConflict)
		return
	case kind == "charge.succeeded" && o.charge == "":
		o.Status, o.PaidAt, o.charge = "paid", s.now(), it.ID
		o.fulfilled++
	case kind == "refund.succeeded" && o != nil && o.charge == it.Charge:
		if o.refunded += it.Amount; o.refunded >= o.Amount {
			o.Status = "refunded"
		}
	}
	s.seen[id] = true
	s.onStep("event_delivered", fmt.Sprintf("%s for %s", kind, orderNo))
	fmt.Fprint(w, "success")
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
