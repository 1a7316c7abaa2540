package shipping

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

// clerk is a ledger that makes of an answer what it is told to.
type clerk struct {
	ledger.Ledger
	after   *ledger.Shipment
	err     error
	answers []ledger.ShippingAnswer
	posted  error
	looked  int // for what was acknowledged
}

func (c *clerk) PostShipping(context.Context, ledger.ShipmentLease, time.Time, time.Time) (*ledger.Shipment, error) {
	return nil, c.posted
}

func (c *clerk) ShippingAnswered(_ context.Context, _ ledger.ShipmentLease, a ledger.ShippingAnswer) (*ledger.Shipment, error) {
	c.answers = append(c.answers, a)
	return c.after, c.err
}

func (c *clerk) Events(context.Context, ledger.Filter) ([]ledger.Event, error) {
	c.looked++
	return nil, nil
}

func (c *clerk) ClaimShipments(context.Context, ledger.ShipmentClaim) ([]ledger.Shipment, error) {
	return nil, c.err
}

// Who else hears of what WeChat answered: of a payment that turned out to wait whoever watches the time, of a correction that failed whoever mends it, and
// of one that WeChat knows what is reported by itself.
func TestWhoHears(t *testing.T) {
	s := newStage(t)
	known := *s.shipment(s.paid("1", true))
	old := s.Clock.Now().Add(-2 * ledger.ShippingTerm)
	const waiting, reported, unmanaged = ledger.ShipmentWaiting, ledger.ShipmentReported, ledger.ShipmentUnmanaged
	const none, open, failed, done = ledger.ReportNone, ledger.ReportOpen, ledger.ReportFailed, ledger.ReportDone
	for name, c := range map[string]struct {
		number              bool // WeChat's, of the payment: without one it is not asked
		state, then         ledger.ShipmentState
		stage, stageThen    ledger.ReportStage
		due, failed, looked int
	}{
		"it waits, as WeChat says now":    {true, unmanaged, waiting, none, none, 1, 0, 1},
		"it waits, as before":             {true, waiting, waiting, none, none, 0, 0, 1},
		"it does not wait":                {true, unmanaged, unmanaged, none, none, 0, 0, 0},
		"WeChat cannot be asked":          {false, waiting, waiting, none, none, 0, 0, 0},
		"a correction failed":             {true, reported, reported, open, failed, 0, 1, 0},
		"it has failed before":            {true, reported, reported, failed, failed, 0, 0, 0},
		"a correction came":               {true, reported, reported, open, done, 0, 0, 0},
		"the first report failed":         {true, waiting, ledger.ShipmentFailed, open, failed, 0, 0, 0}, // which the ledger is looked through for
		"it is frozen no more, of itself": {true, waiting, ledger.ShipmentSettled, none, none, 0, 0, 0},
	} {
		after := known
		after.State, after.Stage, after.TimePaid = c.then, c.stageThen, old
		l := &clerk{Ledger: s.l, after: &after}
		told := 0
		cfg := s.config(l)
		cfg.Auto, cfg.Failed = &Receipts{Type: ledger.ShipVirtual, Items: "tea"}, func(*ledger.Shipment) { told++ }
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		before := known
		before.State, before.Stage = c.state, c.stage
		if c.stage == open {
			before.Posted = &tea // it is asked for
		}
		if !c.number {
			before.TransactionNo = ""
		}
		s.due, s.results = nil, nil
		s.logs.Lines.Reset()
		r.step(t.Context(), &before)
		s.want(name, []any{len(s.due), told, l.looked, len(l.answers), len(s.results), s.logs.String() != ""}, []any{c.due, c.failed, c.looked, 1, 1, true})
	}
}

// What was not to be told, or is another's by now, nobody hears of.
func TestNobodyHears(t *testing.T) {
	s := newStage(t)
	id := s.paid("1", true)
	s.report("1", tea)
	for name, c := range map[string]struct {
		posted, answered error
		answers          int
	}{"another tells it": {ledger.ErrNotFound, nil, 0}, "it is over": {ledger.ErrState, nil, 0}, "the answer is another's": {nil, ledger.ErrNotFound, 1}} {
		before := *s.shipment(id)
		if c.posted == nil {
			before.Posted = before.Shipping // it is asked for
		}
		l := &clerk{Ledger: s.l, posted: c.posted, err: c.answered}
		s.due, s.results = nil, nil
		s.reporter(l).step(t.Context(), &before)
		s.want(name, []any{len(s.due), len(s.results), len(l.answers)}, []any{0, 0, c.answers})
	}
}

