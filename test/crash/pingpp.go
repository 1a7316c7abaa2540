package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/caddypay/caddypay/sandbox"
)

const signatureHeader = "X-Pingplusplus-Signature"

// order is a payment as Ping++ has it, and perhaps its refund.
type order struct {
	number, charge string
	paid           int64 // Unix seconds
}

// event is one webhook.
type event struct {
	id, kind  string
	object    string // the id of what it is about
	order     *order
	body      []byte
	signature string
	then      *event // sent once this one was acknowledged

	tries int
	first time.Time // when it was sent first
	acked time.Time // of the first 200; zero without one
}

// effect is what must happen once, however many events say so.
func (e *event) effect() string { return e.kind + " " + e.object }

// pingpp is the other side: the sandbox for charges that the site makes, and orders of its own that the site has never seen.
type pingpp struct {
	*httptest.Server

	key  *rsa.PrivateKey
	box  *sandbox.Sandbox
	paid func(e *event) // takes the events of the sandbox

	mu     sync.Mutex
	rnd    *mathrand.Rand
	minted int
	orders map[string]*order // by charge
}

func newPingpp(rnd *mathrand.Rand, paid func(*event)) (*pingpp, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	p := &pingpp{key: key, rnd: rnd, paid: paid, orders: make(map[string]*order)}
	p.box, err = sandbox.New(sandbox.Config{SigningKey: key, Webhooks: []string{"http://localhost/"}, WebhookClient: &http.Client{Transport: (*capture)(p)}})
	if err != nil {
		return nil, err
	}
	p.Server = httptest.NewServer(p)
	return p, nil
}

func (p *pingpp) close() {
	p.Server.Close()
	p.box.Close()
}

// ServeHTTP answers for its own charges; the sandbox does for all else.
func (p *pingpp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/v1/charges/")
	p.mu.Lock()
	o := p.orders[id]
	p.mu.Unlock()
	if o == nil || r.Method != http.MethodGet {
		p.box.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_ = json.NewEncoder(w).Encode(p.chargeObject(o))
}

// capture takes the sandbox's webhooks, so that they go out by the sender.
type capture pingpp

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var said struct {
		ID, Type string
		Data     struct {
			Object struct {
				ID      string
				OrderNo string `json:"order_no"`
			}
		}
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, err
	}
	o := &order{number: said.Data.Object.OrderNo, charge: said.Data.Object.ID, paid: time.Now().Unix()}
	c.paid(&event{id: said.ID, kind: said.Type, object: o.charge, order: o, body: body, signature: r.Header.Get(signatureHeader)})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func (p *pingpp) newID(prefix string) string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	b.WriteString(prefix)
	for range 24 {
		b.WriteByte(letters[p.rnd.IntN(len(letters))])
	}
	return b.String()
}

// newOrder is an order that the site has not seen, paid just now.
func (p *pingpp) newOrder() *order {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.minted++
	o := &order{number: fmt.Sprintf("K%08d", p.minted), charge: p.newID("ch_"), paid: time.Now().Unix()}
	p.orders[o.charge] = o
	return o
}

// payment is an order's charge.succeeded; a second one is another event of the same effect.
func (p *pingpp) payment(o *order) *event {
	return p.sign("charge.succeeded", o, o.charge, p.chargeObject(o))
}

// refund is an order's refund.succeeded.
func (p *pingpp) refund(o *order) *event {
	p.mu.Lock()
	id := p.newID("re_")
	p.mu.Unlock()
	return p.sign("refund.succeeded", o, id, map[string]any{
		"id": id, "object": "refund", "order_no": id, "amount": back, "created": o.paid, "succeed": true, "status": "succeeded",
		"time_succeed": o.paid, "description": "returned", "failure_code": nil, "failure_msg": nil, "metadata": map[string]any{},
		"charge": o.charge, "charge_order_no": o.number, "transaction_no": "5000001",
	})
}

func (p *pingpp) chargeObject(o *order) map[string]any {
	return map[string]any{
		"id": o.charge, "object": "charge", "created": o.paid, "livemode": false, "paid": true, "refunded": false, "reversed": false,
		"app": p.box.App(), "channel": "wx_lite", "order_no": o.number, "client_ip": "127.0.0.1", "amount": price, "amount_settle": price,
		"currency": "cny", "subject": "Tea 茶", "body": "Green tea", "extra": map[string]any{}, "time_paid": o.paid, "time_expire": o.paid + 7200,
		"time_settle": nil, "transaction_no": "4200001", "amount_refunded": 0, "failure_code": nil, "failure_msg": nil,
		"metadata": map[string]any{}, "credential": map[string]any{}, "description": nil,
	}
}

func (p *pingpp) sign(kind string, o *order, object string, data map[string]any) *event {
	p.mu.Lock()
	id := p.newID("evt_")
	p.mu.Unlock()
	var body bytes.Buffer
	err := json.NewEncoder(&body).Encode(map[string]any{
		"id": id, "object": "event", "created": o.paid, "livemode": false, "type": kind, "data": map[string]any{"object": data},
		"pending_webhooks": 0, "request": nil,
	})
	if err != nil {
		panic(err) // maps of strings and numbers always can
	}
	e := &event{id: id, kind: kind, object: object, order: o, body: body.Bytes()}
	sum := sha256.Sum256(e.body)
	sig, err := rsa.SignPKCS1v15(nil, p.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // the key is large enough
	}
	e.signature = base64.StdEncoding.EncodeToString(sig)
	return e
}
