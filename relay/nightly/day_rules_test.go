package nightly

import (
	"cmp"
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
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/relaytest"
)

var theDay = time.Date(2026, 11, 22, 0, 0, 0, 0, China)

// books are a ledger of charges, as far as a comparison asks it. What fails says so.
type books struct {
	ledger.Ledger
	charges  map[string]*ledger.Charge
	fails    map[string]error // by method
	recorded []string
}

func (b *books) ChargesCreated(_ context.Context, _ ledger.Scope, from, to time.Time, after string, limit int) (page []ledger.Charge, err error) {
	for _, c := range b.charges {
		if !c.Created.Before(from) && c.Created.Before(to) && c.ID > after && c.ID != "ch_beside" {
			page = append(page, *c)
		}
	}
	slices.SortFunc(page, func(a, b ledger.Charge) int { return cmp.Compare(a.ID, b.ID) })
	return page[:min(limit, len(page))], b.fails["ChargesCreated"]
}

func (b *books) Charge(_ context.Context, _ ledger.Scope, id string) (*ledger.Charge, error) {
	if err := b.fails["Charge"]; err != nil {
		return nil, err
	}
	if c := b.charges[id]; c != nil {
		known := *c
		return &known, nil
	}
	return nil, ledger.ErrNotFound
}

func (b *books) Append(_ context.Context, e *ledger.Event) (ledger.Appended, error) {
	if err := b.fails["Append"]; err != nil {
		return "", err
	}
	b.recorded = append(b.recorded, e.Type+" "+e.OrderNo)
	c := b.charges[e.ChargeID]
	if c == nil {
		c = &ledger.Charge{ID: e.ChargeID, State: ledger.Foreign, OrderNo: e.OrderNo, Amount: 100, Created: theDay}
		b.charges[e.ChargeID] = c
	}
	c.Paid, c.Reversed = c.Paid || e.Change.Paid, c.Reversed || e.Change.Reversed
	c.AmountRefunded += e.Change.Refund
	return ledger.Recorded, nil
}

func (b *books) Queried(_ context.Context, q ledger.Queried) error {
	if q.At.IsZero() {
		b.recorded = append(b.recorded, "at no time")
	}
	if q.Reversed && b.charges[q.ChargeID] != nil {
		b.charges[q.ChargeID].Reversed = true
	}
	b.recorded = append(b.recorded, "reversed "+q.ChargeID)
	return b.fails["Queried"]
}

// there is Ping++: pages of charges, and one refund of 30 fen of each.
type there struct {
	pages []string
	fails string // what is not answered: a part of the path
	asked []string
}

func (p *there) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
	if p.fails != "" && strings.Contains(req.URL.Path, p.fails) {
		return answer(http.StatusNotFound, `{"error":{"type":"invalid_request_error","message":"none"}}`)
	}
	if id, ok := strings.CutSuffix(strings.TrimPrefix(req.URL.Path, "/v1/charges/"), "/refunds"); ok {
		return answer(http.StatusOK, fmt.Sprintf(`{"object":"list","url":"/v1/x","has_more":false,"data":[{"id":"re_%s","object":"refund","order_no":"r","charge":%[1]q,"charge_order_no":"n1",
			"amount":30,"succeed":true,"status":"succeeded","created":1790000500,"time_succeed":1790000600,"description":"d","failure_code":null,"failure_msg":null,"metadata":{}}]}`, id))
	}
	p.asked = append(p.asked, req.URL.Query().Encode())
	n := len(p.asked)
	page := ""
	if n <= len(p.pages) {
		page = p.pages[n-1]
	}
	return answer(http.StatusOK, fmt.Sprintf(`{"object":"list","url":"/v1/charges","has_more":%t,"data":[%s]}`, n < len(p.pages), page))
}

