package refunds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/time/rate"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay/asking"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// desk is a ledger and Ping++ at once: it writes down what is asked of either, in words, and answers as a test has it.
type desk struct {
	ledger.Ledger
	now   time.Time
	did   []string
	fails map[string]error // of the ledger, by method

	recorded []ledger.Refund // of the charge
	seen     []ledger.Event  // of its Ping++ order

	claimed []ledger.Refund   // what is due
	claim   ledger.QueryClaim // and how it was asked for
	claims  atomic.Int64

	funding string            // that Ping++ has to be asked for
	listed  string            // Ping++'s refunds of the charge
	answers map[string]answer // to what is asked of Ping++ otherwise
}

type answer struct {
	status int // 0: no connection
	body   string
}

func (d *desk) note(format string, args ...any) { d.did = append(d.did, fmt.Sprintf(format, args...)) }

func (d *desk) in(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return "in " + t.Sub(d.now).String()
}

func (d *desk) AskRefund(_ context.Context, l ledger.RefundLease, a ledger.RefundAsk) error {
	through := ""
	if a.Through != "" {
		through = " through " + a.Through
	}
	d.note("ask %d%s %s", a.Asks, through, d.in(a.Until))
	if !a.Now.Equal(d.now) || l.RefundNo != "R1" || l.Owner != "me" {
		d.note("but at %s for %+v", a.Now, l)
	}
	return d.fails["AskRefund"]
}

func (d *desk) RefundMade(_ context.Context, _ ledger.RefundLease, id string, next time.Time) error {
	d.note("made %s, looked up %s", id, d.in(next))
	return d.fails["RefundMade"]
}

func (d *desk) ReleaseRefund(_ context.Context, _ ledger.RefundLease, p ledger.RefundPause) error {
	if p == (ledger.RefundPause{}) {
		d.note("forgotten")
	} else {
		d.note("paused, %d asks, %s", p.Asks, strings.TrimLeft(p.Unclear+" "+d.in(p.Next), " "))
	}
	return d.fails["ReleaseRefund"]
}

func (d *desk) RefundQueried(_ context.Context, _ ledger.RefundLease, next time.Time) error {
	d.note("looked up %s", d.in(next))
	return d.fails["RefundQueried"]
}

func (d *desk) RefundsOfCharge(context.Context, ledger.Scope, string) ([]ledger.Refund, error) {
	return d.recorded, d.fails["RefundsOfCharge"]
}

func (d *desk) Events(_ context.Context, f ledger.Filter) ([]ledger.Event, error) {
	if f.OrderNo != "o1" || f.Type != "order.succeeded" || f.Scope != relaytest.Scope {
		d.note("events of %q %q", f.OrderNo, f.Type)
	}
	return d.seen, d.fails["Events"]
}

func (d *desk) ClaimRefunds(_ context.Context, c ledger.QueryClaim) ([]ledger.Refund, error) {
	d.claims.Add(1)
	d.claim = c
	return d.claimed, d.fails["ClaimRefunds"]
}

func (d *desk) Charge(context.Context, ledger.Scope, string) (*ledger.Charge, error) {
	return nil, ledger.ErrNotFound
}

func (d *desk) Append(_ context.Context, e *ledger.Event) (ledger.Appended, error) {
	d.note("%s %s", e.Type, strings.TrimSpace(e.Refund.ID+" "+e.Refund.FailureCode+" "+e.Refund.FailureMsg))
	return ledger.Recorded, d.fails["Append"]
}

