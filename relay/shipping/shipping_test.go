package shipping

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
)

// A report goes out at once, waits for WeChat to know the payment, and is told once; the daily round sees the money come.
func TestReport(t *testing.T) {
	s := newStage(t)
	s.Lever("POST", "/sandbox/wechat/program", `{"delay_ms":60000}`)
	relaytest.Run(t, s.reporter(s.l).Run)
	id := s.paid("1", true)
	s.report("1", tea)
	state := func(what string, state ledger.ShipmentState, attempts int) *ledger.Shipment {
		t.Helper()
		relaytest.WaitFor(t, what, func() bool {
			sh := s.shipment(id)
			return sh.State == state && sh.Attempts == attempts && sh.Posted == nil
		})
		return s.shipment(id)
	}
	sh := state("WeChat does not know the payment", ledger.ShipmentWaiting, 1)
	s.want("the problem", []any{sh.Stage, sh.Problem.Code, sh.Due.Sub(s.Clock.Now())}, []any{ledger.ReportOpen, "10060001", 10 * time.Second})
	s.Clock.Add(10 * time.Second)
	state("nor a while later", ledger.ShipmentWaiting, 2)
	s.Clock.Add(time.Minute)
	sh = state("now it does", ledger.ShipmentReported, 3)
	s.want("the report", []any{sh.Stage, sh.Uploads, sh.Problem.Code, s.uploads()}, []any{ledger.ReportDone, 1, "", 1})
	asked := s.calls(order)
	s.report("1", tea) // again
	s.Clock.Add(23 * time.Hour)
	s.want("the same again, and a day", []any{s.uploads(), s.calls(order) - asked}, []any{1, 0})
	for range 4 {
		s.Clock.Add(24*time.Hour + time.Minute)
		asked++
		relaytest.WaitFor(t, "WeChat is asked once more", func() bool {
			sh := s.shipment(id) // what was answered is recorded before time goes on
			return s.calls(order) == asked && sh.Due.After(s.Clock.Now()) || sh.State == ledger.ShipmentSettled
		})
	}
	state("the money has come", ledger.ShipmentSettled, s.shipment(id).Attempts)
	s.want("calls to see whether it is managed", s.calls(managed) <= 6, true)
	for _, hidden := range []string{payer, "access_token", s.Token()} {
		if strings.Contains(s.logs.String(), hidden) {
			t.Errorf("the log shows %s", hidden)
		}
	}
	if n := strings.Count(s.logs.String(), "shipping told to WeChat"); n != 1 {
		t.Errorf("%d lines say that the report is with WeChat", n)
	}
}

// Every error of WeChat that may pass is tried again, or asked about, and whatever it is, WeChat has the report once in the end.
func TestEveryError(t *testing.T) {
	const again, ask, pause, done = "again", "ask", "pause", "done"
	for errcode, what := range map[int]string{
		-1: again, -217: again, 10060012: again, 10060019: again, 268485216: again, 10060001: again,
		10060023: done, 10060002: ask, 10060003: ask, 10060004: ask, 40001: done, 42001: done, 40014: done, // with another token
		41001: pause, 40013: pause, 40125: pause, 40164: pause, 40243: pause, 41002: pause, 41004: pause, 48001: pause, 50004: pause, 50007: pause, 61003: pause, 61004: pause, 89503: pause,
		44990: pause, 45011: pause, 45009: pause,
	} {
		t.Run(fmt.Sprint(errcode), func(t *testing.T) {
			s := newStage(t)
			r := s.reporter(s.l)
			id, other := s.paid("1", true), s.paid("2", true)
			s.report("1", tea)
			s.line.once(upload, answers(errcode))
			s.turn(r)
			sh := s.shipment(id)
			if what == done {
				s.want("the report", []any{sh.State, sh.Stage}, []any{ledger.ShipmentReported, ledger.ReportDone})
				s.want("reports", s.uploads(), map[bool]int{false: 1}[errcode == 10060023]) // WeChat said that it had it, which here it had not
				return
			}
			s.want("the report", []any{sh.State, sh.Stage, sh.Problem.Code}, []any{ledger.ShipmentWaiting, ledger.ReportOpen, errcode})
			if sh.Problem.Text == "" || sh.Due.Before(s.Clock.Now().Add(10*time.Second)) {
				t.Errorf("the problem %+v, due in %s", sh.Problem, sh.Due.Sub(s.Clock.Now()))
			}
			s.want("what may have been posted", sh.Posted != nil, what == ask)
			if what == pause { // nothing else is told meanwhile
				s.report("2", tea)
				before := s.calls(upload)
				s.turn(r)
				s.want("a pause", []any{s.calls(upload) - before, s.shipment(other).Attempts}, []any{0, 0})
			}
			s.Clock.Add(25 * time.Hour)
			for range 3 { // asked, and told
				s.turn(r)
				s.Clock.Add(time.Minute)
			}
			sh = s.shipment(id)
			s.want("in the end", []any{sh.State, sh.Stage, sh.Uploads}, []any{ledger.ShipmentReported, ledger.ReportDone, 1})
			if n := s.uploads() - s.shipment(other).Uploads; n != 1 {
				t.Errorf("%d reports of it are with WeChat", n)
			}
		})
	}
}