// listed is a charge as Ping++ lists it, of 100 fen and this day's first second, with changes.
func listed(id, metadata string, changes ...string) string {
	text := fmt.Sprintf(`{"id":%q,"object":"charge","app":"app_test","channel":"wx_lite","order_no":"n_%[1]s","amount":100,"currency":"cny","livemode":false,"paid":false,"refunded":false,
		"reversed":false,"created":%d,"time_paid":null,"time_expire":1790007200,"amount_refunded":0,"transaction_no":null,"metadata":%s}`, id, theDay.Unix(), metadata)
	for i := 0; i < len(changes); i += 2 {
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return text
}

func newComparison(t *testing.T, b *books, p *there) *Comparison {
	t.Helper()
	client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: p})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return theDay.AddDate(0, 0, 1).Add(2 * time.Hour) }
	open := func(context.Context) (ledger.Ledger, error) { return b, b.fails["open"] }
	in := &intake.Intake{Scope: relaytest.Scope, Now: now, Ledger: open}
	return &Comparison{
		Scope: relaytest.Scope, Ledger: open, Pingpp: client, Budget: rate.NewLimiter(rate.Inf, 1), Now: now,
		Learner: &intake.Learner{Scope: relaytest.Scope, Pingpp: client, Intake: in, Now: now, Logger: zap.NewNop()},
	}
}

const paid = `"paid":false`

