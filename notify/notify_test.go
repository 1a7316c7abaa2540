package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/session"
)

// to sends a request to a server, whatever host it names.
type to struct{ base *url.URL }

func (t to) RoundTrip(r *http.Request) (*http.Response, error) {
	r.URL.Scheme, r.URL.Host = t.base.Scheme, t.base.Host
	return http.DefaultTransport.RoundTrip(r)
}

// A night: the backend begins to answer with a redirect to its login page, which is told once, in words; it is mended, which is told once.
func TestNight(t *testing.T) {
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	var ill atomic.Bool
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ill.Load() {
			http.Redirect(w, r, "/login?ticket=Mark0123456789", http.StatusFound)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(shop.Close)
	base, _ := url.Parse(shop.URL)
	scope := ledger.Scope{App: "app_test1", Mode: ledger.Test}
	prices := &payment.Prices{Orders: &payment.Orders{Method: http.MethodGet, Path: "/internal/pay/orders/{order_no}", Timeout: time.Minute}, Now: time.Now,
		Backend: &backend.Backend{RoundTripper: to{base}, Visitors: &session.Visitors{Scope: scope, Cookies: &session.Cookies{}}}}
	site := &check.Site{Name: "shop.test", Scope: scope, Now: time.Now,
		Shop: &check.Shop{Site: "shop.test", Host: "shop.test", Scope: scope, Now: time.Now, Ask: prices.Ask, Orders: "GET /internal/pay/orders/…"},
		Figures: func(context.Context) (check.Figures, error) {
			if ill.Load() {
				return check.Figures{Pending: 2, AtRisk: 2345, OldestPending: time.Now().Add(-6 * time.Minute),
					LastError: `your backend answered 302 to "/login" (a redirect is not a receipt)`}, nil
			}
			return check.Figures{}, nil
		}}
	wecom, feishu := newRobot(t, WeCom, time.Now), newRobot(t, Feishu, time.Now)
	feishu.target.Language = "zh"
	var looks atomic.Int64
	n := New(Config{Targets: []Target{wecom.target, feishu.target}, Store: &notes{}, Owner: "a", Now: time.Now, Every: 5 * time.Millisecond, Logger: zap.NewNop(),
		Look: func(ctx context.Context) []check.Finding {
			looks.Add(1)
			var watched []check.Check
			for _, c := range site.Checks() {
				if Watches(c.ID) {
					watched = append(watched, c)
				}
			}
			return check.Run(ctx, watched)
		}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	more := func() {
		from := looks.Load()
		eventually(t, "some looks", func() bool { return looks.Load() > from+5 })
	}
	more()
	ill.Store(true)
	eventually(t, "both are told", func() bool { return len(wecom.told()) > 0 && len(feishu.told()) > 0 })
	more()
	ill.Store(false)
	eventually(t, "both are told that it is over", func() bool { return len(wecom.told()) > 1 && len(feishu.told()) > 1 })
	more()
	cancel()
	<-done
	for _, c := range []struct {
		robot *robot
		want  [2]string
	}{{wecom, [2]string{"302", "over after"}}, {feishu, [2]string{"302", "已恢复"}}} {
		told := c.robot.told()
		if len(told) != 2 || !strings.Contains(told[0], c.want[0]) || !strings.Contains(told[1], c.want[1]) || !strings.Contains(told[0], "/login") ||
			!strings.Contains(told[0], "¥23.45") {
			t.Errorf("told %q", told)
		}
		if strings.Contains(strings.Join(told, ""), "Mark0123456789") {
			t.Errorf("told a secret of the backend's: %q", told)
		}
	}
}

// desk is a teller with a clock that stands still, whose target is a webhook.
type desk struct {
	*teller
	robot *robot
	notes *notes
	now   time.Time
	logs  *observer.ObservedLogs
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	d := &desk{now: time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC), notes: &notes{}, logs: logs}
	d.robot = newRobot(t, Webhook, func() time.Time { return d.now })
	d.teller = d.owned("a", zap.New(core))
	return d
}

func (d *desk) owned(owner string, log *zap.Logger) *teller {
	cfg := New(Config{Store: d.notes, Owner: owner, Now: func() time.Time { return d.now }, Logger: log}).cfg
	return &teller{Config: cfg, target: d.robot.target, log: log}
}

// looks has a teller take in the same findings so many times, half a minute apart.
func (d *desk) looks(t *testing.T, who *teller, times int, found ...check.Finding) {
	t.Helper()
	for range times {
		d.now = d.now.Add(Look)
		if _, err := who.turn(t.Context(), found); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *desk) state() *state { return readState(d.notes.docs[d.target.name()]) }

func finding(id string, r check.Result) check.Finding {
	return check.Finding{ID: id, Site: "shop.test", Result: r, Text: check.Words{EN: id + " is " + string(r), ZH: id}}
}

// What the last look says is told when two agree, once, and a doubt neither begins nor ends anything.
func TestIncidents(t *testing.T) {
	for name, c := range map[string]struct {
		looks []string // of findings, id=result
		told  []string // what each message has
	}{
		"one bad look":       {[]string{"sweep=fail", "sweep=ok", "sweep=fail", "sweep=ok"}, nil},
		"begins and ends":    {[]string{"events-held=fail", "events-held=fail", "events-held=fail", "events-held=ok", "events-held=ok", "events-held=ok"}, []string{"✗ shop.test: events-held", "✓ over after 2m"}},
		"ends, and does not": {[]string{"wal=fail", "wal=fail", "wal=ok", "wal=fail", "wal=ok", "wal=fail"}, []string{"✗ shop.test: wal"}},
		"a doubt":            {[]string{"certificate=fail", "certificate=fail", "certificate=unknown", "certificate=unknown", "certificate=unknown"}, []string{"✗ shop.test: cert"}},
		"only a doubt":       {[]string{"disk=unknown", "disk=unknown", "disk=unknown"}, nil},
		"a warning":          {[]string{"disk=warn", "disk=warn", "disk=fail"}, []string{"✗ shop.test: disk is warn"}},
		"shipping runs out":  {[]string{"shipping-due=warn", "shipping-due=warn", "shipping-due=fail", "shipping-due=ok", "shipping-due=ok"}, []string{"shop.test: shipping-due is warn", "✓ over after"}},
		"a shipping report failed, beside what runs out": {[]string{"shipping-due=warn", "shipping-due=warn", "shipping-due=warn shipping-failed=fail", "shipping-due=warn shipping-failed=fail", "shipping-due=warn shipping-failed=fail", "shipping-due=warn shipping-failed=ok", "shipping-due=warn shipping-failed=ok"},
			[]string{"✗ shop.test: shipping-due", "✗ shop.test: shipping-failed", "✓ over after 2m: shop.test: shipping-failed"}},
		"no warning":           {[]string{"mode=warn", "delivery-paused=warn", "delivery-paused=warn"}, nil},
		"of one kind":          {[]string{"backend-redirect=fail", "backend-redirect=fail", "backend-redirect=fail events-pending=fail", "backend-quote=ok events-pending=fail", "backend-quote=ok events-pending=ok", "backend-quote=ok events-pending=ok"}, []string{"✗ shop.test: backend-redirect", "✓ over after"}},
		"money first":          {[]string{"backend-redirect=fail events-pending=fail", "backend-redirect=fail events-pending=fail"}, []string{"✗ shop.test: events-pending is fail"}},
		"two at once":          {[]string{"events-dead=fail events-held=fail", "events-dead=fail events-held=fail"}, []string{"events-dead is fail\n\n✗ shop.test: events-held"}},
		"nobody looked for it": {[]string{"webhooks-refused=fail", "webhooks-refused=fail", "sweep=ok", "sweep=ok", "sweep=ok"}, []string{"✗ shop.test: webhooks-refused"}},
		"dead of an outage": {[]string{"backend-redirect=fail", "backend-redirect=fail", "backend-redirect=fail events-dead=fail", "backend-redirect=fail events-dead=fail",
			"backend-quote=ok events-dead=fail", "backend-quote=ok events-dead=fail", "backend-quote=ok events-dead=ok", "backend-quote=ok events-dead=ok"},
			[]string{"✗ shop.test: backend-redirect", "✗ shop.test: events-dead is fail"}},
		"dead, and replayed with the mending": {[]string{"events-dead=fail", "backend-redirect=fail events-dead=fail", "backend-redirect=fail events-dead=fail",
			"backend-quote=ok events-dead=ok", "backend-quote=ok events-dead=ok", "events-dead=fail", "events-dead=fail"},
			[]string{"backend-redirect is fail\n\n✗ shop.test: events-dead", "✓ over after 2m: shop.test: backend-redirect is fail", "✗ shop.test: events-dead"}},
		"dead before the outage": {[]string{"events-dead=fail", "events-dead=fail", "backend-redirect=fail events-dead=fail", "backend-redirect=fail events-dead=fail",
			"backend-quote=ok events-dead=fail", "backend-quote=ok events-dead=fail", "events-dead=ok", "events-dead=ok"},
			[]string{"✗ shop.test: events-dead", "✗ shop.test: backend-redirect", "✓ over after 2m: shop.test: backend-redirect", "✓ over after 4m: shop.test: events-dead"}},
		"payments that wait beside a wrong quote": {[]string{"backend-quote=fail", "backend-quote=fail", "backend-quote=fail events-pending=fail", "backend-quote=fail events-pending=fail",
			"backend-quote=fail events-pending=ok", "backend-quote=fail events-pending=ok"}, []string{"✗ shop.test: backend-quote", "✗ shop.test: events-pending", "✓ over after"}},
		"dead beside a wrong quote": {[]string{"backend-quote=fail", "backend-quote=fail", "backend-quote=fail events-dead=fail", "backend-quote=fail events-dead=fail",
			"backend-quote=fail events-dead=ok", "backend-quote=fail events-dead=ok"}, []string{"✗ shop.test: backend-quote", "✗ shop.test: events-dead", "✓ over after"}},
		"a second outage": {[]string{"backend-redirect=fail events-dead=fail", "backend-redirect=fail events-dead=fail", "backend-quote=ok events-dead=fail",
			"backend-quote=ok events-dead=fail", "backend-redirect=fail events-dead=fail", "backend-redirect=fail events-dead=fail"},
			[]string{"✗ shop.test: backend-redirect", "✓ over after 2m", "backend-redirect is fail\n\n✗ shop.test: events-dead"}},
		"dead beside a blip": {[]string{"backend-redirect=fail events-dead=fail", "backend-quote=ok events-dead=fail", "backend-quote=ok events-dead=fail"}, []string{"✗ shop.test: events-dead"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			for _, look := range c.looks {
				var found []check.Finding
				for _, f := range strings.Fields(look) {
					id, result, _ := strings.Cut(f, "=")
					found = append(found, finding(id, check.Result(result)))
				}
				d.looks(t, d.teller, 1, found...)
			}
			told := d.robot.told()
			if len(told) != len(c.told) {
				t.Fatalf("told %q, want %q", told, c.told)
			}
			for i := range told {
				if !strings.Contains(told[i], c.told[i]) {
					t.Errorf("told %q, want %q in it", told[i], c.told[i])
				}
			}
		})
	}
}

// After a reload or a restart nothing is told twice, of two processes one tells, and when that dies the other one goes on.
func TestToldOnce(t *testing.T) {
	d := newDesk(t)
	bad, well := finding("events-dead", check.Fail), finding("events-dead", check.OK)
	other, third := d.owned("b", zap.NewNop()), d.owned("c", zap.NewNop())
	d.looks(t, d.teller, 3, bad)
	d.looks(t, other, 2, bad) // within the lease: it has only to watch
	if n := len(d.robot.told()); n != 1 || d.state().Owner != "a" {
		t.Fatalf("told %d times, and %q tells", n, d.state().Owner)
	}
	d.teller.leave(t.Context())
	d.looks(t, other, 3, bad)
	if n := len(d.robot.told()); n != 1 || d.state().Owner != "b" {
		t.Fatalf("after a reload told %d times, and %q tells", n, d.state().Owner)
	}
	d.now = d.now.Add(lease) // b was killed
	d.looks(t, third, 3, bad)
	d.looks(t, third, 3, well)
	if told := d.robot.told(); len(told) != 2 || !strings.Contains(told[1], "over") {
		t.Fatalf("told %q", told)
	}
}

// A service that fails is asked again at growing gaps, with the same message, and what waits is kept within bounds.
func TestFailingService(t *testing.T) {
	d := newDesk(t)
	d.robot.breaks(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	d.looks(t, d.teller, 2, finding("events-dead", check.Fail))
	var waits []time.Duration
	for range 7 {
		d.now = d.state().Next
		wait, err := d.turn(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		waits = append(waits, wait)
	}
	if want := fmt.Sprint(append(gaps[1:], time.Hour, time.Hour)); fmt.Sprint(waits) != want {
		t.Errorf("gaps %v, want %v", waits, want)
	}
	calls := d.robot.calls
	if wait, err := d.turn(t.Context(), nil); wait != 0 || err != nil || d.robot.calls != calls {
		t.Errorf("asked before its time: %v %v", wait, err)
	}
	for range 3 * waitingMost {
		d.looks(t, d.teller, 2, finding("wal", check.Fail))
		d.looks(t, d.teller, 2, finding("wal", check.OK))
	}
	if n := len(d.state().Waiting); n > waitingMost || d.logs.FilterMessageSnippet("dropped").Len() == 0 {
		t.Errorf("%d messages wait", n)
	}
	first := d.state().Waiting[0].ID
	d.robot.breaks(nil)
	for len(d.state().Waiting) > 0 {
		d.now = d.state().Next
		if wait, err := d.turn(t.Context(), nil); err != nil || wait != pace {
			t.Fatal(wait, err)
		}
	}
	if told := d.robot.told(); len(told) != waitingMost || d.robot.ids[0] != first {
		t.Errorf("told %d, %s first", len(told), d.robot.ids[0])
	}
	for _, e := range d.logs.All() {
		if line := fmt.Sprint(e.Message, e.ContextMap()); strings.Contains(line, d.robot.URL) || strings.Contains(line, whsec) {
			t.Errorf("a log line has the URL: %s", line)
		}
	}
}

// What is older than a day is dropped; a damaged document is begun anew; a storage that fails is an error and sends nothing.
func TestStateFaults(t *testing.T) {
	d := newDesk(t)
	d.notes.docs = map[string][]byte{d.target.name(): []byte("{damaged")}
	d.robot.breaks(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	d.looks(t, d.teller, 2, finding("events-dead", check.Fail))
	d.robot.breaks(nil)
	d.now = d.now.Add(waitingLong + time.Minute)
	d.looks(t, d.teller, 1, finding("events-dead", check.Fail))
	if told := d.robot.told(); len(told) != 0 || len(d.state().Waiting) != 0 {
		t.Errorf("told %q", told)
	}
	d.notes.err = errors.New("the storage is away")
	if _, err := d.turn(t.Context(), []check.Finding{finding("wal", check.Fail)}); err == nil {
		t.Error("no error")
	}
}

// The day is summed up once, at its time or when somebody is there again, and not on the first day.
func TestSummaryOnceADay(t *testing.T) {
	d := newDesk(t) // noon in UTC+8
	d.teller.target.Summary = 9 * time.Hour
	asked := 0
	d.teller.Sum = func(context.Context) (check.Words, error) {
		asked++
		return check.Words{EN: "the day", ZH: "一天"}, nil
	}
	well := finding("wal", check.OK)
	d.looks(t, d.teller, 3, well)
	d.now = d.now.Add(20*time.Hour + 50*time.Minute)
	d.looks(t, d.teller, 3, well)
	if n := len(d.robot.told()); n != 0 {
		t.Fatalf("told %d before nine", n)
	}
	d.now = d.now.Add(time.Hour)
	d.looks(t, d.teller, 3, well)
	if told := d.robot.told(); len(told) != 1 || told[0] != "the day" || asked != 2 {
		t.Errorf("told %q, asked %d times", told, asked)
	}
	d.now = d.now.Add(25 * time.Hour) // nobody was there at nine
	again := d.owned("b", zap.NewNop())
	again.target.Summary, again.Sum = d.target.Summary, d.Sum
	d.looks(t, again, 3, well)
	if n := len(d.robot.told()); n != 2 {
		t.Errorf("told %d times after a second day", n)
	}
}

// A service that does not answer holds up neither the others nor the looks, and not the end for longer than one attempt.
func TestSlowService(t *testing.T) {
	slow, good := newRobot(t, DingTalk, time.Now), newRobot(t, WeCom, time.Now)
	hung := make(chan struct{}, 1)
	slow.breaks(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case hung <- struct{}{}:
		default:
		}
		<-r.Context().Done()
		return true
	})
	var looks atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	n := New(Config{Targets: []Target{slow.target, good.target}, Store: &notes{}, Owner: "a", Now: time.Now, Every: time.Millisecond, Logger: zap.NewNop(),
		Look: func(context.Context) []check.Finding {
			looks.Add(1)
			return []check.Finding{finding("events-held", check.Fail)}
		}})
	go func() { n.Run(ctx); close(done) }()
	<-hung
	from := looks.Load()
	eventually(t, "the other is told, and it is looked on", func() bool { return len(good.told()) == 1 && looks.Load() > from+20 })
	cancel()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if len(slow.told()) != 0 {
		t.Error("who did not answer counts as told")
	}
}

// While what was told cannot be kept since the ledger's database is away, which is what is wrong, this process tells all the same; once it is back, so is the
// end of it told, once.
func TestToldWithoutTheStore(t *testing.T) {
	d := newDesk(t)
	d.Alone = true
	bad, well := finding("ledger-write", check.Fail), finding("ledger-write", check.OK)
	d.looks(t, d.teller, 2, well)
	d.notes.err = errors.New("the database is away")
	d.looks(t, d.teller, 4, bad)
	if told := d.robot.told(); len(told) != 1 {
		t.Fatalf("while it is away: told %q", told)
	}
	d.notes.err = nil
	d.looks(t, d.teller, 4, well)
	if told := d.robot.told(); len(told) != 2 || !strings.Contains(told[1], "over") {
		t.Errorf("once it is back: told %q", told)
	}
	if len(d.state().Open) != 0 || d.teller.alone != nil {
		t.Errorf("left over: %+v", d.state().Open)
	}
}
