package shipping

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// desk is a ledger that answers two calls as it is told to.
type desk struct {
	ledger.Ledger
	post     func() (*ledger.Shipment, error)
	answered []error // of one call after the other; then the shipment
	calls    int
}

func (d *desk) PostShipping(context.Context, ledger.ShipmentLease, time.Time, time.Time) (*ledger.Shipment, error) {
	return d.post()
}

func (d *desk) ShippingAnswered(context.Context, ledger.ShipmentLease, ledger.ShippingAnswer) (*ledger.Shipment, error) {
	if d.calls++; d.calls <= len(d.answered) {
		return nil, d.answered[d.calls-1]
	}
	return &ledger.Shipment{}, nil
}

// What is known without asking WeChat.
func TestAnswersWithoutWeChat(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	now := s.Clock.Now()
	p := r.programs[s.WxLite().AppID]
	unmanaged := &program{managed: false, asked: now, logger: p.logger}
	for name, c := range map[string]struct {
		p      *program
		s      ledger.Shipment
		result ledger.ShippingResult
		code   string
		text   string
	}{
		"no program":                    {nil, ledger.Shipment{PayerAppID: "wx9"}, ledger.ShippingNotFound, problemProgram, "the mini program wx9, which no site"},
		"no program, and it is open":    {nil, ledger.Shipment{PayerAppID: "wx9", Stage: ledger.ReportOpen}, ledger.ShippingTransient, problemProgram, "the mini program wx9, which no site"},
		"no number":                     {p, ledger.Shipment{}, ledger.ShippingNotFound, problemTransaction, "(transaction_no)"},
		"a program that is not managed": {unmanaged, ledger.Shipment{TransactionNo: "42"}, ledger.ShippingUnmanaged, problemUnmanaged, "WeChat does not manage the mini program"},
	} {
		a, ok := r.answer(t.Context(), c.p, &c.s, ledger.ShipmentLease{}, now)
		if !ok || a.Result != c.result || a.Problem.Code != c.code || !strings.Contains(a.Problem.Text, c.text) || !a.At.Equal(now) {
			t.Errorf("%s: %+v %t", name, a, ok)
		}
	}
}

// Nothing is told before it is on the disk that it may be, nor where that took so long that the lease may end first, nor what is no report.
func TestPostRules(t *testing.T) {
	s := newStage(t)
	id := s.paid("1", true)
	s.report("1", tea)
	whole := *s.shipment(id)
	for name, c := range map[string]struct {
		err    error
		change func(*ledger.Shipment)
		takes  time.Duration
		ok     bool
		result ledger.ShippingResult
		code   string
		text   string // of the problem, or of the log
	}{
		"it is another's":       {ledger.ErrNotFound, nil, 0, false, "", "", ""},
		"it is over":            {ledger.ErrState, nil, 0, false, "", "", ""},
		"the disk is full":      {errors.New("disk full"), nil, 0, false, "", "", "about to be told, so it is not"},
		"no report":             {nil, func(s *ledger.Shipment) { s.Shipping = &ledger.Shipping{Type: ledger.ShipVirtual} }, 0, true, ledger.ShippingFinal, ledger.ProblemInvalid, "items"},
		"the disk was too slow": {nil, nil, startTime + 1, true, ledger.ShippingTransient, problemUnanswered, "the disk was too slow"},
		"it was slow":           {nil, nil, startTime, true, ledger.ShippingAccepted, "", ""},
	} {
		s.logs.Lines.Reset()
		sh, now := whole, s.Clock.Now()
		r := s.reporter(&desk{Ledger: s.l, post: func() (*ledger.Shipment, error) { s.Clock.Add(c.takes); return &sh, c.err }})
		if c.change != nil {
			c.change(&sh)
		}
		before := s.calls(upload)
		a, ok := r.post(t.Context(), r.programs[s.WxLite().AppID], ledger.ShipmentLease{ChargeID: id}, ledger.ShippingAnswer{Step: ledger.ShippingPost})
		if ok != c.ok || a.Result != c.result || a.Problem.Code != c.code || !strings.Contains(a.Problem.Text+s.logs.String(), c.text) || c.text == "" && s.logs.String() != "" || ok && !a.At.Equal(now) ||
			s.calls(upload)-before != map[bool]int{true: 1}[c.result == ledger.ShippingAccepted] {
			t.Errorf("%s: %+v %t, told %d times, %s", name, a, ok, s.calls(upload)-before, s.logs.String())
		}
		if r.programs[s.WxLite().AppID].knows() != (c.result == ledger.ShippingAccepted) {
			t.Errorf("%s: what WeChat knows", name)
		}
	}
}

