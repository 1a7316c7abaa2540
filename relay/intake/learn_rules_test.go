package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// learnedBooks are books that keep all that is written.
type learnedBooks struct {
	books
	events  []*ledger.Event
	queried []ledger.Queried
	charge  any // what Charge says: a charge, or an error
}

func (b *learnedBooks) Append(ctx context.Context, e *ledger.Event) (ledger.Appended, error) {
	b.events = append(b.events, e)
	return b.books.Append(ctx, e)
}

func (b *learnedBooks) Queried(_ context.Context, q ledger.Queried) error {
	b.queried = append(b.queried, q)
	return nil
}

func (b *learnedBooks) Charge(context.Context, ledger.Scope, string) (*ledger.Charge, error) {
	if err, ok := b.charge.(error); ok {
		return nil, err
	}
	return b.charge.(*ledger.Charge), nil
}

// listing is Ping++, as far as it lists refunds: so many pages, each of these. It keeps what it is asked.
type listing struct {
	pages []string
	asked []string
}

func (l *listing) RoundTrip(req *http.Request) (*http.Response, error) {
	l.asked = append(l.asked, req.URL.RequestURI())
	status, body := http.StatusNotFound, `{"error":{"type":"invalid_request_error","message":"none"}}`
	if n := len(l.asked); n <= len(l.pages) {
		status, body = http.StatusOK, fmt.Sprintf(`{"object":"list","url":"/v1/x","has_more":%t,"data":[%s]}`, n < len(l.pages), l.pages[n-1])
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

func refundListed(id string, amount int64, succeed bool) string {
	status := map[bool]string{true: "succeeded", false: "pending"}[succeed]
	return fmt.Sprintf(`{"id":%q,"object":"refund","order_no":"r","charge":"ch_1","charge_order_no":"n1","amount":%d,"succeed":%t,"status":%q,"created":1790000500,"time_succeed":1790000600,
		"description":"d","failure_code":null,"failure_msg":null,"metadata":{},"transaction_no":null}`, id, amount, succeed, status)
}

func newLearner(t *testing.T, b *learnedBooks, there *listing) (*Learner, *observer.ObservedLogs) {
	t.Helper()
	client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: there})
	if err != nil {
		t.Fatal(err)
	}
	core, lines := observer.New(zap.WarnLevel)
	now := relaytest.NewClock().Now
	in := &Intake{Scope: relaytest.Scope, Now: now, Ledger: func(context.Context) (ledger.Ledger, error) { return b, nil }}
	return &Learner{Scope: relaytest.Scope, Pingpp: client, Intake: in, Now: now, Logger: zap.New(core)}, lines
}