func (d *desk) RoundTrip(req *http.Request) (*http.Response, error) {
	what := req.Method + " " + strings.TrimPrefix(req.URL.Path, "/v1/")
	sent := ""
	if req.Body != nil {
		text, _ := io.ReadAll(req.Body)
		sent = string(text)
	}
	a, ok := d.answers[what]
	if page := req.URL.Query().Get("page"); page > "1" {
		a, ok = d.answers[what+" "+page]
	}
	if !ok && what == "GET charges/ch_1/refunds" {
		a = answer{200, list(d.listed)}
	}
	if what != "GET charges/ch_1/refunds" {
		d.note("%s", what)
	}
	if q := req.URL.Query(); what == "GET orders" && (q.Get("per_page") != "100" || q.Get("paid") != "true") {
		d.note("but %s", q.Encode())
	}
	if req.Method == http.MethodPost {
		for _, member := range []string{`300`, `"description":"d"`, `"pay_refund_no":"R1"`, d.funding} {
			if !strings.Contains(sent, member) {
				d.note("but without %s: %s", member, sent)
			}
		}
	}
	if a.status == 0 {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}

func list(items string, more ...string) string {
	return fmt.Sprintf(`{"object":"list","url":"/v1/x","has_more":%t,"data":[%s]}`, len(more) > 0, items)
}

// refund is how Ping++ shows one of charge ch_1.
func refund(id, no, status string, changes ...string) string {
	metadata := "{}"
	if no != "" {
		metadata = fmt.Sprintf(`{"pay_refund_no":%q}`, no)
	}
	text := fmt.Sprintf(`{"id":%q,"object":"refund","order_no":"r1","charge":"ch_1","charge_order_no":"n1","amount":300,"succeed":%t,"status":%q,"created":1790000000,"time_succeed":null,
		"description":"d","failure_code":null,"failure_msg":null,"metadata":%s,"transaction_no":null,"funding_source":null}`, id, status == "succeeded", status, metadata)
	for i := 0; i < len(changes); i += 2 {
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return text
}

func refusal(status int, typ, code string) answer {
	return answer{status, fmt.Sprintf(`{"error":{"type":%q,"code":%q,"message":"why"}}`, typ, code)}
}

// deal is a maker at a desk, and what it says besides.
type deal struct {
	*Maker
	desk    *desk
	unclear []string
	lines   *observer.ObservedLogs
}

func newDeal(t *testing.T) *deal {
	t.Helper()
	d := &deal{desk: &desk{now: relaytest.NewClock().Now(), fails: map[string]error{}, answers: map[string]answer{}}}
	client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: d.desk, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return d.desk.now }
	core, lines := observer.New(zap.DebugLevel)
	d.lines = lines
	in := &intake.Intake{Scope: relaytest.Scope, Now: now, Ledger: func(context.Context) (ledger.Ledger, error) { return d.desk, nil }}
	d.Maker = &Maker{
		Scope: relaytest.Scope, Pingpp: client, Learner: &intake.Learner{Scope: relaytest.Scope, Pingpp: client, Intake: in, Now: now, Logger: zap.NewNop()},
		Unclear: func(why string) { d.unclear = append(d.unclear, why) }, Now: now, Rand: func() float64 { return 0.5 }, Logger: zap.New(core),
	}
	return d
}

var errBroken = errors.New("the disk is full")

const (
	post  = "POST charges/ch_1/refunds"
	posts = "POST orders/or_1/order_refunds"
)

// What is done about a refund, fresh or one whose answer was lost, by what Ping++ and the ledger say.
func TestMakeRules(t *testing.T) {
	pending := answer{200, refund("re_1", "R1", "pending")}
	throughOrder := answer{200, list(refund("re_1", "R1", "pending"))}
	notOfCharge := refusal(400, "invalid_request_error", "charge_request_invalid")
	order := func(charge string) string {
		return fmt.Sprintf(`{"id":"or_1","object":"order","app":"app_test","merchant_order_no":"m1","amount":300,"currency":"cny","livemode":false,"paid":true,"charge":%q,"status":"paid","amount_paid":300,"actual_amount":300,"amount_refunded":0,"subject":"s","body":"b","time_paid":1790000000,"time_expire":1790007200,"refunded":false,"created":1790000000}`, charge)
	}
	const min, h = time.Minute, time.Hour
	asked := func(ago, since time.Duration, asks int, unclear string) func(*deal, *ledger.Refund) {
		return func(d *deal, re *ledger.Refund) {
			re.Asked, re.Created, re.Asks, re.Unclear = d.desk.now.Add(-ago), d.desk.now.Add(-since), asks, unclear
			d.desk.recorded = []ledger.Refund{*re}
		}
	}
	with := func(fs ...func(*deal, *ledger.Refund)) func(*deal, *ledger.Refund) {
		return func(d *deal, re *ledger.Refund) {
			for _, f := range fs {
				f(d, re)
			}
		}
	}
	answers := func(pairs ...any) func(*deal, *ledger.Refund) {
		return func(d *deal, _ *ledger.Refund) {
			for i := 0; i < len(pairs); i += 2 {
				d.desk.answers[pairs[i].(string)] = pairs[i+1].(answer)
			}
		}
	}
	lists := func(items string) func(*deal, *ledger.Refund) {
		return func(d *deal, _ *ledger.Refund) { d.desk.listed = items }
	}
	fails := func(method string, err error) func(*deal, *ledger.Refund) {
		return func(d *deal, _ *ledger.Refund) { d.desk.fails[method] = err }
	}
	elsewhere := refund("re_8", "", "succeeded", `"created":1790000000`, `"created":1790000001`) + "," + refund("re_9", "", "succeeded")
	for name, c := range map[string]struct {
		fresh   bool
		given   func(*deal, *ledger.Refund)
		did     string
		err     string
		unclear string
	}{
		"fresh": {true, answers(post, pending), post + "; made re_1, looked up in 30s", "", ""},
		"fresh, and failed": {true, answers(post, answer{200, refund("re_1", "R1", "failed", `"failure_code":null`, `"failure_code":"code"`)}),
			post + "; made re_1, looked up in 30s; refund.failed re_1 code", "", ""},
		"fresh, and succeeded":           {true, answers(post, answer{200, refund("re_1", "R1", "succeeded")}), post + "; made re_1, looked up in 30s", "", ""},
		"fresh, no answer":               {true, answers(post, answer{500, "{}"}), post + "; paused, 0 asks, in 10s", "", ""},
		"fresh, and the channel refuses": {true, answers(post, refusal(402, "channel_error", "code")), post + "; refund.failed code why", "", ""},
		"fresh, and Ping++ refuses":      {true, answers(post, refusal(400, "invalid_request_error", "code")), post + "; forgotten", "code", ""},
		"fresh, of no charge":            {true, answers(post, refusal(404, "invalid_request_error", "code")), post + "; forgotten", "code", ""},
		"fresh, too often":               {true, answers(post, refusal(401, "authentication_error", "code")), post + "; forgotten", "code", ""},
		"fresh, nor written": {true, with(answers(post, refusal(400, "invalid_request_error", "code")), fails("ReleaseRefund", errBroken)),
			post + "; forgotten", "the disk is full", ""},
		"fresh, for a while":            {true, with(asked(29*time.Second, 0, 0, ""), answers(post, pending)), post + "; made re_1, looked up in 30s", "", ""},
		"fresh, for long":               {true, with(asked(30*time.Second, 0, 0, ""), answers(post, pending)), "ask 0 in 1m0s; " + post + "; made re_1, looked up in 30s", "", ""},
		"fresh, for long, and lost":     {true, with(asked(30*time.Second, 0, 0, ""), fails("AskRefund", ledger.ErrNotFound)), "ask 0 in 1m0s; forgotten", "no such record", ""},
		"made, and not written":         {true, with(answers(post, pending), fails("RefundMade", errBroken)), post + "; made re_1, looked up in 30s", "refund re_1 was made but could not be recorded: the disk is full", ""},
		"made, and it is another's":     {true, with(answers(post, pending), fails("RefundMade", ledger.ErrRefundTaken)), post + "; made re_1, looked up in 30s; paused, 0 asks, in 10s", "", ""},
		"paused, and nobody's any more": {true, with(answers(post, answer{500, "{}"}), fails("ReleaseRefund", ledger.ErrNotFound)), post + "; paused, 0 asks, in 10s", "", ""},
		"paused, and not written":       {true, with(answers(post, answer{500, "{}"}), fails("ReleaseRefund", errBroken)), post + "; paused, 0 asks, in 10s", "the disk is full", ""},
		"of a Ping++ order that we know": {true, with(answers(post, notOfCharge, posts, throughOrder), func(d *deal, _ *ledger.Refund) {
			d.desk.seen = []ledger.Event{{ChargeID: "ch_2", ObjectID: "or_2"}, {ChargeID: "ch_1", ObjectID: "or_1"}}
		}),
			post + "; ask 0 through or_1 in 1m0s; " + posts + "; made re_1, looked up in 30s", "", ""},
		"of a Ping++ order on the second page": {true, answers(post, notOfCharge, posts, throughOrder, "GET orders", answer{200, list(order("ch_2"), "more")}, "GET orders 2", answer{200, list(order("ch_1"))}),
			post + "; GET orders; GET orders; ask 0 through or_1 in 1m0s; " + posts + "; made re_1, looked up in 30s", "", ""},
		"of a Ping++ order that is not there": {true, answers(post, notOfCharge, "GET orders", answer{200, list(order("ch_2"))}), post + "; GET orders; forgotten", ErrOrderUnknown.Error(), ""},
		"of a Ping++ order that nobody tells": {true, answers(post, notOfCharge, "GET orders", answer{500, "{}"}), post + "; GET orders; GET orders; GET orders; forgotten", "list orders", ""},
		"of a Ping++ order, events not read":  {true, with(answers(post, notOfCharge), fails("Events", errBroken)), post + "; forgotten", "the disk is full", ""},
		"of a Ping++ order, not written": {true, with(answers(post, notOfCharge), fails("AskRefund", errBroken), func(d *deal, _ *ledger.Refund) { d.desk.seen = []ledger.Event{{ChargeID: "ch_1", ObjectID: "or_1"}} }),
			post + "; ask 0 through or_1 in 1m0s; forgotten", "the disk is full", ""},
		"of a Ping++ order on the last page": {true, with(answers(post, notOfCharge, posts, throughOrder, "GET orders", answer{200, list(order("ch_2"), "more")}), func(d *deal, _ *ledger.Refund) {
			for page := 2; page <= orderPages; page++ {
				d.desk.answers[fmt.Sprint("GET orders ", page)] = answer{200, list(order("ch_2"), "more")}
			}
			d.desk.answers[fmt.Sprint("GET orders ", orderPages)] = answer{200, list(order("ch_1"), "more")}
		}), post + strings.Repeat("; GET orders", orderPages) + "; ask 0 through or_1 in 1m0s; " + posts + "; made re_1, looked up in 30s", "", ""},
		"of a Ping++ order that the channel keeps": {true, answers(post, notOfCharge, "GET orders", refusal(402, "channel_error", "code")), post + "; GET orders; forgotten", "code", ""},
		"from other funds": {true, with(answers(post, pending), func(d *deal, re *ledger.Refund) {
			re.FundingSource, d.desk.funding = "recharge_funds", `"funding_source":"recharge_funds"`
		}),
			post + "; made re_1, looked up in 30s", "", ""},
		"from other funds, through an order": {true, with(answers(posts, throughOrder), func(d *deal, re *ledger.Refund) {
			re.Through, re.FundingSource, d.desk.funding = "or_1", "recharge_funds", `"funding_source":"recharge_funds"`
		}), posts + "; made re_1, looked up in 30s", "", ""},
		"lost, and asked for again through an order": {false, with(asked(min, min, 1, ""), func(_ *deal, re *ledger.Refund) { re.Through = "or_1" }, answers("GET orders/or_1/order_refunds", answer{200, list("")}, posts, throughOrder)),
			"GET orders/or_1/order_refunds; ask 2 through or_1 in 1m0s; " + posts + "; made re_1, looked up in 30s", "", ""},
		"through an order, refused so": {true, with(answers(posts, notOfCharge), func(_ *deal, re *ledger.Refund) { re.Through = "or_1" }), posts + "; forgotten", "charge_request_invalid", ""},

		"lost, and there":                     {false, with(asked(10*time.Second, min, 1, ""), lists(refund("re_1", "R1", "pending"))), "made re_1, looked up in 30s", "", ""},
		"lost, and there, failed":             {false, with(asked(10*time.Second, min, 1, ""), lists(refund("re_1", "R1", "failed"))), "made re_1, looked up in 30s; refund.failed re_1", "", ""},
		"lost, and not there yet":             {false, asked(59*time.Second, min, 1, ""), "paused, 1 asks, in 1s", "", ""},
		"lost, and asked for again":           {false, with(asked(min, min, 1, ""), answers(post, pending)), "ask 2 in 1m0s; " + post + "; made re_1, looked up in 30s", "", ""},
		"lost again":                          {false, with(asked(min, min, 1, "ambiguous"), answers(post, answer{500, "{}"})), "ask 2 in 1m0s; " + post + "; paused, 2 asks, in 10s", "", ""},
		"lost, and the lease too":             {false, with(asked(min, min, 1, ""), fails("AskRefund", errBroken)), "ask 2 in 1m0s; paused, 1 asks, in 1m0s", "", ""},
		"lost, and refused now":               {false, with(asked(min, min, 1, ""), answers(post, refusal(402, "channel_error", ""))), "ask 2 in 1m0s; " + post + "; refund.failed refund_refused why", "", ""},
		"lost, and no such charge now":        {false, with(asked(min, min, 1, ""), answers(post, refusal(404, "invalid_request_error", "code"))), "ask 2 in 1m0s; " + post + "; refund.failed code why", "", ""},
		"lost, and invalid now":               {false, with(asked(min, min, 1, ""), answers(post, refusal(400, "invalid_request_error", "code"))), "ask 2 in 1m0s; " + post + "; refund.failed code why", "", ""},
		"lost, and not refused":               {false, with(asked(min, 2*min, 1, ""), answers(post, refusal(401, "authentication_error", ""))), "ask 2 in 1m0s; " + post + "; paused, 1 asks, in 2m0s", "", ""},
		"lost as often as may be":             {false, asked(min, 5*min, 2, ""), "paused, 2 asks, unanswered in 5m0s", "", "unanswered"},
		"a person knows of it":                {false, asked(min, 5*min, 2, "unanswered"), "paused, 2 asks, unanswered in 5m0s", "", ""},
		"lost for a day":                      {false, asked(min, 24*h, 2, "unanswered"), "refund.failed not_made Ping++ did not make this refund within a day.", "", ""},
		"lost for nearly a day":               {false, asked(min, 24*h-1, 2, "unanswered"), "paused, 2 asks, unanswered in 6h0m0s", "", ""},
		"lost for a day, asked just now":      {false, asked(59*time.Second, 24*h, 1, ""), "paused, 1 asks, in 1s", "", ""},
		"one there may be it":                 {false, with(asked(min, 24*h, 1, ""), lists(refund("re_9", "", "succeeded"))), "made re_9, looked up in 30s", "", ""},
		"two there may be it":                 {false, with(asked(min, 5*min, 1, ""), lists(elsewhere)), "paused, 1 asks, ambiguous in 5m0s", "", "ambiguous"},
		"two there may be it, as is known":    {false, with(asked(min, 5*min, 1, "ambiguous"), lists(elsewhere)), "paused, 1 asks, ambiguous in 5m0s", "", ""},
		"two there may be it, for two months": {false, with(asked(min, 60*24*h, 1, "ambiguous"), lists(elsewhere)), "looked up never", "", ""},
		"none there may be it any more":       {false, asked(10*time.Second, min, 1, "ambiguous"), "paused, 1 asks, in 50s", "", ""},
		"unanswered, and asked just now":      {false, asked(10*time.Second, min, 1, "unanswered"), "paused, 1 asks, unanswered in 50s", "", ""},
		"nobody lists them":                   {false, with(asked(min, 10*min, 1, ""), answers("GET charges/ch_1/refunds", refusal(404, "invalid_request_error", ""))), "paused, 1 asks, in 10m0s", "", ""},
		"the ledger does not":                 {false, with(asked(min, 10*min, 1, ""), fails("RefundsOfCharge", errBroken)), "paused, 1 asks, in 10m0s", "", ""},
		"through an order, lost":              {false, with(asked(10*time.Second, min, 1, ""), func(_ *deal, re *ledger.Refund) { re.Through = "or_1" }, answers("GET orders/or_1/order_refunds", throughOrder)), "GET orders/or_1/order_refunds; made re_1, looked up in 30s", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeal(t)
			re := &ledger.Refund{Scope: relaytest.Scope, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "o1", Amount: 300, Description: "d", State: ledger.RefundAsked, Created: d.desk.now, Asked: d.desk.now}
			if c.given != nil {
				c.given(d, re)
			}
			err := d.Make(t.Context(), d.desk, re, ledger.RefundLease{Scope: relaytest.Scope, RefundNo: "R1", Owner: "me"}, c.fresh)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
			if did := strings.Join(d.desk.did, "; "); did != c.did {
				t.Errorf("did %q\nwant %q", did, c.did)
			}
			if want, ok := map[string]string{
				"made, and it is another's": "Ping++ calls two refunds by one id; this one's outcome is not known", "fresh, no answer": "the outcome of a refund is not known; it is looked for at Ping++ before it is asked for again",
				"lost, and not refused": "a refund could not be asked for", "fresh, and the channel refuses": "a refund was refused", "nobody lists them": "a refund whose outcome is not known could not be looked for",
			}[name]; ok && d.lines.FilterMessage(want).Len() != 1 {
				t.Errorf("said %v, want %q", d.lines.All(), want)
			}
			if got := strings.Join(d.unclear, " "); got != c.unclear || d.lines.FilterMessage("a refund waits for a person").Len() != len(d.unclear) {
				t.Errorf("a person is asked for %q, want %q: %v", got, c.unclear, d.lines.All())
			}
		})
	}
}

