package shipping

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// searching is a ledger that notes what is looked for.
type searching struct {
	ledger.Ledger
	last ledger.ShippingSearch
}

func (l *searching) FindUnshipped(_ context.Context, f ledger.ShippingSearch) (int, string, error) {
	l.last = f
	return 0, "", nil
}

// What was paid since the first report is looked for from that on, however long ago it was, and what was paid before as far back as WeChat may wait.
func TestHowFarBack(t *testing.T) {
	s := newStage(t)
	l := &searching{Ledger: s.l}
	first := s.Clock.Now()
	r := s.reporter(l)
	look := func(what string, since time.Time) {
		t.Helper()
		r.findUnshipped(t.Context())
		if f := l.last; f.Scope != scope || !f.Since.Equal(since) || !f.Doubted.Equal(first) || !f.Now.Equal(s.Clock.Now()) {
			t.Errorf("%s: %+v", what, f)
		}
	}
	look("at first", first.Add(-ledger.ShippingSpan))
	s.Clock.Add(ledger.ShippingSpan - time.Hour)
	look("before the first one is too old", first.Add(-time.Hour))
	s.Clock.Add(25 * time.Hour)
	look("long after it", first)
}

// A payment of which WeChat says late that it wants a report is told of at once if the time to do so has been looked through, and else by that look alone.
func TestToldLate(t *testing.T) {
	s := newStage(t)
	kept := &sick{counting: counting{memory: s.storage}}
	cfg := s.config(s.l)
	cfg.Storage = kept
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	told := s.Clock.Now()
	for name, c := range map[string]struct {
		deadline time.Time
		want     []string
	}{
		"over":              {told.Add(-1), []string{"1 true"}},
		"just over":         {told, []string{"1 false"}}, // of that it is over the next look tells
		"soon over":         {told.Add(ledger.ShippingNotice - 1), []string{"1 false"}},
		"at the next look":  {told.Add(ledger.ShippingNotice), nil},
		"there is time yet": {told.Add(ledger.ShippingNotice + time.Hour), nil},
	} {
		for _, kept.failing = range []error{nil, errors.New("the storage is away")} { // now is what was remembered
			s.due = nil
			r.tellLate(t.Context(), &ledger.Shipment{OrderNo: "1", TimePaid: c.deadline.Add(-ledger.ShippingTerm)})
			s.want(name, s.due, c.want)
		}
	}
}

// Whoever follows what WeChat is asked hears of each question, and why it brought nothing; what it puts into the context reaches WeChat's client.
func TestSpans(t *testing.T) {
	s := newStage(t)
	type mark struct{}
	var spans []string
	cfg := s.config(s.l)
	cfg.Span = func(ctx context.Context, sh *ledger.Shipment) (context.Context, func(string)) {
		return context.WithValue(ctx, mark{}, true), func(why string) { spans = append(spans, sh.OrderNo+" "+why) }
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	marked := false
	s.paid("1", true)
	s.report("1", tea)
	s.line.once(upload, func(req *http.Request, to http.RoundTripper) (*http.Response, error) {
		marked = req.Context().Value(mark{}) != nil
		return answers(10060009)(req, to)
	})
	s.turn(r)
	if s.paid("2", true); len(spans) == 0 || !strings.HasPrefix(spans[0], "1 ") || !strings.Contains(spans[0], "10060009") || !marked {
		t.Errorf("%q, marked %t", spans, marked)
	}
	spans = nil
	s.report("2", tea)
	s.turn(r)
	s.want("it went well", spans, []string{"2 "})
}