// Every error that stays is final, and visible; nothing is told again.
func TestEveryFinalError(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	codes := []int{10060005, 10060006, 10060007, 10060008, 10060009, 10060011, 10060013, 10060014, 10060020, 10060024, 10060025, 10060026, 10060028, 10060029, 10060030, 10060031, 10060032,
		10060035, 268485194, 268485195, 268485196, 268485197, 268485224, 268485226, 268485227, 268485228, 268485253, 43002, 44002, 47001, 40066, 40097, 123456}
	for i, errcode := range codes {
		id := s.paid(fmt.Sprint(i), true)
		s.report(fmt.Sprint(i), tea)
		s.line.once(upload, answers(errcode))
		s.turn(r)
		sh := s.shipment(id)
		s.want("the report", []any{sh.State, sh.Stage, sh.Problem.Code}, []any{ledger.ShipmentFailed, ledger.ReportFailed, errcode})
		if sh.Problem.Text == "" {
			t.Errorf("%d is not said", errcode)
		}
	}
	s.Clock.Add(12 * time.Hour)
	s.turn(r)
	s.want("it is left at that", []any{s.uploads(), s.calls(upload)}, []any{0, 0})
	if n := strings.Count(s.logs.String(), `"level":"error"`); n != len(codes) {
		t.Errorf("%d lines say that a person has to look", n)
	}
}

// Of errors of get_order, after a report whose answer was lost, none has it posted a second time.
func TestEveryErrorOfAsking(t *testing.T) {
	for errcode, open := range map[int]bool{-1: true, 10060012: true, 10060028: true, 40164: true, 45009: true, 45011: true, 10060002: true, 47001: false, 10060014: false} {
		t.Run(fmt.Sprint(errcode), func(t *testing.T) {
			s := newStage(t)
			r := s.reporter(s.l)
			id := s.paid("1", true)
			s.report("1", tea)
			s.line.once(upload, lost)
			s.want("the answer is lost", s.turn(r), []ledger.ShippingResult{ledger.ShippingUnknown})
			s.Clock.Add(time.Minute)
			s.line.once("get_order", answers(errcode))
			s.turn(r)
			sh := s.shipment(id)
			s.want("nobody knows", []any{sh.Posted != nil, sh.Stage == ledger.ReportOpen, s.uploads(), s.calls(upload)}, []any{true, open, 1, 1})
			s.Clock.Add(25 * time.Hour)
			s.turn(r)
			s.want("posts", []any{s.uploads(), s.calls(upload)}, []any{1, 1})
			if open {
				s.want("in the end", s.shipment(id).State, ledger.ShipmentReported)
			}
		})
	}
}

// After a lost answer get_order decides: what WeChat has is not told again, what it has not is.
func TestLostAnswer(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	came, not := s.paid("1", true), s.paid("2", true)
	s.report("1", tea)
	s.line.once(upload, lost)
	s.turn(r)
	s.report("2", tea)
	s.line.once(upload, broken)
	s.turn(r)
	for _, id := range []string{came, not} {
		s.want("nobody knows of "+id, []any{s.shipment(id).Last, s.shipment(id).Posted != nil}, []any{ledger.ShippingUnknown, true})
	}
	for range 3 {
		s.Clock.Add(time.Minute)
		s.turn(r)
	}
	for _, id := range []string{came, not} {
		s.want(id, []any{s.shipment(id).State, s.shipment(id).Uploads}, []any{ledger.ShipmentReported, 1})
	}
	s.want("reports at WeChat", []any{s.uploads(), s.calls(upload)}, []any{2, 2})
}