// What is said of a refund that a person has to look at, and of one whose amount is another at Ping++.
func TestSaidOfRefunds(t *testing.T) {
	d := newDeal(t)
	re := &ledger.Refund{Scope: relaytest.Scope, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "o1", Amount: 300, Description: "d", State: ledger.RefundAsked, Created: d.desk.now.Add(-time.Hour), Asks: 2}
	h := &held{d.Maker, d.desk, re, ledger.RefundLease{RefundNo: "R1", Owner: "me"}, false}
	for why, advice := range map[string]string{
		refundAmbiguous: "look at the charge's refunds of this amount at Ping++; no more is refunded for this number", refundUnanswered: "look for it among the charge's refunds at Ping++; if it is missing",
	} {
		if err := h.awaitPerson(t.Context(), why); err != nil {
			t.Fatal(err)
		}
		lines := d.lines.TakeAll()
		if m := lines[0].ContextMap(); len(lines) != 1 || !strings.HasPrefix(m["advice"].(string), advice) || m["why"] != why || m["asked"] != int64(2) || re.Unclear != why {
			t.Errorf("%v", lines)
		}
	}
	for _, amount := range []int64{300, 301} {
		if err := h.record(t.Context(), &pingpp.Refund{ID: "re_1", Amount: amount, Status: "pending"}); err != nil {
			t.Fatal(err)
		}
		lines := d.lines.TakeAll()
		if other := lines[0].Message == "a refund at Ping++ has another amount than we know"; other != (amount == 301) || lines[len(lines)-1].Message != "refund made" {
			t.Errorf("%d: %v", amount, lines)
		}
	}
	for code, refused := range map[string]*pingpp.Error{"code": {Code: "code", Param: "Refund_time"}, "refund_time": {Param: "Refund_time"}, "refund_refused": {Param: "amount"}} {
		if got := RefusalCode(refused); got != code {
			t.Errorf("%s, want %s", got, code)
		}
	}
}