// A ledger that cannot be read is said, but for the end.
func TestClaimFails(t *testing.T) {
	s := newStage(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r := s.reporter(&clerk{Ledger: s.l, err: errors.New("disk I/O error")})
	for _, ctx := range []context.Context{ended, t.Context()} {
		said := ctx.Err() == nil
		if got := r.claim(ctx, false, 1); got != nil || strings.Contains(s.logs.String(), "cannot read what WeChat has to know") != said {
			t.Errorf("%+v, ended %t: %s", got, !said, s.logs.String())
		}
	}
}

// What WeChat cannot be asked about stays what it is, or is left alone where nobody knows that WeChat wants anything; it is said in both languages.
func TestNobodyToAskRules(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	const waiting, unmanaged, none, open = ledger.ShipmentWaiting, ledger.ShipmentUnmanaged, ledger.ReportNone, ledger.ReportOpen
	p := r.programs[s.WxLite().AppID]
	left := &program{asked: s.Clock.Now(), logger: p.logger, asking: semaphore.NewWeighted(1)}
	number := map[*program]string{left: "42"}
	for name, c := range map[string]struct {
		p     *program
		state ledger.ShipmentState
		stage ledger.ReportStage
		want  ledger.ShippingResult
		zh    string
	}{
		"no program":                        {nil, waiting, none, ledger.ShippingNotFound, "小程序 wx9 "},
		"no program, open":                  {nil, waiting, open, ledger.ShippingTransient, "小程序 wx9 "},
		"no program, doubted":               {nil, unmanaged, none, ledger.ShippingUnknown, "小程序 wx9 "},
		"no program, reported all the same": {nil, unmanaged, open, ledger.ShippingTransient, "小程序 wx9 "},
		"no number":                         {p, waiting, none, ledger.ShippingNotFound, "transaction_no"},
		"no number, open":                   {p, waiting, open, ledger.ShippingNotFound, "transaction_no"},
		"no number, doubted":                {p, unmanaged, none, ledger.ShippingUnknown, "transaction_no"},
		"no number, reported all the same":  {p, unmanaged, open, ledger.ShippingNotFound, "transaction_no"},
		"WeChat does not manage it":         {left, waiting, open, ledger.ShippingUnmanaged, "发货管理"},
	} {
		a, ok := r.answer(t.Context(), c.p, &ledger.Shipment{PayerAppID: "wx9", TransactionNo: number[c.p], State: c.state, Stage: c.stage}, ledger.ShipmentLease{}, s.Clock.Now())
		if !ok || a.Result != c.want || !strings.Contains(a.Problem.ZH, c.zh) || a.Problem.ZH == a.Problem.Text || a.Problem.Text == "" {
			t.Errorf("%s: %+v, %t", name, a, ok)
		}
	}
}

// Of an old payment WeChat is asked before the first part alone: by then it has what was reported here.
func TestAskedBeforeTheFirstPart(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	id := s.paid("1", true)
	s.Clock.Add(byHand - time.Second) // with the second that has passed
	asked := 0
	for i, no := range []string{"YT1", "YT2", "YT3"} {
		s.report("1", part(i == 2, no))
		s.turn(r)
		if i == 0 {
			asked = s.calls(order)
		}
		s.Clock.Add(time.Minute)
	}
	s.want("asked", []any{asked, s.calls(order)}, []any{1, 1})
	s.want("at WeChat", s.parcels(id), []string{"YT1", "YT2", "YT3"})
}

// WeChat has all that it takes where it says so: not where it did not say, where it waits, or where parts are there alone.
func TestIsThere(t *testing.T) {
	for _, c := range []struct {
		a    ledger.ShippingAnswer
		want bool
	}{
		{ledger.ShippingAnswer{Result: ledger.ShippingTold}, false},
		{ledger.ShippingAnswer{Result: ledger.ShippingTold, OrderState: int(wechat.OrderToShip), Finished: 1}, false},
		{ledger.ShippingAnswer{Result: ledger.ShippingTold, OrderState: int(wechat.OrderShipped)}, false},
		{ledger.ShippingAnswer{Result: ledger.ShippingTold, OrderState: int(wechat.OrderShipped), Finished: 1}, true},
		{ledger.ShippingAnswer{Result: ledger.ShippingTold, OrderState: int(wechat.OrderConfirmed)}, true},
		{ledger.ShippingAnswer{Result: ledger.ShippingUnknown, OrderState: int(wechat.OrderConfirmed)}, false},
	} {
		if got := isThere(&c.a); got != c.want {
			t.Errorf("%+v: %t", c.a, got)
		}
	}
}

// Why a report was not told is said in both languages.
func TestWhyItWasNotTold(t *testing.T) {
	s := newStage(t)
	id := s.paid("1", true)
	s.report("1", tea)
	for zh, c := range map[string]struct {
		posted ledger.Shipping
		takes  time.Duration
	}{"发货信息有误": {ledger.Shipping{Type: ledger.ShipVirtual}, 0}, "磁盘过慢": {tea, startTime + 1}} {
		sh := *s.shipment(id)
		sh.Posted = &c.posted
		r := s.reporter(&desk{Ledger: s.l, post: func() (*ledger.Shipment, error) { s.Clock.Add(c.takes); return &sh, nil }})
		a, ok := r.post(t.Context(), r.programs[s.WxLite().AppID], ledger.ShipmentLease{ChargeID: id}, ledger.ShippingAnswer{Step: ledger.ShippingPost})
		if !ok || !strings.Contains(a.Problem.ZH, zh) || a.Problem.Text == "" || a.Problem.Text == a.Problem.ZH {
			t.Errorf("%s: %+v, %t", zh, a, ok)
		}
	}
	s.want("told", s.calls(upload), 0)
}

// What was entered elsewhere is said so where nothing was posted, and a payment that WeChat does not know yet is no failure.
func TestMoreLinesOfSteps(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	const open, failed, done = ledger.ReportOpen, ledger.ReportFailed, ledger.ReportDone
	const here, asked, later = "WeChat has the shipping of a payment already, entered elsewhere", "WeChat was asked about frozen money", "shipping is not with WeChat yet, will try again"
	for name, c := range map[string]struct {
		before, after ledger.Shipment
		result        ledger.ShippingResult
		want          string
	}{
		"entered elsewhere":    {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: done}, ledger.ShippingTold, here},
		"posted, and there":    {ledger.Shipment{Stage: open, Posted: &tea}, ledger.Shipment{Stage: done}, ledger.ShippingTold, asked},
		"done before":          {ledger.Shipment{Stage: done}, ledger.Shipment{Stage: done}, ledger.ShippingTold, asked},
		"not done":             {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: open}, ledger.ShippingTold, later},
		"not known yet":        {ledger.Shipment{Stage: open}, ledger.Shipment{Stage: open}, ledger.ShippingNotFound, later},
		"refused since, found": {ledger.Shipment{Stage: failed}, ledger.Shipment{Stage: failed}, ledger.ShippingFinal, asked},
	} {
		s.logs.Lines.Reset()
		r.log(&c.before, &c.after, ledger.ShippingAnswer{Result: c.result})
		if line := s.logs.String(); !strings.Contains(line, `"msg":"`+c.want) || strings.Count(line, "\n") != 1 || strings.Contains(line, `"level":"info"`) != (c.want == here) || strings.Contains(line, `"next":`) != (c.want == later) {
			t.Errorf("%s: %s", name, line)
		}
	}
}

// That WeChat does not know a payment, and so keeps none of its money, is said in both languages.
func TestNotKnownIsSaid(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	p := r.programs[s.WxLite().AppID]
	p.known = true
	a := r.ask(t.Context(), p, &ledger.Shipment{TransactionNo: "4200000000202608160000000001", TimePaid: s.Clock.Now().Add(-2 * strange)}, ledger.ShippingAnswer{At: s.Clock.Now()})
	if a.Result != ledger.ShippingUnmanaged || !strings.Contains(a.Problem.ZH, "微信查不到这笔支付") || a.Problem.ZH == a.Problem.Text {
		t.Errorf("%+v", a)
	}
}
