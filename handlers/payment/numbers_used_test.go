package payment

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/reconcile"
	"github.com/caddypay/caddypay/relay/reconcile/reconciletest"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// What a refusal tells the client, what becomes of the attempt, and whether another number may do.
func TestRefusalsOfNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		code  string
		as    ledger.AttemptState
		again bool
	}{
		"no answer at all":            {errors.New("the network is gone"), "provider_unavailable", ledger.Unknown, false},
		"Ping++ knows the number":     {&pingpp.Error{Kind: pingpp.InvalidRequest, Status: http.StatusBadRequest, Param: "order_no"}, "provider_rejected", ledger.Refused, true},
		"Ping++ refuses a subject":    {&pingpp.Error{Kind: pingpp.InvalidRequest, Status: http.StatusBadRequest, Param: "subject"}, "provider_rejected", ledger.Unsent, false},
		"the channel knows it":        {&pingpp.Error{Kind: pingpp.Channel, Message: "OUT_TRADE_NO_USED"}, "charge_rejected", ledger.Refused, true},
		"the channel calls it paid":   {&pingpp.Error{Kind: pingpp.Channel, Message: "ORDERPAID"}, "order_already_paid", ledger.Taken, false},
		"the channel refuses":         {&pingpp.Error{Kind: pingpp.Channel}, "charge_rejected", ledger.Refused, false},
		"made before, for another":    {&earlierCharge{id: "ch_1"}, "charge_rejected", ledger.Refused, true},
		"made before, and it is paid": {&earlierCharge{id: "ch_1", paid: true}, "order_already_paid", ledger.Taken, false},
	} {
		p, as := createProblem(c.err)
		if p.Code != c.code || as != c.as || errors.Is(p, errNumberUsed) != c.again || !errors.Is(p, c.err) {
			t.Errorf("%s: %v, the attempt is %s, and another is tried: %t", name, p, as, errors.Is(p, errNumberUsed))
		}
	}
	if text := (&earlierCharge{id: "ch_1"}).Error(); !strings.Contains(text, "the charge ch_1, which was made before") {
		t.Error(text)
	}
}

// bought makes the charge at Ping++ that a payer would get now, as another process does: for an order, and under a number.
func (s *till) bought(number, orderNo string) *pingpp.Charge {
	s.T.Helper()
	c, err := s.Client.CreateCharge(s.T.Context(), &pingpp.ChargeParams{OrderNo: number, Channel: "wx_lite", Amount: 1999, Currency: "cny", ClientIP: "192.0.2.1", Subject: "Tea", Body: "Tea",
		Extra: map[string]any{"open_id": payerA}, Metadata: map[string]any{intake.MetaOrderNo: orderNo}})
	if err != nil {
		s.T.Fatal(err)
	}
	return c
}

// wantPaid is an order that a charge has paid of which this ledger knew nothing: it is known now, and nothing was made for the order.
func (s *till) wantPaid(paid *pingpp.Charge, made int) {
	s.T.Helper()
	for range 2 {
		if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_already_paid" {
			s.T.Errorf("%v", p)
		}
	}
	if !s.Known(s.l, paid.ID).Paid || s.State(0).Calls["create_charge"] != made {
		s.T.Errorf("%+v after %d creations", s.Attempts(s.l, "order1"), s.State(0).Calls["create_charge"])
	}
	s.WantRecorded(s.l, "its payment", "order1", "charge.succeeded pending")
}

// A number that was used outside of this ledger says that the ledger may be a backup: the order may have been paid under another number.
func TestBackupOfWhatIsPaid(t *testing.T) {
	s := newTill(t)
	s.bought("order1", "order9")
	paid := s.bought("order1abcdef", "order1")
	s.Pay(paid.ID)
	s.Fault("list_charges", "500", 30)
	_, _, p := s.buys("order1", payerA)
	if p == nil || p.Code != "provider_unavailable" || p.RetryAfter != 2*time.Second || len(s.Attempts(s.l, "order1")) != 0 { // nobody knows, and the number is tried again
		t.Errorf("%v %+v", p, s.Attempts(s.l, "order1"))
	}
	s.ClearFaults()
	s.wantPaid(paid, 4)
}

// An order that has not been paid so goes on under its next number, whether what has the number is paid or not: it is another order's.
func TestNumberOfAnotherOrdersCharge(t *testing.T) {
	for name, pay := range map[string]bool{"not paid": false, "paid": true} {
		t.Run(name, func(t *testing.T) {
			s := newTill(t)
			other := s.bought("order1", "order9")
			if pay {
				s.Pay(other.ID)
			}
			c := s.must("order1", payerA)
			all := s.Attempts(s.l, "order1")
			if c.Number == "order1" || c.OrderNo != "order1" || c.ID == other.ID || len(all) != 2 || all[0].State != ledger.Refused || all[0].Paid {
				t.Errorf("%+v", all)
			}
			s.says += `,"status":"closed"`
			if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_closed" {
				t.Errorf("%v", p)
			}
		})
	}
	s := newTill(t) // the same with a backup
	s.Pay(s.bought("order1", "order9").ID)
	paid := s.bought("order1abcdef", "order1")
	s.Pay(paid.ID)
	s.wantPaid(paid, 3)
}