// There is one correction, and no second.
func TestCorrection(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	id := s.paid("1", true)
	express := ledger.Shipping{Type: ledger.ShipExpress, Items: "茶", Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: "YT1"}, {Company: "ZTO", TrackingNo: "ZT1", Items: "杯"}}, Complete: true}
	for i, n := range []ledger.Shipping{express, tea} {
		s.report("1", n)
		s.Clock.Add(time.Minute)
		s.turn(r)
		s.want("a report", []any{s.shipment(id).State, s.shipment(id).Uploads, s.uploads()}, []any{ledger.ShipmentReported, i + 1, i + 1})
	}
	_, _, err := s.l.ReportShipping(t.Context(), ledger.ShippingReport{Scope: scope, OrderNo: "1", Shipping: express, Now: s.Clock.Now()})
	if err == nil || s.uploads() != 2 {
		t.Error("a third report", err, s.uploads())
	}
}

// Parts go out one after the other, the last of them too as a part: another mode would be the correction.
func TestParts(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	id := s.paid("1", true)
	for i, last := range []bool{false, false, true} {
		s.report("1", ledger.Shipping{Type: ledger.ShipExpress, Items: "茶", Parcels: []ledger.Parcel{{Company: "YTO", TrackingNo: fmt.Sprint("YT", i)}}, Complete: last})
		s.Clock.Add(time.Minute)
		s.turn(r)
		s.want("a part", []any{s.shipment(id).State, s.shipment(id).Uploads, s.uploads()},
			[]any{map[bool]ledger.ShipmentState{false: ledger.ShipmentWaiting, true: ledger.ShipmentReported}[last], map[bool]int{true: 1}[last], i + 1})
	}
	s.report("1", tea)
	s.Clock.Add(time.Minute)
	s.turn(r)
	s.want("the correction is left", []any{s.shipment(id).Uploads, s.uploads()}, []any{2, 4})
}

// Of a program that WeChat does not manage it is asked once a day whether it does, and nothing else.
func TestUnmanaged(t *testing.T) {
	s := newStage(t)
	s.Lever("POST", "/sandbox/wechat/program", `{"managed":false}`)
	r := s.reporter(s.l)
	var ids []string
	for i := range 5 {
		ids = append(ids, s.paid(fmt.Sprint(i), true))
		s.report(fmt.Sprint(i), tea)
		s.turn(r)
		s.Clock.Add(time.Hour)
	}
	quiet := s.paid("quiet", true) // nobody reports it
	s.Clock.Add(25 * time.Hour)
	s.turn(r)
	for _, id := range append(ids, quiet) {
		s.want(id, s.shipment(id).State, ledger.ShipmentUnmanaged)
	}
	s.want("calls", []int{s.calls(managed), s.calls(upload), s.calls(order)}, []int{2, 0, 0})

	s.Lever("POST", "/sandbox/wechat/program", `{"managed":true}`)
	s.Clock.Add(25 * time.Hour)
	id := s.paid("managed", true)
	s.report("managed", tea)
	s.turn(r)
	s.want("since it is managed", s.shipment(id).State, ledger.ShipmentReported)
}

// Payments that nobody reported are found, those from before shipping was reported too, and asked about; what WeChat does not know ends in silence.
func TestFoundUnshipped(t *testing.T) {
	s := newStage(t)
	before := s.paid("before", false)
	s.Clock.Add(time.Hour)
	r := s.reporter(s.l)
	r.findUnshipped(t.Context())
	s.Clock.Add(time.Minute)
	frozen := s.paid("frozen", false)
	s.record("unknown", "ch_unknown", "4200000000202608160000000001", false)
	s.Clock.Add(2 * time.Hour)
	r = s.reporter(s.l) // of the next configuration
	r.findUnshipped(t.Context())
	s.turn(r)
	s.want("before", s.shipment(before).State, ledger.ShipmentWaiting)
	s.want("frozen", s.shipment(frozen).State, ledger.ShipmentWaiting)
	s.want("unknown", s.shipment("ch_unknown").State, ledger.ShipmentUnmanaged)
	all, err := s.l.ListShipments(t.Context(), ledger.ShipmentFilter{Scope: scope})
	if err != nil || len(all.Rows) != 3 || s.calls(order) != 3 {
		t.Error(len(all.Rows), "shipments", s.calls(order), "questions", err)
	}
	if log := s.logs.String(); strings.Contains(log, `"level":"error"`) || strings.Contains(log, `"level":"warn"`) {
		t.Errorf("it is no silence:\n%s", log)
	}
}

