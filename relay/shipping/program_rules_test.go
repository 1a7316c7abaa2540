package shipping

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/relaytest"
	"github.com/caddypay/caddypay/wechat"
)

// How long a program is left alone, by what WeChat answered one after the other.
func TestPausesOfAProgram(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	const fault, token, busy, lost, minute, one = wechat.OrderConfiguration, wechat.OrderToken, wechat.OrderRetry, wechat.OrderUnknown, wechat.OrderQuotaMinute, wechat.OrderFinal
	for name, c := range map[string]struct {
		heard []wechat.OrderKind // empty: all is well
		want  time.Duration      // of the last pause; 0: none
	}{
		"well":                         {[]wechat.OrderKind{""}, 0},
		"a fault":                      {[]wechat.OrderKind{fault}, time.Minute},
		"a second":                     {[]wechat.OrderKind{fault, token}, 5 * time.Minute},
		"a third":                      {[]wechat.OrderKind{fault, fault, fault}, 15 * time.Minute},
		"many":                         {[]wechat.OrderKind{fault, fault, fault, fault, fault, fault}, time.Hour},
		"one after it was well":        {[]wechat.OrderKind{fault, fault, "", fault}, time.Minute},
		"one after a single payment's": {[]wechat.OrderKind{fault, fault, one, fault}, time.Minute},
		"busy":                         {[]wechat.OrderKind{busy, busy}, 0},
		"busy for long":                {[]wechat.OrderKind{busy, lost, busy}, 10 * time.Second},
		"busy, well, and busy":         {[]wechat.OrderKind{busy, busy, "", busy, busy}, 0},
		"busy, one's own, and busy":    {[]wechat.OrderKind{busy, busy, one, busy, busy}, 0},
		"a quota":                      {[]wechat.OrderKind{minute}, time.Minute},
		"a single payment's":           {[]wechat.OrderKind{one}, 0},
	} {
		p := &program{logger: zap.NewNop()}
		for _, kind := range c.heard {
			p.until, p.why = time.Time{}, nil
			if kind == "" {
				p.heard(nil, now)
				continue
			}
			p.heard(&wechat.OrderError{Kind: kind, Code: 1}, now)
		}
		if got := max(p.until.Sub(now), 0); got != c.want || p.paused(now) != (c.want > 0) || (p.why != nil) != (c.want > 0) || c.want > 0 && (!p.paused(now.Add(c.want-1)) || p.paused(now.Add(c.want))) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Whether WeChat manages a program is asked once a day, said when it is new, and taken for yes where WeChat does not say.
func TestWhetherItIsManaged(t *testing.T) {
	s := newStage(t)
	p := &program{appID: "wx1", orders: s.program(), logger: s.logs.Logger()}
	ask := func(what string, want bool, calls, lines int) {
		t.Helper()
		got, err := p.isManaged(t.Context(), s.Clock.Now)
		if said := strings.Count(s.logs.String(), "the mini program: its money is"); got != want || err != nil || s.calls(managed) != calls || said != lines {
			t.Errorf("%s: %t, %v, asked %d times, %d lines", what, got, err, s.calls(managed), said)
		}
	}
	ask("at first", true, 1, 1)
	s.Clock.Add(askManaged - time.Nanosecond)
	ask("within a day", true, 1, 1)
	s.Clock.Add(time.Nanosecond)
	ask("a day later", true, 2, 1)
	s.Clock.Add(-time.Hour)
	ask("by a clock that was put back", true, 3, 1)
	s.Lever("POST", "/sandbox/wechat/program", `{"managed":false}`)
	s.Clock.Add(askManaged)
	ask("no more", false, 4, 2)
	ask("the same moment", false, 4, 2)
	s.Clock.Add(askManaged)
	s.line.once(managed, answers(-1))
	if _, err := p.isManaged(t.Context(), s.Clock.Now); err == nil || s.calls(managed) != 4 {
		t.Errorf("busy: %v", err)
	}
	ask("not answered, asked again", false, 5, 2)
	s.Clock.Add(askManaged)
	s.line.once(managed, answers(48001))
	for range 2 { // the second is not asked
		if got, err := p.isManaged(t.Context(), s.Clock.Now); err == nil || got || !p.paused(s.Clock.Now()) || s.calls(managed) != 5 {
			t.Errorf("a fault: %t, %v", got, err)
		}
	}
	s.Clock.Add(time.Minute)
	ask("once it is mended", false, 6, 2)
	s.Clock.Add(askManaged)
	s.line.once(managed, answers(123456))
	ask("WeChat does not say", true, 6, 3)
	if !strings.Contains(s.logs.String(), "reports go out as if it did") {
		t.Error("nothing is said of that")
	}
}

// Nobody is asked while all programs are paused; a payment that does not say its program is the only one's, if there is only one.
func TestWhichProgram(t *testing.T) {
	s := newStage(t)
	id := s.paid("1", true)
	s.report("1", tea)
	spy := &spy{Ledger: s.l}
	r := s.reporter(spy)
	appID := s.WxLite().AppID
	one := r.programs[appID]
	if r.programOf(&ledger.Shipment{}) != one || r.programOf(&ledger.Shipment{PayerAppID: appID}) != one || r.programOf(&ledger.Shipment{PayerAppID: "wx9"}) != nil || one.appID != appID {
		t.Errorf("%+v", r.programs)
	}
	one.until = s.Clock.Now().Add(time.Second)
	if got := r.claim(t.Context(), false, 4); got != nil || spy.claims != 0 {
		t.Errorf("%+v", got)
	}
	r.programs["wx2"] = &program{appID: "wx2"}
	if r.programOf(&ledger.Shipment{}) != nil {
		t.Error("it is one of two")
	}
	claimed := r.claim(t.Context(), false, 4) // the other may be asked
	if len(claimed) != 1 || !spy.claim.Until.Equal(s.Clock.Now().Add(leaseTime)) || spy.claim.Limit != 4 || spy.claim.Daily {
		t.Fatalf("%+v", spy.claim)
	}
	r.step(t.Context(), &claimed[0])
	if s.calls(managed) != 0 || s.shipment(id).Attempts != 0 {
		t.Error("the paused one was asked")
	}
}

// What a reporter is not given it does without.
func TestReporterByItself(t *testing.T) {
	s := newStage(t)
	cfg := s.config(s.l)
	cfg.Observe, cfg.Due, cfg.Span, cfg.Logger = nil, nil, nil, nil
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	id := s.paid("1", true)
	s.report("1", tea)
	s.turn(r)
	s.paid("2", true)
	r.tellDue(t.Context())
	s.Clock.Add(50 * time.Hour)
	r.tellDue(t.Context())
	s.want("the report", s.shipment(id).State, ledger.ShipmentReported)
	cfg.Now = nil
	if r, err = New(cfg); err != nil || time.Since(r.cfg.Now()) > time.Hour {
		t.Error(err)
	}
}

// All that waits is told without waiting for the next look, and the daily round begins at once as well.
func TestMoreThanAtOnce(t *testing.T) {
	s := newStage(t)
	for _, no := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		s.paid(no, true)
		s.report(no, tea)
	}
	frozen := []string{s.paid("8", false), s.paid("9", false)}
	s.Clock.Add(time.Minute)
	cfg := s.config(s.l)
	cfg.Poll = time.Hour
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Since when it is reported is remembered by all processes: here it was before the payments.
	if err := s.storage.Store(t.Context(), "pay/shipping/app_test_live.json", []byte(`{"since":"2020-01-01T00:00:00Z","told":"2020-01-01T00:00:00Z"}`)); err != nil {
		t.Fatal(err)
	}
	relaytest.Run(t, r.Run)
	relaytest.WaitFor(t, "all are told, and what nobody reported is asked about", func() bool {
		asked := 0
		for _, id := range frozen {
			if sh, err := s.l.Shipment(t.Context(), scope, id); err == nil && sh.Last == ledger.ShippingTold {
				asked++
			}
		}
		return s.uploads() == 7 && asked == len(frozen)
	})
}