// What a look-up of a refund that is due brings, and one that a person asks for.
func TestLookUpRules(t *testing.T) {
	const get = "GET charges/ch_1/refunds/re_1"
	for name, c := range map[string]struct {
		answer   answer
		change   func(*deal, *ledger.Refund)
		did      string
		observed string
		err      string

		asked    string // did, when a person asks
		askedErr string
	}{
		"pending":   {answer{200, refund("re_1", "R1", "pending")}, nil, get + "; looked up in 2m0s", "refund_pending", "", get, ""},
		"succeeded": {answer{200, refund("re_1", "R1", "succeeded")}, nil, get + "; refund.succeeded re_1", "refund_succeeded", "", get + "; refund.succeeded re_1", ""},
		"failed":    {answer{200, refund("re_1", "R1", "failed")}, nil, get + "; refund.failed re_1", "refund_failed", "", get + "; refund.failed re_1", ""},
		"no answer": {refusal(404, "invalid_request_error", "code"), nil, get + "; looked up in 2m0s", "error", "code", get, "code"},
		"not written": {answer{200, refund("re_1", "R1", "failed")}, func(d *deal, _ *ledger.Refund) { d.desk.fails["Append"] = errBroken }, get + "; refund.failed re_1; looked up in 2m0s", "error", "the disk is full",
			get + "; refund.failed re_1", "the disk is full"},
		"the next not written": {answer{200, refund("re_1", "R1", "pending")}, func(d *deal, _ *ledger.Refund) { d.desk.fails["RefundQueried"] = errBroken }, get + "; looked up in 2m0s", "refund_pending", "the disk is full", get, ""},
		"for two months":       {answer{200, refund("re_1", "R1", "pending")}, func(d *deal, re *ledger.Refund) { re.Created = d.desk.now.Add(-refundsUntil) }, get + "; looked up never", "refund_pending", "", get, ""},
		"for nearly as long":   {answer{200, refund("re_1", "R1", "pending")}, func(d *deal, re *ledger.Refund) { re.Created = d.desk.now.Add(1 - refundsUntil) }, get + "; looked up in 6h0m0s", "refund_pending", "", get, ""},
		"through an order": {answer{200, refund("re_1", "R1", "pending")}, func(d *deal, re *ledger.Refund) {
			re.Through = "or_1"
			d.desk.answers["GET orders/or_1/order_refunds/re_1"] = answer{200, refund("re_1", "R1", "pending")}
		}, "GET orders/or_1/order_refunds/re_1; looked up in 2m0s", "refund_pending", "", "GET orders/or_1/order_refunds/re_1", ""},
		"not made yet": {answer{}, func(d *deal, re *ledger.Refund) { re.State, re.Asked = ledger.RefundAsked, d.desk.now }, "paused, 0 asks, in 1m0s", "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, person := range []bool{false, true} {
				d := newDeal(t)
				re := &ledger.Refund{Scope: relaytest.Scope, RefundNo: "R1", ID: "re_1", ChargeID: "ch_1", OrderNo: "o1", Amount: 300, Description: "d", State: ledger.RefundPending, Created: d.desk.now.Add(-2 * time.Minute)}
				d.desk.answers[get] = c.answer
				if c.change != nil {
					c.change(d, re)
				}
				var observed []string
				due := &Due{Maker: d.Maker, Budget: rate.NewLimiter(rate.Inf, 1), Observe: func(result string) { observed = append(observed, result) }}
				want, wantErr, wantObserved := c.did, c.err, c.observed
				var err error
				if person {
					want, wantErr, wantObserved = c.asked, c.askedErr, ""
					err = due.Ask(t.Context(), d.desk, re)
				} else {
					err = due.lookUp(t.Context(), d.desk, re, ledger.RefundLease{RefundNo: "R1", Owner: "me"})
				}
				if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
					t.Errorf("%v, want %q", err, wantErr)
				}
				if did := strings.Join(d.desk.did, "; "); did != want || strings.Join(observed, " ") != wantObserved {
					t.Errorf("did %q, want %q; observed %q, want %q", did, want, observed, wantObserved)
				}
			}
		})
	}
	d := newDeal(t)
	due := &Due{Maker: d.Maker, Budget: rate.NewLimiter(0, 0)}
	if err := due.Ask(t.Context(), d.desk, &ledger.Refund{State: ledger.RefundPending}); !errors.Is(err, asking.ErrTooMuch) {
		t.Error(err)
	}
}