// What is recorded of a charge that Ping++ calls paid, by what the ledger knows of it: its payment, that it was reversed, and what went back.
func TestLearnedPayment(t *testing.T) {
	ours := func(change func(*ledger.Charge)) *ledger.Charge {
		c := &ledger.Charge{ID: "ch_1", OrderNo: "o1", Number: "n1", Host: "pay.example.com"}
		if change != nil {
			change(c)
		}
		return c
	}
	arriving := func(amount int64, charge string, succeed bool) *pingpp.Refund {
		return &pingpp.Refund{ID: "re_1", ChargeID: charge, Amount: amount, Succeed: succeed}
	}
	refunds := refundListed("re_2", 20, true) + "," + refundListed("re_1", 40, true) + "," + refundListed("re_0", 5, false)
	for name, c := range map[string]struct {
		ours     *ledger.Charge
		did      ledger.Appended
		reversed bool
		refunded int64 // at Ping++
		paid     Paid
		pages    []string
		events   string
		queried  bool
		asked    int
		warned   bool
	}{
		"ours":                                {ours: ours(nil), did: ledger.Recorded, events: "charge.succeeded o1 pay.example.com"},
		"not ours":                            {did: ledger.Recorded, events: "charge.succeeded n1 "},
		"reversed":                            {ours: ours(nil), did: ledger.Recorded, reversed: true, events: "charge.succeeded o1 pay.example.com"},
		"reversed, and the payment was known": {ours: ours(nil), did: ledger.SameEffect, reversed: true, events: "charge.succeeded o1 pay.example.com", queried: true},
		"known, and so is its reversal": {ours: ours(func(c *ledger.Charge) { c.Reversed = true }), did: ledger.SameEffect, reversed: true,
			events: "charge.succeeded o1 pay.example.com"},
		"known, and reversed on purpose": {ours: ours(func(c *ledger.Charge) { c.Reversed = true }), did: ledger.SameEffect, reversed: true, paid: Paid{Returned: true},
			events: "charge.succeeded o1 pay.example.com returned", queried: true},
		"known, and not reversed":           {ours: ours(nil), did: ledger.SameEffect, events: "charge.succeeded o1 pay.example.com"},
		"known, reversed, and not ours":     {did: ledger.SameEffect, reversed: true, events: "charge.succeeded n1 "},
		"refunded":                          {ours: ours(nil), did: ledger.Recorded, refunded: 60, pages: []string{refunds}, events: "charge.succeeded o1 pay.example.com; re_2 o1 pay.example.com; re_1 o1 pay.example.com", asked: 1},
		"refunded, and not ours":            {did: ledger.Recorded, refunded: 60, pages: []string{refunds}, events: "charge.succeeded n1 ; re_2 n1 ; re_1 n1 ", asked: 1},
		"refunded, as is known":             {ours: ours(func(c *ledger.Charge) { c.AmountRefunded = 60 }), did: ledger.SameEffect, refunded: 60, events: "charge.succeeded o1 pay.example.com"},
		"refunded, and less is known":       {ours: ours(func(c *ledger.Charge) { c.AmountRefunded = 59 }), did: ledger.SameEffect, refunded: 60, pages: []string{refunds}, events: "charge.succeeded o1 pay.example.com; re_2 o1 pay.example.com; re_1 o1 pay.example.com", asked: 1},
		"what arrives explains it":          {ours: ours(nil), did: ledger.Recorded, refunded: 40, paid: Paid{Arriving: arriving(40, "ch_1", true)}, events: "charge.succeeded o1 pay.example.com"},
		"what arrives explains it in part":  {ours: ours(nil), did: ledger.Recorded, refunded: 60, paid: Paid{Arriving: arriving(40, "ch_1", true)}, pages: []string{refunds}, events: "charge.succeeded o1 pay.example.com; re_2 o1 pay.example.com", asked: 1},
		"together they do":                  {ours: ours(func(c *ledger.Charge) { c.AmountRefunded = 20 }), did: ledger.SameEffect, refunded: 60, paid: Paid{Arriving: arriving(40, "ch_1", true)}, events: "charge.succeeded o1 pay.example.com"},
		"what arrives is of another charge": {ours: ours(nil), did: ledger.Recorded, refunded: 40, paid: Paid{Arriving: arriving(40, "ch_2", true)}, pages: []string{""}, events: "charge.succeeded o1 pay.example.com", asked: 1},
		"what arrives has not succeeded":    {ours: ours(nil), did: ledger.Recorded, refunded: 40, paid: Paid{Arriving: arriving(40, "ch_1", false)}, pages: []string{""}, events: "charge.succeeded o1 pay.example.com", asked: 1},
		"Ping++ does not list them":         {ours: ours(nil), did: ledger.Recorded, refunded: 40, events: "charge.succeeded o1 pay.example.com", asked: 1, warned: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, there := &learnedBooks{books: books{did: c.did}, charge: ledger.ErrNotFound}, &listing{pages: c.pages}
			if c.ours != nil {
				b.charge = c.ours
			}
			r, lines := newLearner(t, b, there)
			c.paid.Ours = c.ours
			c.paid.Found = &pingpp.Charge{ID: "ch_1", OrderNo: "n1", App: "app_test", Paid: true, TimePaid: 1_790_000_001, Amount: 100, Currency: "cny", Reversed: c.reversed,
				AmountRefunded: c.refunded, Raw: []byte("{}")}
			if err := r.Payment(t.Context(), b, c.paid); err != nil {
				t.Fatal(err)
			}
			var events []string
			for _, e := range b.events {
				what := e.Type
				if e.Refund != nil {
					what = e.Refund.ID
				}
				if e.Source != ledger.Query || e.Signature != "" || e.Number != "n1" {
					t.Errorf("%+v", e)
				}
				events = append(events, strings.Join([]string{what, e.OrderNo, e.Host}, " ")+map[bool]string{true: " returned"}[e.Returned])
			}
			if got := strings.Join(events, "; "); got != c.events {
				t.Errorf("recorded %q, want %q", got, c.events)
			}
			want := ledger.Queried{Scope: relaytest.Scope, ChargeID: "ch_1", Reversed: true, At: r.Now()}
			if c.queried && (len(b.queried) != 1 || b.queried[0] != want) || !c.queried && len(b.queried) != 0 {
				t.Errorf("%+v", b.queried)
			}
			if len(there.asked) != c.asked || (lines.Len() == 1) != c.warned {
				t.Errorf("asked %q, warned %v", there.asked, lines.All())
			}
		})
	}
}