// One charge on both sides, or on one: what is found, what is recorded, and what is left for a person.
func TestComparedCharge(t *testing.T) {
	const ours = `{"pay_order_no":"o1"}`
	isPaid := []string{paid, `"paid":true`, `"time_paid":null`, `"time_paid":1790000000`}
	with := func(more ...string) []string { return append(slices.Clone(isPaid), more...) }
	for name, c := range map[string]struct {
		here  *ledger.Charge
		there string
		found string
		wrote string
		clean bool
	}{
		"the same":                                   {&ledger.Charge{}, listed("ch_1", ours), "1 1 0 0", "", true},
		"both paid":                                  {&ledger.Charge{Paid: true}, listed("ch_1", ours, isPaid...), "1 1 0 0", "", true},
		"paid only there":                            {&ledger.Charge{}, listed("ch_1", ours, isPaid...), "1 1 1 0", "charge.succeeded o1", true},
		"paid only here":                             {&ledger.Charge{Paid: true}, listed("ch_1", ours), "1 1 0 0 differs: ch_1 o1 100 false paid here, not at Ping++", "", false},
		"paid only there, of another order here":     {&ledger.Charge{OrderNo: "o7"}, listed("ch_1", ours, isPaid...), "1 1 1 0", "charge.succeeded o7", true},
		"made elsewhere, of another order here":      {&ledger.Charge{OrderNo: "o7", State: ledger.Foreign}, listed("ch_1", ours, isPaid...), "1 1 1 0 only there: ch_1 o1 100 true", "charge.succeeded o7", false},
		"made elsewhere, unpaid, and reversed there": {&ledger.Charge{State: ledger.Foreign}, listed("ch_1", "{}", `"reversed":false`, `"reversed":true`), "1 1 0 0 only there: ch_1 n_ch_1 100 false", "", false},
		"refunded there, and paid nowhere": {&ledger.Charge{}, listed("ch_1", ours, `"amount_refunded":0`, `"amount_refunded":30`),
			"1 1 0 0 differs: ch_1 o1 100 false refunded 0 here, 30 at Ping++", "", false},
		"another amount":   {&ledger.Charge{Amount: 101}, listed("ch_1", ours), "1 1 0 0 differs: ch_1 o1 100 false amount 101 here, 100 at Ping++", "", false},
		"refunded there":   {&ledger.Charge{Paid: true}, listed("ch_1", ours, with(`"amount_refunded":0`, `"amount_refunded":30`)...), "1 1 0 1", "refund.succeeded o1", true},
		"refunded on both": {&ledger.Charge{Paid: true, AmountRefunded: 30}, listed("ch_1", ours, with(`"amount_refunded":0`, `"amount_refunded":30`)...), "1 1 0 0", "", true},
		"refunded here": {&ledger.Charge{Paid: true, AmountRefunded: 30}, listed("ch_1", ours, isPaid...),
			"1 1 0 0 differs: ch_1 o1 100 true refunded 30 here, 0 at Ping++", "", false},
		"refunded there, more than is listed": {&ledger.Charge{Paid: true}, listed("ch_1", ours, with(`"amount_refunded":0`, `"amount_refunded":40`)...),
			"1 1 0 1 differs: ch_1 o1 100 true refunded 30 here, 40 at Ping++", "refund.succeeded o1", false},
		"paid and refunded only there":   {&ledger.Charge{}, listed("ch_1", ours, with(`"amount_refunded":0`, `"amount_refunded":30`)...), "1 1 1 0", "charge.succeeded o1; refund.succeeded o1", true},
		"reversed there":                 {&ledger.Charge{}, listed("ch_1", ours, `"reversed":false`, `"reversed":true`), "1 1 0 1", "reversed ch_1", true},
		"reversed on both":               {&ledger.Charge{Reversed: true}, listed("ch_1", ours, `"reversed":false`, `"reversed":true`), "1 1 0 0", "", true},
		"only here":                      {&ledger.Charge{Paid: true}, "", "0 1 0 0 only here: ch_1 o1 100 true", "", false},
		"only here, before the day":      {&ledger.Charge{Created: theDay.Add(-1)}, "", "0 0 0 0", "", true},
		"only here, at its end":          {&ledger.Charge{Created: theDay.AddDate(0, 0, 1).Add(-1)}, "", "0 1 0 0 only here: ch_1 o1 100 false", "", false},
		"only here, after it":            {&ledger.Charge{Created: theDay.AddDate(0, 0, 1)}, "", "0 0 0 0", "", true},
		"only there":                     {nil, listed("ch_1", "{}", isPaid...), "1 0 0 0 only there: ch_1 n_ch_1 100 true", "", false},
		"only there, made through us":    {nil, listed("ch_1", ours, isPaid...), "1 0 1 0 only there: ch_1 o1 100 true", "charge.succeeded o1", false},
		"only there, through us, unpaid": {nil, listed("ch_1", ours), "1 0 0 0 only there: ch_1 o1 100 false", "", false},
		"only there, refunded":           {nil, listed("ch_1", ours, with(`"amount_refunded":0`, `"amount_refunded":30`)...), "1 0 1 0 only there: ch_1 o1 100 true", "charge.succeeded o1; refund.succeeded o1", false},
		"made elsewhere, and recorded":   {&ledger.Charge{State: ledger.Foreign, Paid: true}, listed("ch_1", ours, isPaid...), "1 1 0 0 only there: ch_1 o1 100 true", "", false},
		"made elsewhere, recorded, and refunded since": {&ledger.Charge{State: ledger.Foreign, Paid: true}, listed("ch_1", "{}", with(`"amount_refunded":0`, `"amount_refunded":30`)...),
			"1 1 0 1 only there: ch_1 n_ch_1 100 true", "refund.succeeded o1", false},
		"made elsewhere, recorded without its payment": {&ledger.Charge{State: ledger.Foreign}, listed("ch_1", ours, isPaid...), "1 1 1 0 only there: ch_1 o1 100 true", "charge.succeeded o1", false},
		"made elsewhere, unpaid on both sides":         {&ledger.Charge{State: ledger.Foreign}, listed("ch_1", "{}", `"amount_refunded":0`, `"amount_refunded":30`), "1 1 0 0 only there: ch_1 n_ch_1 100 false", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := &books{charges: map[string]*ledger.Charge{}}
			if h := c.here; h != nil {
				h.ID, h.OrderNo, h.Amount, h.State = "ch_1", cmp.Or(h.OrderNo, "o1"), cmp.Or(h.Amount, 100), cmp.Or(h.State, ledger.Open)
				if h.Created.IsZero() {
					h.Created = theDay
				}
				b.charges["ch_1"] = h
			}
			p := &there{pages: []string{c.there}}
			s, err := newComparison(t, b, p).Day(t.Context(), theDay.Add(23*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			found := fmt.Sprintf("%d %d %d %d", s.AtPingpp, s.InLedger, s.Recovered, s.Returned)
			for what, items := range map[string][]Item{"only there": s.OnlyThere, "only here": s.OnlyHere, "differs": s.Differ} {
				for _, i := range items {
					found += strings.TrimRight(fmt.Sprintf(" %s: %s %s %d %t %s", what, i.Charge, i.OrderNo, i.Amount, i.Paid, i.What), " ")
				}
			}
			if wrote := strings.Join(b.recorded, "; "); found != c.found || wrote != c.wrote || s.Clean() != c.clean || s.Date != "2026-11-22" || s.Cut {
				t.Errorf("found %q, want %q; wrote %q, want %q; clean %t", found, c.found, wrote, c.wrote, s.Clean())
			}
			if want := fmt.Sprintf("app%%5Bid%%5D=app_test&created%%5Bgte%%5D=%d&created%%5Blt%%5D=%d&limit=100", theDay.Unix(), theDay.AddDate(0, 0, 1).Unix()); !slices.Equal(p.asked, []string{want}) {
				t.Errorf("asked %q, want %q", p.asked, want)
			}
		})
	}
}

// Of a day with more charges than can be compared: as many are, the newest first, and what may be beyond them is left alone.
func TestComparedInPart(t *testing.T) {
	charge := func(id string, after time.Duration) *ledger.Charge {
		return &ledger.Charge{ID: id, OrderNo: "o_" + id, Amount: 100, State: ledger.Open, Created: theDay.Add(after)}
	}
	at := func(id string, after time.Duration) string {
		return listed(id, `{"pay_order_no":"o"}`, fmt.Sprintf(`"created":%d`, theDay.Unix()), fmt.Sprintf(`"created":%d`, theDay.Add(after).Unix()))
	}
	const h = time.Hour
	for name, c := range map[string]struct {
		most     int
		here     []*ledger.Charge
		pages    []string
		atPingpp int
		inLedger int
		onlyHere []string
		cut      bool
		lists    int
	}{
		"whole":             {9, []*ledger.Charge{charge("a", h), charge("b", 2*h)}, []string{at("b", 2*h), at("a", h)}, 2, 2, nil, false, 2},
		"as many as can be": {2, []*ledger.Charge{charge("a", h), charge("b", 2*h)}, []string{at("b", 2*h) + "," + at("a", h)}, 2, 2, nil, false, 1},
		"one more there":    {2, []*ledger.Charge{charge("c", 3*h), charge("b", 2*h)}, []string{at("c", 3*h) + "," + at("b", 2*h), at("a", h)}, 2, 2, nil, true, 1},
		"more there, and some only here": {2, []*ledger.Charge{charge("d", 150*time.Minute), charge("e", 2*h), charge("f", h)},
			[]string{at("c", 3*h) + "," + at("b", 2*h), at("a", h)}, 2, 3, []string{"d"}, true, 1},
		"more here": {2, []*ledger.Charge{charge("a", h), charge("b", 2*h), charge("c", 3*h), charge("d", 4*h)}, []string{at("d", 4*h) + "," + at("c", 3*h) + "," + at("b", 2*h) + "," + at("a", h)}, 4, 3, nil, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := &books{charges: map[string]*ledger.Charge{}}, &there{pages: c.pages}
			for _, ours := range c.here {
				b.charges[ours.ID] = ours
			}
			n := newComparison(t, b, p)
			n.atMost = c.most
			s, err := n.Day(t.Context(), theDay)
			if err != nil {
				t.Fatal(err)
			}
			var only []string
			for _, i := range s.OnlyHere {
				only = append(only, i.Charge)
			}
			if s.AtPingpp != c.atPingpp || s.InLedger != c.inLedger || !slices.Equal(only, c.onlyHere) || s.Cut != c.cut || s.Clean() != (!c.cut && c.onlyHere == nil && len(s.OnlyThere) == 0) || len(p.asked) != c.lists {
				t.Errorf("%+v after %d lists", s, len(p.asked))
			}
			if name == "more here" && len(s.OnlyThere) != 0 {
				t.Errorf("%+v", s.OnlyThere)
			}
			if name == "whole" && !strings.Contains(p.asked[1], "starting_after=b") {
				t.Errorf("asked %q", p.asked)
			}
		})
	}
	if (&Comparison{}).most() != sweepMost {
		t.Error("that is not what it says")
	}
}

