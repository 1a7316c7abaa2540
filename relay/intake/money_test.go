package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/relay/relaytest/delivery"
)

// charged records our charge ch_1 of order o1, 100 fen, as the webhook of chargeJSON pays it.
func charged(t *testing.T, l ledger.Ledger, amount int64) {
	t.Helper()
	ctx, now := context.Background(), time.Unix(1790000000, 0)
	if _, err := l.Reserve(ctx, ledger.Reservation{Scope: relaytest.Scope, OrderNo: "o1", Now: now, Until: now.Add(time.Minute),
		Number: func(int, int) string { return "o1x7" }}); err != nil {
		t.Fatal(err)
	}
	if err := l.Created(ctx, &ledger.Charge{Scope: relaytest.Scope, OrderNo: "o1", Number: "o1x7", State: ledger.Open, ID: "ch_1", Channel: "wx_lite",
		Amount: amount, Currency: "cny", Host: "pay.example.com", Created: now, TimeExpire: now.Add(2 * time.Hour), Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
}

// A payment of another amount than the charge's is money at risk: an alert, and no delivery until a person releases it; with
// mismatch deliver it goes out at once and says what is wrong.
func TestPaymentOfAnotherAmount(t *testing.T) {
	for _, deliver := range []bool{false, true} {
		t.Run(fmt.Sprint(deliver), func(t *testing.T) {
			l, b := relaytest.NewLedger(t), relaytest.NewBackend(t, relaytest.AnswerOK)
			charged(t, l, 10_000)
			var out relaytest.Logs
			var seen []string
			in := &Intake{Scope: relaytest.Scope, Now: time.Now, Deliver: deliver, Logger: out.Logger(), Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil },
				Observe: func(source ledger.Source, result string) { seen = append(seen, string(source)+" "+result) }}
			ours, err := l.Charge(context.Background(), relaytest.Scope, "ch_1")
			if err != nil {
				t.Fatal(err)
			}
			a := Arrival{Event: parse(t, "evt_1", "charge.succeeded", fmt.Sprintf(chargeJSON, "{}")), Charge: ours, Source: ledger.Webhook}
			for _, want := range []ledger.Appended{ledger.Recorded, ledger.Duplicate} {
				if did, err := in.Accept(context.Background(), a); err != nil || did != want {
					t.Fatal(did, err)
				}
			}
			level, result := `"error"`, "webhook held"
			if deliver {
				level, result = `"warn"`, "webhook recorded"
			}
			if want := []string{result, "webhook duplicate"}; !slices.Equal(seen, want) {
				t.Errorf("observed %q, want %q", seen, want)
			}
			line := out.String()
			for _, want := range []string{`"money at risk"`, level, `"order_no":"o1"`, `"charge":"ch_1"`, `"reasons":"amount"`, `"amount":100`, `"currency":"cny"`} {
				if !strings.Contains(line, want) || strings.Count(line, "\n") != 1 {
					t.Errorf("log %q lacks %s", line, want)
				}
			}
			cfg := delivery.Config(t, l, b)
			cfg.Poll = time.Hour
			delivery.Start(t, cfg)
			if !deliver {
				relaytest.Record(t, l, relaytest.NewEvent("evt_2", time.Now())) // by its delivery we know that the relay has looked
				relaytest.WaitDelivered(t, l, "evt_2")
				if e, ds := relaytest.Load(t, l, "evt_1"); e.State != ledger.Held || len(ds) != 0 {
					t.Errorf("%+v, %+v", e, ds)
				}
				release := ledger.Decision{Scope: relaytest.Scope, EventID: "evt_1", Action: ledger.ActionRelease, Now: time.Now(), By: "test"}
				if err := l.Decide(context.Background(), release); err != nil {
					t.Fatal(err)
				}
			}
			relaytest.WaitDelivered(t, l, "evt_1")
			requests := b.Requests()
			h := requests[len(requests)-1].Header
			if h.Get("Webhook-Id") != "evt_1" || h.Get("X-Pay-Mismatch") != "amount" || h.Get("X-Pay-Replay") != "" {
				t.Errorf("%v", h)
			}
		})
	}
}

func TestLatePayment(t *testing.T) {
	l, b := relaytest.NewLedger(t), relaytest.NewBackend(t, relaytest.AnswerOK)
	charged(t, l, 100)
	in := &Intake{Scope: relaytest.Scope, Now: time.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
	late := strings.Replace(fmt.Sprintf(chargeJSON, `{"pay_order_no":"o1"}`), `"time_paid":1790000000`, `"time_paid":1790099999`, 1)
	if _, err := in.Accept(context.Background(), Arrival{Event: parse(t, "evt_1", "charge.succeeded", late), Source: ledger.Webhook}); err != nil {
		t.Fatal(err)
	}
	delivery.Start(t, delivery.Config(t, l, b))
	relaytest.WaitDelivered(t, l, "evt_1")
	if h := b.Requests()[0].Header; h.Get("X-Pay-Late") != "expired" || h.Get("X-Pay-Mismatch") != "" {
		t.Errorf("%v", h)
	}
}

// A refund whose payment we have not seen: Ping++ is asked, and the backend hears of the payment first.
func TestRefundBeforePayment(t *testing.T) {
	refund := fmt.Sprintf(refundJSON, "o1x7")
	charge := fmt.Sprintf(chargeJSON, `{"pay_order_no":"o1"}`)
	away := errors.New("Ping++ does not answer")
	for name, tt := range map[string]struct {
		ours, paid bool  // the charge is ours; its payment is recorded
		asks       int   // questions to Ping++
		fails      error // its answer
		want       []string
	}{
		"ours, payment missed":     {ours: true, asks: 1, want: []string{"evt_q_ch_1_charge_succeeded", "evt_re"}},
		"a stranger's":             {asks: 1, want: []string{"evt_q_ch_1_charge_succeeded", "evt_re"}},
		"payment known":            {ours: true, paid: true, want: []string{"evt_1", "evt_re"}},
		"a stranger's, known":      {paid: true, want: []string{"evt_1", "evt_re"}},
		"Ping++ cannot say":        {ours: true, asks: 1, fails: away},
		"Ping++ cannot say, again": {asks: 1, fails: away},
	} {
		t.Run(name, func(t *testing.T) {
			l, b := relaytest.NewLedger(t), relaytest.NewBackend(t, relaytest.AnswerOK)
			if tt.ours {
				charged(t, l, 100)
			}
			asks := 0
			in := &Intake{Scope: relaytest.Scope, Now: time.Now, Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}
			in.Ask = func(ctx context.Context, id string, _ *pingpp.Refund) error {
				if asks++; id != "ch_1" {
					t.Errorf("asked for %s", id)
				}
				if tt.fails != nil {
					return tt.fails
				}
				_, err := in.Accept(ctx, Arrival{Event: parse(t, "evt_q_ch_1_charge_succeeded", "charge.succeeded", charge), Source: ledger.Query})
				return err
			}
			if tt.paid {
				if _, err := in.Accept(context.Background(), Arrival{Event: parse(t, "evt_1", "charge.succeeded", charge), Source: ledger.Webhook}); err != nil {
					t.Fatal(err)
				}
			}
			a := Arrival{Event: parse(t, "evt_re", "refund.succeeded", refund), Source: ledger.Webhook}
			did, err := in.Accept(context.Background(), a)
			if asks != tt.asks || !errors.Is(err, tt.fails) || tt.fails == nil && did != ledger.Recorded {
				t.Fatalf("%s, %v, asked %d times", did, err, asks)
			}
			if tt.fails != nil {
				if _, err := l.Event(context.Background(), relaytest.Scope, "evt_re"); !errors.Is(err, ledger.ErrNotFound) {
					t.Errorf("the refund was recorded all the same: %v", err)
				}
				return
			}
			cfg := delivery.Config(t, l, b)
			cfg.Poll = time.Hour
			delivery.Start(t, cfg)
			relaytest.WaitDelivered(t, l, "evt_re")
			var got []string
			for _, r := range b.Requests() {
				got = append(got, r.Header.Get("Webhook-Id"))
				if o := r.Header.Get("X-Pay-Order-No"); o != "o1" {
					t.Errorf("%s is of order %q", got[len(got)-1], o)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("the backend got %q, want %q", got, tt.want)
			}
			c, err := l.Charge(context.Background(), relaytest.Scope, "ch_1")
			if err != nil || !c.Paid || c.AmountRefunded != 40 {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}
