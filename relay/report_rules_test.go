package relay

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// The one line of an attempt, and how it is counted.
func TestReportRules(t *testing.T) {
	received := newClock().Now()
	end, due := received.Add(3*time.Second), received.Add(time.Minute)
	for name, c := range map[string]struct {
		d      ledger.Delivery
		replay bool
		how    reach

		level, msg string
		why, next  bool // stand in the line
		asked      bool
		result     string
	}{
		"delivered":    {ledger.Delivery{State: ledger.Delivered, Status: 200}, false, succeeded, "info", "event delivered", false, false, false, "delivered 3s"},
		"replayed":     {ledger.Delivery{State: ledger.Delivered, Status: 200}, true, succeeded, "info", "event delivered", false, false, false, "delivered 0s"},
		"failed":       {ledger.Delivery{State: ledger.Pending, Status: 500, Due: due}, false, answered, "warn", "event not delivered, will try again", true, true, false, "failed 0s"},
		"unreachable":  {ledger.Delivery{State: ledger.Pending, Due: due}, false, unreachable, "warn", "event not delivered, will try again", true, true, false, "unreachable 0s"},
		"unsent":       {ledger.Delivery{State: ledger.Pending, Due: due}, true, unsent, "warn", "event not delivered, will try again", true, true, false, "unreachable 0s"},
		"uncounted":    {ledger.Delivery{State: ledger.Pending, Uncounted: true, Due: due}, false, unsent, "warn", "event not delivered, the backend is unreachable; this attempt does not count", true, true, false, "unreachable 0s"},
		"dead":         {ledger.Delivery{State: ledger.Dead, Status: 500}, false, answered, "error", "event not delivered, no attempts are left; replay it when the backend works again", true, false, false, "dead 0s"},
		"dead, unsent": {ledger.Delivery{State: ledger.Dead}, true, unsent, "error", "event not delivered, no attempts are left; replay it when the backend works again", true, false, false, "dead 0s"},
		"turned away":  {ledger.Delivery{State: ledger.Pending, Status: 404, Due: due}, false, answered, "error", "event not delivered, will try again", true, true, true, "failed 0s"},
		"no token":     {ledger.Delivery{State: ledger.Pending, Status: 401, Due: due}, false, answered, "error", "event not delivered, will try again", true, true, true, "failed 0s"},
		"forbidden":    {ledger.Delivery{State: ledger.Pending, Status: 403, Due: due}, false, answered, "error", "event not delivered, will try again", true, true, true, "failed 0s"},
	} {
		core, seen := observer.New(zap.DebugLevel)
		results := []string{}
		r := &report{"POST /events", func(result string, since time.Duration) { results = append(results, result+" "+since.String()) }, zap.New(core)}
		ev := newEvent("evt_1", received)
		ev.Replay = c.replay
		c.d.Attempt, c.d.Took, c.d.Snippet = 7, time.Second, "no openid abcdefghijklmnopqrst here"
		r.log(ev, c.d, "because")
		r.count(ev, c.d, c.how, end)
		if len(results) != 1 || results[0] != c.result || seen.Len() != 1 {
			t.Errorf("%s: %q, %d lines", name, results, seen.Len())
			continue
		}
		line := seen.All()[0]
		got := line.ContextMap()
		if line.Level.String() != c.level || line.Message != c.msg {
			t.Errorf("%s: %s %q", name, line.Level, line.Message)
		}
		for field, want := range map[string]any{
			"event": "evt_1", "order_no": "orderevt_1", "type": "charge.succeeded", "attempt": int64(7), "status": int64(c.d.Status), "took": time.Second,
			"why": map[bool]any{true: "because"}[c.why], "next": map[bool]any{true: due}[c.next],
			"asked": map[bool]any{true: "POST /events"}[c.asked], "answer": map[bool]any{true: "no openid abcdef… here"}[c.asked],
		} {
			if at, ok := want.(time.Time); ok {
				if v, ok := got[field].(time.Time); !ok || !v.Equal(at) {
					t.Errorf("%s: %s is %v", name, field, got[field])
				}
			} else if got[field] != want {
				t.Errorf("%s: %s is %v, want %v", name, field, got[field], want)
			}
		}
	}
}