// What WeChat never comes to know ends in silence too when it is reported, but not while WeChat knows no payment at all.
func TestNeverKnown(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	s.record("1", "ch_1", "4200000000202608160000000001", true)
	s.report("1", tea)
	for range 6 {
		s.turn(r)
		s.Clock.Add(time.Hour)
	}
	s.want("after its tries", []any{s.shipment("ch_1").State, s.shipment("ch_1").Problem.Code, s.calls(upload), s.calls(order)}, []any{ledger.ShipmentFailed, notFound, 1, 4})
	s.Clock.Add(24 * time.Hour)
	s.turn(r)
	s.want("a day later", []any{s.shipment("ch_1").State, s.calls(order)}, []any{ledger.ShipmentFailed, 5})
	other := s.paid("2", true)
	s.report("2", tea)
	s.turn(r)
	s.want("another", s.shipment(other).State, ledger.ShipmentReported)
	s.Clock.Add(24 * time.Hour)
	s.turn(r)
	s.want("since WeChat has known that", s.shipment("ch_1").State, ledger.ShipmentUnmanaged)
	if strings.Contains(s.logs.String(), `"level":"error"`) {
		t.Errorf("an alarm:\n%s", s.logs.String())
	}
}

// What runs out of its time is told of once before and once when it has, whichever of two processes sees it.
func TestDue(t *testing.T) {
	s := newStage(t)
	a, b := s.reporter(s.l), s.reporter(s.l)
	s.paid("1", true)
	reported := s.paid("2", true)
	s.report("2", tea)
	s.turn(a)
	s.want("the other", s.shipment(reported).State, ledger.ShipmentReported)
	for range 60 {
		a.tellDue(t.Context())
		b.tellDue(t.Context())
		s.Clock.Add(time.Hour)
	}
	s.want("told", s.due, []string{"1 false", "1 true"})
}

// A payment in a mini program that no site has, and one without WeChat's number, are visible and cost no call.
func TestNobodyToAsk(t *testing.T) {
	s := newStage(t)
	cfg := s.config(s.l)
	cfg.Programs["wxffffffffffffffff"] = cfg.Programs[s.WxLite().AppID]
	delete(cfg.Programs, s.WxLite().AppID)
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	id := s.paid("1", true)
	s.report("1", tea)
	s.turn(r)
	s.want("elsewhere", []any{s.shipment(id).Stage, s.shipment(id).Problem.Code}, []any{ledger.ReportOpen, problemProgram})

	s.record("2", "ch_2", "", true)
	s.report("2", tea)
	r = s.reporter(s.l)
	for range 6 {
		s.turn(r)
		s.Clock.Add(time.Hour)
	}
	s.want("without a number", []any{s.shipment("ch_2").Stage, s.shipment("ch_2").Problem.Code}, []any{ledger.ReportFailed, problemTransaction})
	s.want("it is told once the program is there", []any{s.shipment(id).State, s.uploads()}, []any{ledger.ShipmentReported, 1})
}