// While Ping++ cannot say who paid a number that its channel calls paid, nobody is charged for the order.
func TestNumberPaidByNobodyKnown(t *testing.T) {
	s := newTill(t)
	var logs relaytest.Logs
	s.pay.Logger = logs.Logger()
	s.Pay(s.Elsewhere("order1", 1999).ID)
	s.Fault("list_charges", "500", 30)
	for range 2 {
		if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_already_paid" {
			t.Errorf("%v", p)
		}
	}
	if all := s.Attempts(s.l, "order1"); len(all) != 1 || all[0].State != ledger.Taken || s.State(0).Calls["create_charge"] != 2 {
		t.Errorf("%+v", all)
	}
	const said = "by what is not known now"
	if n := strings.Count(logs.String(), said); n != 1 {
		t.Errorf("%d lines say so", n)
	}
	s.ClearFaults()
	s.Fault("create_charge", "402", 1) // a refusal is none of that
	if _, _, p := s.buys("order2", payerA); p == nil || p.Code != "charge_rejected" || strings.Count(logs.String(), said) != 1 {
		t.Errorf("%v", p)
	}
	s.Pay(s.Elsewhere("order3", 1999).ID) // nor is a payment that is found
	if _, _, p := s.buys("order3", payerA); p == nil || p.Code != "order_already_paid" || strings.Count(logs.String(), said) != 1 {
		t.Errorf("%v", p)
	}
}

// troubled is a ledger that fails at one thing.
type troubled struct {
	ledger.Ledger
	release, append error
}

func (l troubled) Release(ctx context.Context, r ledger.Release) error {
	return cmp.Or(l.release, l.Ledger.Release(ctx, r))
}

func (l troubled) Append(ctx context.Context, e *ledger.Event) (ledger.Appended, error) {
	if l.append != nil {
		return "", l.append
	}
	return l.Ledger.Append(ctx, e)
}

// What the ledger cannot record changes nothing of what the payer is told.
func TestRefusalThatCannotBeRecorded(t *testing.T) {
	s := newTill(t)
	s.Fault("create_charge", "402", 1)
	whole := s.l
	s.l = troubled{Ledger: whole, release: errors.New("disk full")}
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "charge_rejected" {
		t.Errorf("%v", p)
	}
	s = newTill(t)
	s.bought("order1", "order9")
	s.Pay(s.bought("order1abcdef", "order1").ID)
	s.l = troubled{Ledger: s.l, append: errors.New("disk full")}
	s.pay.Reconciler = s.Reconciler(s.l, s.pay.Logger)
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "order_already_paid" {
		t.Errorf("%v", p)
	}
}

// A refused attempt leaves the backend's last price: what is paid at it is no mismatch.
func TestPriceOfARefusedAttempt(t *testing.T) {
	s := newTill(t)
	old := s.must("order1", payerA)
	s.After(time.Second)
	s.costs("2500")
	s.must("order1", payerA)
	s.After(time.Second)
	s.costs("1999")
	s.Fault("create_charge", "401", 1)
	s.says += `,"body":"another"`
	if _, _, p := s.buys("order1", payerA); p == nil || p.Code != "provider_rejected" {
		t.Fatal(p)
	}
	s.After(time.Second)
	s.PaidEverywhere(s.pay.Reconciler, s.l, old.ID)
	s.WantRecorded(s.l, "at the last price", "order1", "charge.succeeded pending")
}

// through is Ping++'s client whose answers are changed on their way.
func (s *till) through(change func([]byte) []byte) *pingpp.Client {
	s.T.Helper()
	transport := &http.Transport{}
	s.T.Cleanup(transport.CloseIdleConnections)
	c, err := pingpp.New(pingpp.Config{App: s.App(), Key: redact.New(s.TestKey()), Endpoint: s.URL, Now: s.Clock.Now, Rand: func() float64 { return 0 },
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := transport.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			body = change(body)
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			return resp, err
		})})
	if err != nil {
		s.T.Fatal(err)
	}
	return c
}

// Where Ping++ does not say how long a charge can be paid, what it was asked for counts.
func TestExpiryThatPingppDoesNotSay(t *testing.T) {
	s := newTill(t)
	s.pay.Pingpp = s.through(func(body []byte) []byte {
		return regexp.MustCompile(`"time_expire":\d+`).ReplaceAll(body, []byte(`"time_expire":null`))
	})
	ends := time.Unix(s.Clock.Now().Add(time.Hour).Unix(), 0)
	for orderNo, want := range map[string]time.Time{"order1": ends, "order2": {}} {
		if s.costs("1999"); !want.IsZero() {
			s.says += fmt.Sprintf(`,"time_expire":%d`, want.Unix())
		}
		if c := s.Known(s.l, s.must(orderNo, payerA).ID); !c.TimeExpire.Equal(want) {
			t.Errorf("%s: %s, want %s", orderNo, c.TimeExpire, want)
		}
	}
}

// A shop with more payments than can be looked through in time is not closed by that: where none of the newest is the order's, its next number is tried.
func TestBackupOfABusyShop(t *testing.T) {
	s := newTill(t)
	s.bought("order1", "order9")
	s.Pay(s.bought("order8", "order8").ID)
	endless := s.through(func(page []byte) []byte {
		return bytes.Replace(page, []byte(`"has_more":false`), []byte(`"has_more":true`), 1)
	})
	questions := reconciletest.Unlimited()
	questions.Payers = rate.NewLimiter(rate.Every(time.Minute), 1)
	s.pay.Reconciler = s.Reconciler(s.l, s.pay.Logger, reconciletest.Asking(questions), func(c *reconcile.Config) { c.Pingpp = endless })
	if c := s.must("order1", payerA); c.Number == "order1" || s.State(0).Calls["list_charges"] != 1 {
		t.Errorf("%+v after %d lists", c, s.State(0).Calls["list_charges"])
	}
}