// What a log line holds of an answer.
func TestRedacted(t *testing.T) {
	for snippet, want := range map[string]string{
		"abcdefghijklmno": "abcdefghijklmno", "abcdefghijklmnop": "abcdef…", "x abcdefghijklmnop-_Z9 y": "x abcdef… y",
		strings.Repeat("ab ", 99): strings.TrimSpace(strings.Repeat("ab ", 40)),
	} {
		if got := redacted(snippet); got != want {
			t.Errorf("%q: %q, want %q", snippet, got, want)
		}
	}
}

// What stands for what a configuration leaves out, and that what it says stays.
func TestConfigDefaults(t *testing.T) {
	var c Config
	c.defaults()
	c.Observe("", 0)
	c.Dead(nil, "")
	ctx, traceParent, end := c.Span(t.Context(), newEvent("evt_1", time.Now()), 1)
	end(0, "")
	if r := c.Rand(); ctx != t.Context() || traceParent != newEvent("evt_1", time.Now()).TraceParent || time.Since(c.Now()) > time.Minute || r < 0 || r >= 1 || math.IsNaN(r) || c.Logger == nil {
		t.Errorf("%v %q %+v", ctx, traceParent, c)
	}
	var told []string
	say := func(what string) { told = append(told, what) }
	c = Config{
		Observe: func(string, time.Duration) { say("observe") }, Dead: func(*ledger.Event, string) { say("dead") },
		Span: func(ctx context.Context, _ *ledger.Event, _ int) (context.Context, string, func(int, string)) {
			say("span")
			return ctx, "", nil
		},
		Now: func() time.Time { say("now"); return time.Time{} }, Rand: func() float64 { say("rand"); return 0 }, Logger: zap.NewExample(),
	}
	logger := c.Logger
	c.defaults()
	c.Observe("", 0)
	c.Dead(nil, "")
	c.Span(t.Context(), nil, 0)
	c.Now()
	c.Rand()
	if strings.Join(told, " ") != "observe dead span now rand" || c.Logger != logger {
		t.Errorf("%q", told)
	}
}

// What the path of the events route may be, and what becomes of it.
func TestTargetRules(t *testing.T) {
	for path, want := range map[string]string{
		"/events": "/events", "/index.php?s=/pay/events": "/index.php?s=/pay/events", "/a%2Fb": "/a%2Fb", "http://other/events": "/events", "/a#b": "/a%23b",
	} {
		if u, err := parseTarget(path); err != nil || u.String() != want {
			t.Errorf("%s: %s, %v", path, u, err)
		}
	}
	for _, path := range []string{"", "events", "/%zz"} {
		if u, err := parseTarget(path); err == nil {
			t.Errorf("%s: %s", path, u)
		}
	}
	for value, want := range map[string]string{"": "", "plain ~!": "plain ~!", "50%": "50%", "50%\x1f": "50%25%1F", "\x7f": "%7F", "a\u00e9": "a%C3%A9", "100% \u8ba2": "100%25 %E8%AE%A2"} {
		if got := headerValue(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	c := config(t, nil, nil)
	u, err := parseTarget("/events?a=b")
	if err != nil {
		t.Fatal(err)
	}
	c.Method = http.MethodPut
	ev := newEvent("evt_1", newClock().Now())
	ev.Reasons, ev.Late, ev.Replay = []string{"amount"}, "closed", true
	req, err := c.courier(u).request(t.Context(), ev, 3, newClock().Now())
	if err != nil || req.Method != http.MethodPut || req.URL.String() != "/events?a=b" || req.Host != "shop.example.com" {
		t.Fatal(req, err)
	}
	for name, want := range map[string]string{"Webhook-Timestamp": "1790000000", "X-Pay-Replay": "1", "X-Pay-Late": "closed", "X-Pay-Mismatch": "amount", "X-Pay-Attempt": "3",
		"Accept-Encoding": "identity"} {
		if got := req.Header[name]; len(got) != 1 || got[0] != want || cap(got) != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
}