// What WeChat has of a payment decides what is told again; what it does not know is given up only where it knows others, and nobody reported it.
func TestAskRules(t *testing.T) {
	s := newStage(t)
	id := s.paid("1", true)
	s.report("1", tea)
	s.line.once(upload, lost)
	r := s.reporter(s.l)
	s.turn(r)
	p := r.programs[s.WxLite().AppID]
	posted := s.shipment(id)
	other := *posted
	other.Posted = &ledger.Shipping{Type: ledger.ShipVirtual, Items: "coffee", Complete: true}
	none := *posted
	none.Posted = nil
	for name, c := range map[string]struct {
		s   *ledger.Shipment
		has bool
	}{"what was posted": {posted, true}, "something else": {&other, false}, "nothing was": {&none, false}} {
		p.known = false
		if a := r.ask(t.Context(), p, c.s, ledger.ShippingAnswer{At: s.Clock.Now()}); a.Result != ledger.ShippingTold || a.Has != c.has || a.OrderState == 0 || !p.knows() {
			t.Errorf("%s: %+v", name, a)
		}
	}
	now := s.Clock.Now()
	for name, c := range map[string]struct {
		stage ledger.ReportStage
		code  string
		age   time.Duration
		knows bool
		want  ledger.ShippingResult
	}{
		"nobody reported it": {ledger.ReportNone, "", strange + 1, true, ledger.ShippingUnmanaged}, "an hour ago": {ledger.ReportNone, "", strange, true, ledger.ShippingNotFound},
		"WeChat knows nothing": {ledger.ReportNone, "", strange + 1, false, ledger.ShippingNotFound}, "reported, in vain": {ledger.ReportFailed, notFound, strange + 1, true, ledger.ShippingUnmanaged},
		"refused for something else": {ledger.ReportFailed, "10060005", strange + 1, true, ledger.ShippingNotFound}, "it is open": {ledger.ReportOpen, "", strange + 1, true, ledger.ShippingNotFound},
		"it is done": {ledger.ReportDone, notFound, strange + 1, true, ledger.ShippingNotFound},
	} {
		p.known = c.knows
		sh := ledger.Shipment{TransactionNo: "4200000000202608160000000001", Stage: c.stage, TimePaid: now.Add(-c.age)}
		sh.Problem.Code = c.code
		a := r.ask(t.Context(), p, &sh, ledger.ShippingAnswer{At: now})
		if a.Result != c.want || a.Problem.Text == "" || (a.Problem.Code == problemUnmanaged) != (c.want == ledger.ShippingUnmanaged) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	s.line.always("get_order", answers(-1))
	for i := range busyAfter {
		if p.paused(now) {
			t.Errorf("paused after %d", i)
		}
		sh := ledger.Shipment{TransactionNo: "42", TimePaid: now.Add(-2 * strange)}
		if a := r.ask(t.Context(), p, &sh, ledger.ShippingAnswer{At: now}); a.Result != ledger.ShippingTransient { // it was not asked in vain
			t.Errorf("%+v", a)
		}
	}
	if !p.paused(now) {
		t.Error("WeChat is busy, and asked on")
	}
}

// An answer is recorded as long as that may help.
func TestSettleRules(t *testing.T) {
	s := newStage(t)
	full := errors.New("disk full")
	for name, c := range map[string]struct {
		errs    []error
		stopped bool
		calls   int
		ok      bool
	}{
		"at once": {nil, false, 1, true}, "it is another's": {[]error{ledger.ErrNotFound}, false, 1, false}, "it is over": {[]error{ledger.ErrState}, false, 1, false},
		"after a while": {[]error{full, full, full, full}, false, 5, true}, "told to stop": {[]error{full, full, full, full}, true, 3, false}, "told to stop, in time": {[]error{full, full}, true, 3, true},
	} {
		d := &desk{Ledger: s.l, answered: c.errs}
		ctx, cancel := context.WithCancel(t.Context())
		if c.stopped {
			cancel()
		}
		if after := s.reporter(d).settle(ctx, ledger.ShipmentLease{}, ledger.ShippingAnswer{}); (after != nil) != c.ok || d.calls != c.calls {
			t.Errorf("%s: %+v after %d calls", name, after, d.calls)
		}
		cancel()
	}
}

// What a step came to is said as loud as somebody has to hear it.
func TestLinesOfSteps(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	const open, failed, done = ledger.ReportOpen, ledger.ReportFailed, ledger.ReportDone
	for name, c := range map[string]struct {
		before, after ledger.Shipment
		result        ledger.ShippingResult
		want          string
	}{
		"accepted":              {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: done}, ledger.ShippingAccepted, `"info" "shipping told to WeChat"`},
		"a part":                {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: open}, ledger.ShippingAccepted, `"info" "shipping told to WeChat"`},
		"not known":             {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: failed}, ledger.ShippingNotFound, `"warn" "WeChat does not know a payment whose shipping is reported; it is asked once more tomorrow"`},
		"refused":               {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: failed}, ledger.ShippingFinal, `"error" "WeChat does not take a report of shipping; a person has to look: caddy pay shipping show"`},
		"not managed":           {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: failed, State: ledger.ShipmentUnmanaged}, ledger.ShippingUnmanaged, `"info" "WeChat was asked about frozen money"`},
		"later":                 {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: open}, ledger.ShippingTransient, `"warn" "shipping is not with WeChat yet, will try again"`},
		"refused since long":    {ledger.Shipment{Stage: failed}, ledger.Shipment{Stage: failed}, ledger.ShippingNotFound, `"debug" "WeChat was asked about frozen money"`},
		"asked, nothing new":    {ledger.Shipment{Stage: done}, ledger.Shipment{Stage: done}, ledger.ShippingTold, `"debug" "WeChat was asked about frozen money"`},
		"asked, the money came": {ledger.Shipment{Stage: done}, ledger.Shipment{Stage: done, State: ledger.ShipmentSettled}, ledger.ShippingTold, `"info" "WeChat was asked about frozen money"`},
	} {
		for _, code := range []string{"", "10060005"} {
			s.logs.Lines.Reset()
			r.log(&c.before, &c.after, ledger.ShippingAnswer{Result: c.result, Problem: ledger.ShippingProblem{Code: code, Text: "why it is"}})
			line := s.logs.String()
			var level, msg string
			if _, rest, ok := strings.Cut(line, `"level":`); ok {
				level, _, _ = strings.Cut(rest, ",")
				_, rest, _ = strings.Cut(rest, `"msg":`)
				msg, _, _ = strings.Cut(rest, `","`)
			}
			if got := level + " " + strings.TrimSuffix(msg, `"`) + `"`; got != c.want || strings.Contains(line, "why it is") != (code != "") {
				t.Errorf("%s: %s, want %s\n%s", name, got, c.want, line)
			}
		}
	}
	if got := fmt.Sprint(strings.Count(s.logs.String(), "\n")); got != "1" {
		t.Error(got)
	}
}