// What cannot be read or written ends a comparison, with an error that says what it was.
func TestComparisonFails(t *testing.T) {
	broken := errors.New("the disk is full")
	const ours = `{"pay_order_no":"o1"}`
	isPaid := listed("ch_1", ours, paid, `"paid":true`, `"time_paid":null`, `"time_paid":1790000000`, `"amount_refunded":0`, `"amount_refunded":30`)
	here := ledger.Charge{ID: "ch_1", OrderNo: "o1", Amount: 100, State: ledger.Open, Created: theDay, Paid: true}
	unpaid, foreign := here, here
	unpaid.Paid, foreign.State = false, ledger.Foreign
	for name, c := range map[string]struct {
		here  *ledger.Charge
		there string
		fails string // at the ledger
		asked string // or at Ping++
		want  string
	}{
		"the ledger":                    {&here, isPaid, "open", "", "the disk is full"},
		"its charges":                   {&here, isPaid, "ChargesCreated", "", "the disk is full"},
		"one of them":                   {&here, isPaid, "Charge", "", "the disk is full"},
		"one of them, that is not ours": {nil, isPaid, "Charge", "", "the disk is full"},
		"a payment":                     {&unpaid, isPaid, "Append", "", "relay: recording event evt_q_ch_1_charge_succeeded: the disk is full"},
		"a payment that is not ours":    {nil, isPaid, "Append", "", "relay: recording event evt_q_ch_1_charge_succeeded: the disk is full"},
		"a refund":                      {&here, isPaid, "Append", "", "listing the refunds of charge ch_1: relay: recording event evt_q_re_ch_1_refund_succeeded: the disk is full"},
		"a refund of another's":         {&foreign, isPaid, "Append", "", "listing the refunds of charge ch_1: relay: recording event evt_q_re_ch_1_refund_succeeded: the disk is full"},
		"a reversal":                    {&unpaid, listed("ch_1", ours, `"reversed":false`, `"reversed":true`), "Queried", "", "the disk is full"},
		"Ping++'s list":                 {&here, isPaid, "", "/v1/charges", "listing Ping++'s charges of 2026-11-22: "},
		"Ping++'s refunds":              {&here, isPaid, "", "/refunds", "listing the refunds of charge ch_1: "},
	} {
		b, p := &books{charges: map[string]*ledger.Charge{}, fails: map[string]error{c.fails: broken}}, &there{pages: []string{c.there}, fails: c.asked}
		if c.here != nil {
			known := *c.here
			b.charges["ch_1"] = &known
		}
		if s, err := newComparison(t, b, p).Day(t.Context(), theDay); s != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) || c.fails == "Charge" && len(b.recorded) != 0 {
			t.Errorf("%s: %+v, %v; %q", name, s, err, b.recorded)
		}
	}
	// Of a day that is cut each charge is looked for by itself.
	cut := &books{charges: map[string]*ledger.Charge{}, fails: map[string]error{"Charge": broken}}
	for _, id := range []string{"ch_1", "ch_2", "ch_3"} {
		known := unpaid
		known.ID = id
		cut.charges[id] = &known
	}
	part := newComparison(t, cut, &there{pages: []string{listed("ch_9", ours)}})
	part.atMost = 1
	if s, err := part.Day(t.Context(), theDay); s != nil || !errors.Is(err, broken) {
		t.Errorf("%+v, %v", s, err)
	}
	n := newComparison(t, &books{}, &there{})
	n.Budget = rate.NewLimiter(0, 0)
	if _, err := n.Day(t.Context(), theDay); err == nil {
		t.Error("a budget of nothing")
	}
	if err := n.compareEarlier(t.Context(), &Sweep{}, theDay); err == nil {
		t.Error("a budget of nothing")
	}
}

