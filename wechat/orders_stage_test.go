package wechat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

const payer = "oABCDEFGHIJKLMNOPQRSTUVWXYZ1" // of the sandbox's charges

// memory is a storage without a disk.
type memory struct {
	mu    sync.Mutex
	kept  map[string][]byte
	locks map[string]chan struct{}
}

func newMemory() *memory {
	return &memory{kept: map[string][]byte{}, locks: map[string]chan struct{}{}}
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.kept[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return v, nil
}

func (m *memory) Store(_ context.Context, key string, v []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[key] = v
	return nil
}

func (m *memory) lock(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	return m.locks[name]
}

func (m *memory) Lock(ctx context.Context, name string) error {
	select {
	case m.lock(name) <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(_ context.Context, name string) error {
	<-m.lock(name)
	return nil
}

// orderStage is a managed mini program at the sandbox, and its order management.
type orderStage struct {
	*sandboxtest.Bench
	api     *Orders
	t       *testing.T
	storage *memory
}

func newOrderStage(t *testing.T) *orderStage {
	s := &orderStage{Bench: sandboxtest.Start(t, sandbox.Config{Managed: true}), t: t, storage: newMemory()}
	s.Lever("POST", "/sandbox/wechat/program", `{"delay_ms":0}`)
	s.api = s.client(Config{})
	return s
}

// client is an order management with its own connection.
func (s *orderStage) client(cfg Config) *Orders {
	s.t.Helper()
	cfg.AppID, cfg.Secret = s.WxLite().AppID, redact.New(s.WxLite().Secret)
	if cfg.Endpoint == "" {
		cfg.Endpoint = s.Server.URL
	}
	if cfg.Transport == nil {
		cfg.Transport = s.Client.Transport
	}
	m, err := NewMiniProgram(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	warn := func(what string, err error) { s.t.Error(what, err) }
	return NewOrders(m, ShareToken(m, s.storage, s.Clock.Now, warn), s.Clock.Now)
}

// paid makes a payment and the report of an express parcel.
func (s *orderStage) paid(orderNo string) Shipping {
	s.t.Helper()
	_, no := s.PaidLite(orderNo)
	s.Clock.Add(time.Second)
	return Shipping{TransactionID: no, OpenID: payer, Type: Express, Parcels: []Parcel{{Company: "圆通", TrackingNo: "YT1", Items: "绿茶*1"}}}
}

// get wants an order.
func (s *orderStage) get(no string) Order {
	s.t.Helper()
	o, err := s.api.Order(s.t.Context(), no)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// refused wants an error of a kind, that says nothing that must not be said.
func (s *orderStage) refused(err error, kind OrderKind) *OrderError {
	s.t.Helper()
	e, ok := errors.AsType[*OrderError](err)
	if !ok || e.Kind != kind {
		s.t.Fatalf("%#v, want the kind %q", err, kind)
	}
	checkSilent(s.t, err)
	token, _ := s.api.token.Value(s.t.Context())
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		for _, hidden := range []string{s.WxLite().Secret, token, payer, "access_token="} {
			if text := fmt.Sprintf(verb, err); hidden != "" && strings.Contains(text, hidden) {
				s.t.Errorf("%s shows %q: %s", verb, hidden, text)
			}
		}
	}
	return e
}

func (s *orderStage) calls(op string) int { return s.State(0).Calls[op] }