func TestNewRefuses(t *testing.T) {
	s := newStage(t)
	for _, change := range []func(*Config){
		func(c *Config) { c.Scope.Mode = ledger.Test }, func(c *Config) { c.Scope.App = "" }, func(c *Config) { c.Ledger = nil },
		func(c *Config) { c.Programs = nil }, func(c *Config) { c.Storage = nil }, func(c *Config) { c.Owner = "" },
	} {
		cfg := s.config(s.l)
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// The quota of a day stops everything until the next one, which is Beijing's.
func TestQuotaOfTheDay(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	var ids []string
	for i := range 3 {
		ids = append(ids, s.paid(fmt.Sprint(i), true))
		s.report(fmt.Sprint(i), tea)
	}
	s.line.once(upload, answers(45009))
	s.turn(r)
	s.want("the first of three", []any{s.shipment(ids[0]).Attempts, s.shipment(ids[1]).Attempts, s.shipment(ids[2]).Attempts}, []any{1, 0, 0})
	for range 8 { // until midnight in Beijing, which is 16:00 UTC
		s.turn(r)
		s.want("told", s.uploads(), 0)
		s.Clock.Add(time.Hour)
	}
	s.Clock.Add(5 * time.Minute)
	s.turn(r)
	s.want("told the day after", s.uploads(), 3)
}

// What only the merchant can mend is tried seldom, for all payments by one, and costs none of them its report.
func TestConfigurationFault(t *testing.T) {
	s := newStage(t)
	r := s.reporter(s.l)
	var ids []string
	for i := range 10 {
		ids = append(ids, s.paid(fmt.Sprint(i), true))
		s.report(fmt.Sprint(i), tea)
	}
	calls := 0
	for range 24 * 12 { // a day
		s.line.once(upload, func(r *http.Request, to http.RoundTripper) (*http.Response, error) {
			calls++
			return answers(40164)(r, to)
		})
		s.turn(r)
		s.Clock.Add(5 * time.Minute)
	}
	if calls < 20 || calls > 30 {
		t.Errorf("%d calls in a day", calls)
	}
	for _, id := range ids {
		s.want("a report", s.shipment(id).Stage, ledger.ReportOpen)
	}
	if sh := s.shipment(ids[0]); sh.Problem.Code != "40164" || !strings.Contains(sh.Problem.Text, "IP") {
		t.Errorf("%+v", sh.Problem)
	}
	if !strings.Contains(s.logs.String(), "WeChat is not asked about shipping for a while") {
		t.Error("nothing is said")
	}
	s.line.once(upload, nil)
	s.Clock.Add(2 * time.Hour)
	s.turn(r)
	s.want("once it is mended", s.uploads(), 10)
}

// While WeChat does not say whether it manages the program, that one question is tried, not each payment.
func TestManagedUnknown(t *testing.T) {
	s := newStage(t)
	var ids []string
	for i := range 8 {
		ids = append(ids, s.paid(fmt.Sprint(i), true))
		s.report(fmt.Sprint(i), tea)
	}
	calls := 0
	s.line.always(managed, func(r *http.Request, to http.RoundTripper) (*http.Response, error) {
		calls++ // one at a time: the program's lock
		return answers(48001)(r, to)
	})
	relaytest.Run(t, s.reporter(s.l).Run)
	relaytest.WaitFor(t, "it is visible", func() bool { return s.shipment(ids[0]).Problem.Code == "48001" })
	s.line.always(managed, nil)
	relaytest.WaitFor(t, "all are told once WeChat says it", func() bool { s.Clock.Add(time.Minute); return s.uploads() == len(ids) })
	if calls > 2 {
		t.Errorf("%d questions", calls)
	}
	s.want("posts", s.calls(upload), len(ids))
}

// What is under way when a reporter is told to stop comes to its end, is recorded, and is not begun by the next.
func TestStopFinishes(t *testing.T) {
	s := newStage(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	id := s.paid("1", true)
	s.line.once(upload, func(r *http.Request, to http.RoundTripper) (*http.Response, error) {
		close(began)
		<-goOn
		return to.RoundTrip(r)
	})
	s.report("1", tea)
	stop := relaytest.Run(t, s.reporter(s.l).Run)
	<-began
	relaytest.Run(t, s.reporter(s.l).Run) // the next configuration's
	go close(goOn)
	stop()
	s.want("the report", []any{s.shipment(id).State, s.calls(upload)}, []any{ledger.ShipmentReported, 1})
}

// A report to whose process the disk was too slow does not reach WeChat when its lease may be over by then.
func TestSlowDisk(t *testing.T) {
	s := newStage(t)
	cfg := s.config(slowLedger{s.l, s})
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	id := s.paid("1", true)
	s.report("1", tea)
	s.want("the result", s.turn(r), []ledger.ShippingResult{ledger.ShippingTransient})
	s.want("calls", s.calls(upload), 0)
	s.Clock.Add(time.Hour)
	s.turn(s.reporter(s.l))
	s.want("later", []any{s.shipment(id).State, s.uploads()}, []any{ledger.ShipmentReported, 1})
}

// slowLedger takes half a minute to record that something is posted.
type slowLedger struct {
	ledger.Ledger
	s *stage
}

func (l slowLedger) PostShipping(ctx context.Context, lease ledger.ShipmentLease, now, until time.Time) (*ledger.Shipment, error) {
	sh, err := l.Ledger.PostShipping(ctx, lease, now, until)
	l.s.Clock.Add(30 * time.Second)
	return sh, err
}
