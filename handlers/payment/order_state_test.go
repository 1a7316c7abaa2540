package payment

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/session"
)

// state is what a payer sees of an order.
func (s *till) state(token, orderNo string) (v OrderState, p *problem.Problem) {
	s.T.Helper()
	w, p := s.route(func(w http.ResponseWriter, r *http.Request) error { return s.pay.OrderState(w, r, orderNo) }, http.MethodGet, "/pay/orders/"+orderNo+"/state", "", token)
	if p != nil {
		if w.Body.Len() > 0 {
			s.T.Errorf("%s with %v", w.Body, p)
		}
		return v, p
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.OrderNo != orderNo || w.Header().Get("X-Pay-Order-No") != orderNo {
		s.T.Errorf("%v %s", err, w.Body)
	}
	return v, nil
}

func (s *till) wantState(what, token, orderNo, status, charge string) {
	s.T.Helper()
	if v, p := s.state(token, orderNo); p != nil || v.Status != status || v.Charge != charge {
		s.T.Errorf("%s: %+v %v, want %s with %q", what, v, p, status, charge)
	}
}

// lookedAt is which charges Ping++ is asked about, from now on.
func (s *till) lookedAt() (ids func() []string) {
	asked := make(chan string, 100)
	before := func(r *http.Request) {
		if id, ok := strings.CutPrefix(r.URL.Path, "/v1/charges/"); ok && r.Method == http.MethodGet {
			asked <- id
		}
	}
	s.Before.Store(&before)
	return func() (all []string) {
		for len(asked) > 0 {
			all = append(all, <-asked)
		}
		return all
	}
}

// While an order is unpaid, Ping++ is asked about the payer's own charge as soon as it is no longer young, and never about anybody else's.
func TestOrderStateAsks(t *testing.T) {
	s := newCounter(t)
	a, b := s.token(session.WxLite, payerA), s.token(session.WxLite, payerB)
	first := s.must("order1", payerA).ID
	asked := s.lookedAt()
	s.After(askAfter - time.Millisecond)
	s.wantState("young", a, "order1", orderUnpaid, first)
	if ids := asked(); len(ids) != 0 {
		t.Errorf("asked about %q", ids)
	}
	s.After(time.Millisecond)
	s.wantState("no longer", a, "order1", orderUnpaid, first)
	if ids := asked(); !slices.Equal(ids, []string{first}) {
		t.Errorf("asked about %q", ids)
	}
	s.After(time.Minute)
	second := s.must("order1", payerB).ID
	s.After(time.Minute)
	asked()
	if v, p := s.state(a, "order1"); p != nil || v.Status != orderUnpaid || v.Charge == second {
		t.Errorf("%+v %v", v, p)
	}
	if ids := asked(); !slices.Equal(ids, []string{first}) {
		t.Errorf("for the first, asked about %q", ids)
	}
	s.wantState("the other", b, "order1", orderUnpaid, second)
	if ids := asked(); !slices.Equal(ids, []string{second}) {
		t.Errorf("for the second, asked about %q", ids)
	}
}

// The last charge of an order was reversed, and the one before it, at an earlier price, is paid: its payer sees that, although the webhook is late.
func TestOrderStateBesideAReversedCharge(t *testing.T) {
	s := newCounter(t)
	mine := s.token(session.WxLite, payerA)
	first := s.must("order1", payerA).ID
	s.costs("2000")
	second := s.must("order1", payerA).ID
	s.After(time.Minute)
	if found, err := s.Client.ReverseCharge(t.Context(), second); err != nil || s.pay.Reconciler.Reversals.Record(t.Context(), s.l, found) != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Fatal("it is one charge")
	}
	s.Pay(first)
	s.wantState("its webhook is late, and so is its price", mine, "order1", "held", first)
}

// Of an attempt that Ping++ refused, or whose answer was lost, there is no charge to name nor to ask about; the order is unpaid.
func TestOrderStateWithoutACharge(t *testing.T) {
	for _, fault := range []string{"402", "502"} {
		s, logs := newCounter(t), &relaytest.Logs{}
		s.Fault("create_charge", fault, 1)
		if _, _, p := s.buys("order1", payerA); p == nil {
			t.Fatal("it was made")
		}
		s.pay.Logger = logs.Logger()
		s.After(time.Minute)
		asked := s.lookedAt()
		s.wantState(fault, s.token(session.WxLite, payerA), "order1", orderUnpaid, "")
		s.wantState(fault+", of a stranger", s.token(session.WxLite, payerB), "order1", orderUnknown, "")
		if ids := asked(); len(ids) != 0 || logs.String() != "" {
			t.Errorf("%s: asked about %q: %s", fault, ids, logs)
		}
	}
}

// What a client names itself has no backend that could close it.
func TestOrderStateOfAClientsAmount(t *testing.T) {
	s := newCounter(t)
	s.pay.ClientAmount = &ClientAmount{Min: 100, Max: 500, Subject: "Donation {order_no}", Prefix: "D"}
	mine := s.token(session.WxLite, payerA)
	w, p := s.route(s.pay.CreateCharge, http.MethodPost, "/pay/charges", `{"channel":"wx_lite","amount":500}`, mine)
	if p != nil {
		t.Fatal(p)
	}
	s.wantState("begun", mine, w.Header().Get("X-Pay-Order-No"), orderUnpaid, strings.TrimPrefix(w.Header().Get("Location"), "/pay/charges/"))
}

// lifeless is a ledger that has no orders, or cannot read them.
type lifeless struct {
	ledger.Ledger
	err error
}

func (l lifeless) Order(context.Context, ledger.Scope, string) (*ledger.Life, error) {
	return nil, l.err
}

// What cannot be read is nothing that a payer is told as a state; an order that is pruned meanwhile is unpaid still.
func TestOrderStateThatCannotBeRead(t *testing.T) {
	s := newCounter(t)
	id, mine, whole := s.must("order1", payerA).ID, s.token(session.WxLite, payerA), s.l
	s.l = lifeless{whole, errors.New("the disk is full")}
	if _, p := s.state(mine, "order1"); codeIn(p) != "ledger_unavailable" {
		t.Errorf("%v", p)
	}
	s.l = lifeless{whole, ledger.ErrNotFound}
	s.wantState("pruned meanwhile", mine, "order1", orderUnpaid, id)
}