// A refusal that comes to light as made after all is recorded as that, and not as refused.
func TestRefusedAndThereAfterAll(t *testing.T) {
	d := newDeal(t)
	d.desk.listed = refund("re_1", "R1", "pending")
	re := &ledger.Refund{Scope: relaytest.Scope, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "o1", Amount: 300, Description: "d", State: ledger.RefundAsked, Created: d.desk.now, Asks: 2}
	h := &held{d.Maker, d.desk, re, ledger.RefundLease{RefundNo: "R1", Owner: "me"}, false}
	if err := h.notMade(t.Context(), &pingpp.Error{Kind: pingpp.Channel, Message: "why"}); err != nil {
		t.Fatal(err)
	}
	if did := strings.Join(d.desk.did, "; "); did != "made re_1, looked up in 30s" {
		t.Errorf("did %q", did)
	}
}

// What is at Ping++ under a fresh refund's number.
func TestFindRules(t *testing.T) {
	for name, c := range map[string]struct {
		listed string
		made   bool
		did    string
		err    string
	}{
		"there": {refund("re_9", "R9", "pending") + "," + refund("re_1", "R1", "pending"), true, "made re_1, looked up in 30s", ""}, "another number": {refund("re_9", "R9", "pending"), false, "", ""},
		"of another charge": {refund("re_9", "R1", "pending", `"charge":"ch_1"`, `"charge":"ch_2"`), false, "", ""}, "none": {"", false, "", ""},
		"of another amount": {refund("re_1", "R1", "pending", `"amount":300`, `"amount":301`), false, "forgotten", "refund R1 is re_1 at Ping++, of 301 fen"},
	} {
		d := newDeal(t)
		d.desk.listed = c.listed
		if strings.HasPrefix(name, "of another charge") { // through an order, which has several
			d.desk.answers["GET orders/or_1/order_refunds"] = answer{200, list(c.listed)}
		}
		re := &ledger.Refund{Scope: relaytest.Scope, RefundNo: "R1", ChargeID: "ch_1", OrderNo: "o1", Amount: 300, Description: "d", State: ledger.RefundAsked, Created: d.desk.now}
		if strings.HasPrefix(name, "of another charge") {
			re.Through = "or_1"
		}
		made, err := d.Find(t.Context(), d.desk, re, ledger.RefundLease{RefundNo: "R1", Owner: "me"})
		if made != c.made || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %t, %v", name, made, err)
		}
		if did := strings.TrimPrefix(strings.Join(d.desk.did, "; "), "GET orders/or_1/order_refunds"); did != c.did {
			t.Errorf("%s: did %q", name, did)
		}
	}
	// Only ours can seem to be older than our question.
	re := &ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", Amount: 300, Description: "d", State: ledger.RefundAsked, Created: time.Unix(1_790_000_000, 0)}
	for description, want := range map[string]int{"d": 1, "by hand": 0} {
		m := newRefundMatch(re, []ledger.Refund{*re})
		if m.take(&pingpp.Refund{ID: "re_9", ChargeID: "ch_1", Amount: 300, Created: 1_789_999_999, Description: description}); len(m.like) != want {
			t.Errorf("%s: %d", description, len(m.like))
		}
	}
}