// A day on which anything differs is not clean.
func TestClean(t *testing.T) {
	one := []Item{{}}
	for _, s := range []Sweep{{Cut: true}, {OnlyThere: one}, {OnlyHere: one}, {Differ: one}, {OnlyThere: one, OnlyHere: one}, {OnlyThere: one, Differ: one}, {OnlyHere: one, Differ: one}} {
		if s.Clean() {
			t.Errorf("%+v", s)
		}
	}
	if s := (Sweep{}); !s.Clean() {
		t.Errorf("%+v", s)
	}
}

// The charges of the month before a day of which money went back are looked at too, and nothing else of them.
func TestComparedEarlier(t *testing.T) {
	isPaid := []string{paid, `"paid":true`, `"time_paid":null`, `"time_paid":1790000000`, `"amount_refunded":0`, `"amount_refunded":30`}
	for name, c := range map[string]struct {
		most  int
		pages []string
		wrote string
		cut   bool
		lists int
	}{
		"none":             {9, []string{""}, "", false, 1},
		"on two pages":     {9, []string{listed("ch_1", "{}", isPaid...), listed("ch_2", "{}", isPaid...)}, "refund.succeeded o1; refund.succeeded o2", false, 2},
		"more than can be": {1, []string{listed("ch_1", "{}", isPaid...), listed("ch_2", "{}", isPaid...)}, "refund.succeeded o1", true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := &books{charges: map[string]*ledger.Charge{}}, &there{pages: c.pages}
			for _, n := range []string{"1", "2"} {
				b.charges["ch_"+n] = &ledger.Charge{ID: "ch_" + n, OrderNo: "o" + n, Amount: 100, State: ledger.Open, Paid: true, Created: theDay.AddDate(0, 0, -3)}
			}
			n, s := newComparison(t, b, p), &Sweep{Date: "2026-11-22"}
			n.atMost = c.most
			if err := n.compareEarlier(t.Context(), s, theDay); err != nil {
				t.Fatal(err)
			}
			if wrote := strings.Join(b.recorded, "; "); wrote != c.wrote || s.Cut != c.cut || len(p.asked) != c.lists || s.Returned != strings.Count(c.wrote, "refund") {
				t.Errorf("wrote %q, want %q; %+v after %d lists", wrote, c.wrote, s, len(p.asked))
			}
			first := fmt.Sprintf("app%%5Bid%%5D=app_test&created%%5Bgt%%5D=%d&created%%5Blt%%5D=%d&limit=100&refunded=true", theDay.AddDate(0, 0, -30).Unix(), theDay.Unix())
			if p.asked[0] != first || c.lists > 1 && p.asked[1] != first+"&starting_after=ch_1" {
				t.Errorf("asked %q, want %q", p.asked, first)
			}
		})
	}
	b := &books{charges: map[string]*ledger.Charge{}, fails: map[string]error{}}
	n := newComparison(t, b, &there{fails: "/v1/charges"})
	if err := n.compareEarlier(t.Context(), &Sweep{Date: "2026-11-22"}, theDay); err == nil || !strings.HasPrefix(err.Error(), "listing Ping++'s charges before 2026-11-22 of which money went back: ") {
		t.Error(err)
	}
	n = newComparison(t, b, &there{pages: []string{listed("ch_1", "{}", isPaid...)}})
	b.fails["Charge"] = errors.New("the disk is full")
	if err := n.compareEarlier(t.Context(), &Sweep{}, theDay); err == nil {
		t.Error("a charge that could not be read")
	}
	b.fails = map[string]error{"open": errors.New("the disk is full")}
	if err := n.compareEarlier(t.Context(), &Sweep{}, theDay); err == nil {
		t.Error("a ledger that could not be opened")
	}
}