// What cannot be recorded is an error, of a payment and of a refund's outcome; of a charge that is not there the outcome is recorded all the same.
func TestLearnedButNotWritten(t *testing.T) {
	broken := errors.New("the disk is full")
	b := &learnedBooks{books: books{err: broken}, charge: ledger.ErrNotFound}
	r, _ := newLearner(t, b, &listing{})
	found := &pingpp.Charge{ID: "ch_1", Paid: true, Raw: []byte("{}")}
	if err := r.Payment(t.Context(), b, Paid{Found: found}); !errors.Is(err, broken) {
		t.Error(err)
	}
	re := &ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", OrderNo: "o1", Amount: 3}
	if err := r.Refused(t.Context(), b, re, "code", "why"); !errors.Is(err, broken) {
		t.Error(err)
	}
	b.err, b.did, b.events = nil, ledger.Recorded, nil
	for _, live := range []ledger.Mode{ledger.Test, ledger.Live} {
		r.Scope.Mode = live
		if err := r.Refused(t.Context(), b, re, "code", "why"); err != nil {
			t.Error(err)
		}
		e := b.events[len(b.events)-1]
		if e.OrderNo != "o1" || e.Refund.FailureCode != "code" || e.Host != "" || strings.Contains(string(e.Body), `"livemode":true`) != (live == ledger.Live) {
			t.Errorf("%+v\n%s", e, e.Body)
		}
	}
	b.charge = broken
	if err := r.Refused(t.Context(), b, re, "code", "why"); !errors.Is(err, broken) {
		t.Error(err)
	}
	b.charge, b.events = &ledger.Charge{ID: "ch_1", OrderNo: "o2", Number: "n2", Host: "pay.example.com"}, nil
	made := &pingpp.Refund{ID: "re_1", ChargeID: "ch_1", Succeed: true, Amount: 3, TimeSucceeded: 7, Raw: []byte("{}")}
	if err := r.Refund(t.Context(), b, re, made); err != nil || b.events[0].Host != "pay.example.com" || b.events[0].OrderNo != "o1" || b.events[0].Number != "n2" || b.events[0].Source != ledger.Query {
		t.Errorf("%+v, %v", b.events, err)
	}

	// One of several refunds cannot be recorded: the error says so, and the search ends.
	b = &learnedBooks{books: books{err: broken}, charge: ledger.ErrNotFound}
	r, _ = newLearner(t, b, &listing{pages: []string{refundListed("re_2", 20, true) + "," + refundListed("re_1", 40, true)}})
	if err := r.Refunds(t.Context(), b, "ch_1", "o1"); !errors.Is(err, broken) || len(b.events) != 1 {
		t.Errorf("%d events, %v", len(b.events), err)
	}
}

// Refunds are looked through page by page, of a charge from the last one seen on, of a Ping++ order by the number of the page.
func TestSearchRefunds(t *testing.T) {
	page := func(ids ...string) string {
		var all []string
		for _, id := range ids {
			all = append(all, refundListed(id, 1, true))
		}
		return strings.Join(all, ",")
	}
	var eleven []string
	for n := range 11 {
		eleven = append(eleven, page(fmt.Sprint("re_", n)))
	}
	for name, c := range map[string]struct {
		through string
		pages   []string
		want    string
		asked   []string
		err     string
	}{
		"on the first page": {"", []string{page("re_9", "re_x", "re_8"), page("re_7")}, "re_x", []string{"/v1/charges/ch_1/refunds?limit=100"}, ""},
		"on the second page": {"", []string{page("re_9", "re_8"), page("re_x")}, "re_x",
			[]string{"/v1/charges/ch_1/refunds?limit=100", "/v1/charges/ch_1/refunds?limit=100&starting_after=re_8"}, ""},
		"nowhere": {"", []string{page("re_9")}, "", []string{"/v1/charges/ch_1/refunds?limit=100"}, ""},
		"of an order": {"or_1", []string{page("re_9"), page("re_x")}, "re_x",
			[]string{"/v1/orders/or_1/order_refunds?page=1&per_page=100", "/v1/orders/or_1/order_refunds?page=2&per_page=100"}, ""},
		"not listed":          {"", nil, "", []string{"/v1/charges/ch_1/refunds?limit=100"}, "none"},
		"on the last page":    {"", append(slices.Clone(eleven[:9]), page("re_x"), page("re_9")), "re_x", nil, ""},
		"more than there are": {"", eleven, "", nil, "charge ch_1 has more than 1000 refunds"},
	} {
		t.Run(name, func(t *testing.T) {
			there := &listing{pages: c.pages}
			r, _ := newLearner(t, &learnedBooks{}, there)
			found, err := SearchRefunds(t.Context(), r.Pingpp, &ledger.Refund{ChargeID: "ch_1", Through: c.through}, func(re *pingpp.Refund) bool { return re.ID == "re_x" })
			if (found != nil) != (c.want != "") || found != nil && found.ID != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%+v, %v", found, err)
			}
			if c.asked != nil && !slices.Equal(there.asked, c.asked) || len(there.asked) > 10 {
				t.Errorf("asked %q, want %q", there.asked, c.asked)
			}
		})
	}
	// It may take a while, and no longer.
	there := &listing{pages: []string{""}}
	b := &learnedBooks{charge: ledger.ErrNotFound}
	r, _ := newLearner(t, b, there)
	began, end := time.Now(), time.Time{}
	client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Timeout: time.Hour,
		Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			end, _ = req.Context().Deadline()
			return there.RoundTrip(req)
		})})
	if err != nil {
		t.Fatal(err)
	}
	if r.Pingpp = client; r.Refunds(t.Context(), b, "ch_1", "o1") != nil || end.Sub(began) < searchTime || end.Sub(began) > searchTime+time.Minute {
		t.Errorf("it may take %s", end.Sub(began))
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