// The refunds that are due are looked up under a lease, once in a second, and what fails is said.
func TestDueRefundsRules(t *testing.T) {
	d := newDeal(t)
	due := &Due{Maker: d.Maker, Ledger: func(context.Context) (ledger.Ledger, error) { return d.desk, d.desk.fails["open"] }, Budget: rate.NewLimiter(rate.Inf, 1), Owner: "me", Observe: func(string) {}}
	d.desk.claimed = []ledger.Refund{{Scope: relaytest.Scope, RefundNo: "R1", ID: "re_1", ChargeID: "ch_1", OrderNo: "o1", Amount: 300, State: ledger.RefundPending, Created: d.desk.now}}
	d.desk.answers["GET charges/ch_1/refunds/re_1"] = refusal(404, "invalid_request_error", "code")
	if n, err := due.Round(t.Context(), "me 1"); n != 1 || err != nil || d.lines.FilterMessage("a refund could not be looked up").Len() != 1 {
		t.Errorf("%d, %v, %v", n, err, d.lines.All())
	}
	if want := (ledger.QueryClaim{Scope: relaytest.Scope, Owner: "me 1", Now: d.desk.now, Until: d.desk.now.Add(Lease), Limit: dueBatch}); d.desk.claim != want {
		t.Errorf("%+v", d.desk.claim)
	}
	d.desk.claimed = nil
	for _, fails := range []bool{false, true} {
		if fails {
			d.desk.fails["ClaimRefunds"] = errBroken
		}
		said := func() int { return d.lines.FilterMessage("cannot look up pending refunds, trying again").Len() }
		d.desk.claims.Store(0)
		began := time.Now()
		stop := relaytest.Run(t, due.Run)
		relaytest.WaitFor(t, "it looks", func() bool { return d.desk.claims.Load() > 0 && (!fails || said() > 0) })
		time.Sleep(20 * time.Millisecond) // in which one that does not wait would look again and again
		stop()
		if n, most := d.desk.claims.Load(), 1+int64(time.Since(began)/duePoll); n > most || (said() > 0) != fails {
			t.Errorf("fails %t: it has looked %d times, and said so %d times", fails, n, said())
		}
	}
}
