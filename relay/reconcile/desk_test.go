package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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
	mu    sync.Mutex // of what follows
	did   []string
	fails map[string]error // of the ledger, by method

	known   map[string]*ledger.Charge // by id
	created []*ledger.Charge
	claimed []ledger.Charge // what is due, or an order's attempts
	claim   ledger.QueryClaim
	overdue int
	host    string // of the last event

	pages   [][]string // of Ping++'s list of charges, for each time that is looked at; none: no answer
	listed  []string   // the questions for them
	since   string     // of the last one, and what was answered
	search  int
	page    int
	hangs   int               // the list that is not answered in time; 0: none
	listing func()            // is called at each list; may be nil
	answers map[string]string // to other questions; none: there is no such charge
	then    map[string]string // to the same questions from the second time on
}

func (d *desk) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did = append(d.did, fmt.Sprintf(format, args...))
}

func (d *desk) ClaimQueries(_ context.Context, c ledger.QueryClaim) ([]ledger.Charge, error) {
	d.claim = c
	return d.claimed, d.fails["ClaimQueries"]
}

func (d *desk) Attempts(_ context.Context, _ ledger.Scope, orderNo string) ([]ledger.Charge, error) {
	d.note("attempts of %s", orderNo)
	return d.claimed, d.fails["Attempts"]
}

func (d *desk) Overdue(context.Context, ledger.Scope, time.Time) (int, error) {
	return d.overdue, d.fails["Overdue"]
}

func (d *desk) RefundsOf(_ context.Context, _ ledger.Scope, orderNo string) ([]ledger.Refund, error) {
	d.note("refunds of %s", orderNo)
	return nil, d.fails["RefundsOf"]
}

func (d *desk) in(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return "in " + t.Sub(d.now).Round(time.Second).String()
}

func (d *desk) Created(_ context.Context, c *ledger.Charge) error {
	d.note("created %s", c.ID)
	d.created = append(d.created, c)
	return d.fails["Created"]
}

func (d *desk) Queried(_ context.Context, q ledger.Queried) error {
	what := q.ChargeID + q.Number
	if q.Scope != relaytest.Scope {
		what += " of another scope"
	}
	if q.Superseded {
		what += " superseded"
	}
	if q.Reversed {
		d.note("%s is reversed", what)
		if !q.At.Equal(d.now) {
			d.note("but at %s", q.At)
		}
	} else {
		d.note("%s %s", what, d.in(q.Next))
	}
	return d.fails["Queried"]
}

func (d *desk) Release(_ context.Context, r ledger.Release) error {
	d.note("released %s as %s", r.Number, r.As)
	return d.fails["Release"]
}

func (d *desk) Charge(_ context.Context, _ ledger.Scope, id string) (*ledger.Charge, error) {
	if err := d.fails["Charge"]; err != nil {
		return nil, err
	}
	if c := d.known[id]; c != nil {
		return c, nil
	}
	return nil, ledger.ErrNotFound
}

func (d *desk) Append(_ context.Context, e *ledger.Event) (ledger.Appended, error) {
	d.host = e.Host
	d.note("%s %s of %s%s", e.Type, e.ChargeID, e.OrderNo, map[bool]string{true: ", returned"}[e.Returned])
	return ledger.Recorded, d.fails["Append"]
}

func (d *desk) RoundTrip(req *http.Request) (*http.Response, error) {
	what := req.Method + " " + strings.TrimPrefix(req.URL.Path, "/v1/")
	status, body := http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"code","message":"none"}}`
	if what == "GET charges" {
		if since := req.URL.Query().Get("created[gte]"); since != d.since {
			d.since, d.search, d.page = since, d.search+1, 0
		}
		if d.listing != nil {
			d.listing()
		}
		if d.listed = append(d.listed, req.URL.Query().Encode()); len(d.listed) == d.hangs {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		if d.page++; d.search <= len(d.pages) && d.page <= len(d.pages[d.search-1]) {
			pages := d.pages[d.search-1]
			items, more := strings.CutPrefix(pages[d.page-1], "+") // there are more, as far as Ping++ knows
			status, body = http.StatusOK, fmt.Sprintf(`{"object":"list","url":"/v1/charges","has_more":%t,"data":[%s]}`, more || d.page < len(pages), items)
		}
	} else {
		d.note("%s", what)
		a, ok := d.answers[what]
		if again, more := d.then[what]; more {
			if slices.Index(d.did, what) != len(d.did)-1 {
				a = again
			}
		}
		if ok {
			if status, body = http.StatusOK, a; strings.HasPrefix(a, `{"error"`) {
				status = http.StatusPaymentRequired
			}
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

// charge is one as Ping++ shows it: of 100 fen, without a credential, created at this moment.
func (d *desk) charge(id, number, orderNo string, changes ...string) string {
	metadata := "{}"
	if orderNo != "" {
		metadata = fmt.Sprintf(`{"pay_order_no":%q}`, orderNo)
	}
	text := fmt.Sprintf(`{"id":%q,"object":"charge","app":"app_test","channel":"wx_lite","order_no":%q,"amount":100,"currency":"CNY","livemode":false,"paid":false,"refunded":false,"reversed":false,
		"created":%d,"time_paid":null,"time_expire":%d,"amount_refunded":0,"transaction_no":null,"metadata":%s,"extra":{"open_id":"oA"},"credential":{}}`,
		id, number, d.now.Unix(), d.now.Add(2*time.Hour).Unix(), metadata)
	for i := 0; i+1 < len(changes); i += 2 {
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return text
}

var (
	isPaid     = []string{`"paid":false`, `"paid":true`, `"time_paid":null`, `"time_paid":1790000000`}
	isReversed = []string{`"reversed":false`, `"reversed":true`}
	credential = []string{`"credential":{}`, `"credential":{"wx_lite":{"appId":"wx1"}}`}

	errBroken = errors.New("the disk is full")
)

// sitting is a reconciler at a desk, and what it says besides.
type sitting struct {
	*Reconciler
	desk     *desk
	observed []string
	lines    *observer.ObservedLogs
}

func newSitting(t *testing.T) *sitting {
	t.Helper()
	s := &sitting{desk: &desk{now: relaytest.NewClock().Now(), fails: map[string]error{}, answers: map[string]string{}, known: map[string]*ledger.Charge{}}}
	client, err := pingpp.New(pingpp.Config{App: "app_test", Key: redact.New("sk_test_" + strings.Repeat("k", 24)), Endpoint: "http://127.0.0.1", Transport: s.desk, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	core, lines := observer.New(zap.DebugLevel)
	now := func() time.Time { return s.desk.now }
	open := func(context.Context) (ledger.Ledger, error) { return s.desk, s.desk.fails["open"] }
	s.lines = lines
	s.Reconciler = New(Config{
		Scope: relaytest.Scope, Ledger: open, Pingpp: client, Intake: &intake.Intake{Scope: relaytest.Scope, Now: now, Ledger: open}, Owner: "me", Questions: asking.NewQuestions(),
		Observe: func(result string) {
			s.desk.mu.Lock()
			defer s.desk.mu.Unlock()
			s.observed = append(s.observed, result)
		}, Now: now, Rand: func() float64 { return 0.5 }, Logger: zap.New(core),
	})
	return s
}

func (s *sitting) want(t *testing.T, did, observed string) {
	t.Helper()
	if got := strings.Join(s.desk.did, "; "); got != did {
		t.Errorf("did %q\nwant %q", got, did)
	}
	if got := strings.Join(s.observed, " "); got != observed {
		t.Errorf("observed %q, want %q", got, observed)
	}
}

func wantErr(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
