package shipping

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// acks is a ledger with payments that were acknowledged, as it is told to have them.
type acks struct {
	ledger.Ledger
	pages   [][]ledger.Shipment
	lists   []ledger.ShipmentFilter
	failing error

	events  []ledger.Event
	asked   []ledger.Filter
	report  func() (bool, error)
	reports []ledger.ShippingReport
}

func (a *acks) ListShipments(_ context.Context, f ledger.ShipmentFilter) (ledger.Page[ledger.Shipment], error) {
	a.lists = append(a.lists, f)
	if a.failing != nil || len(a.pages) == 0 {
		return ledger.Page[ledger.Shipment]{}, a.failing
	}
	p := ledger.Page[ledger.Shipment]{Rows: a.pages[0]}
	if a.pages = a.pages[1:]; len(a.pages) > 0 {
		p.Next = "next"
	}
	return p, nil
}

func (a *acks) Events(_ context.Context, f ledger.Filter) ([]ledger.Event, error) {
	a.asked = append(a.asked, f)
	return a.events, a.failing
}

func (a *acks) Event(_ context.Context, _ ledger.Scope, id string) (*ledger.Event, error) {
	for _, e := range a.events {
		if e.ID == id {
			return &e, nil
		}
	}
	return nil, errors.New("it cannot be read")
}

func (a *acks) ReportShipping(_ context.Context, n ledger.ShippingReport) (*ledger.Shipment, bool, error) {
	a.reports = append(a.reports, n)
	fresh, err := a.report()
	return nil, fresh, err
}

func (s *stage) automaticBy(l ledger.Ledger, auto *Receipts) *Reporter {
	s.t.Helper()
	cfg := s.config(l)
	cfg.Auto = auto
	r, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// What waits is looked through to the last page once a day, soon again where that fails, and not at all where nothing is reported by itself.
func TestLookingForAcknowledged(t *testing.T) {
	s := newStage(t)
	l := &acks{Ledger: s.l, report: func() (bool, error) { return true, nil }}
	for _, auto := range []*Receipts{nil, {}, {Items: "tea"}} {
		s.automaticBy(l, auto).catchUp(t.Context())
		s.want("nothing is reported by itself", len(l.lists), 0)
	}
	r := s.automaticBy(l, &Receipts{Type: ledger.ShipVirtual, Items: "tea"})
	want := func(what string, cursors ...string) {
		t.Helper()
		r.catchUp(t.Context())
		var got []string
		for _, f := range l.lists {
			if got = append(got, "from "+f.Cursor); f.Scope != scope || len(f.States) != 1 || f.States[0] != ledger.ShipmentWaiting || f.Limit != duePage {
				t.Errorf("%s: %+v", what, f)
			}
		}
		s.want(what, got, cursors)
		l.lists = nil
	}
	waiting := func(orderNo string) []ledger.Shipment {
		return []ledger.Shipment{{Scope: scope, OrderNo: orderNo, ChargeID: "ch_" + orderNo, State: ledger.ShipmentWaiting}}
	}
	l.pages = [][]ledger.Shipment{waiting("1"), waiting("2"), waiting("3")}
	want("three pages", "from ", "from next", "from next")
	s.want("asked about", []string{l.asked[0].OrderNo, l.asked[1].OrderNo, l.asked[2].OrderNo}, []string{"1", "2", "3"})
	s.Clock.Add(findEvery - time.Second)
	want("within the day")
	s.Clock.Add(time.Second)
	want("a day later", "from ")
	s.Clock.Add(findEvery)
	l.failing = errors.New("disk I/O error")
	want("in vain", "from ")
	if n := strings.Count(s.logs.String(), "cannot look for payments that are to be reported by themselves"); n != 1 {
		t.Errorf("%d lines", n)
	}
	l.failing = nil
	s.Clock.Add(lookEvery - time.Second)
	want("not at once")
	s.Clock.Add(time.Second)
	want("soon", "from ")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Clock.Add(findEvery)
	r.catchUp(ended)
	s.want("at the end", len(l.lists), 0)
}

// Only what waits, and of which nothing was reported, is reported by itself, with the event that tells of that very payment; what comes of it is said.
func TestAutoRules(t *testing.T) {
	s := newStage(t)
	virtual := &Receipts{Type: ledger.ShipVirtual, Items: "{subject}"}
	event := func(change func(*ledger.Event)) ledger.Event {
		e := ledger.Event{ID: "evt_1", Type: "charge.succeeded", ChargeID: "ch_1", OrderNo: "1", Body: []byte(`{"data":{"object":{"subject":"tea"}}}`)}
		if change != nil {
			change(&e)
		}
		return e
	}
	other := event(func(e *ledger.Event) { e.ID, e.ChargeID = "evt_0", "ch_0" })
	refund := event(func(e *ledger.Event) { e.ID, e.Type = "evt_r", "refund.succeeded" })
	const recorded, failed = "shipping recorded for WeChat by itself", "a payment cannot be reported by itself"
	for name, c := range map[string]struct {
		auto   *Receipts
		state  ledger.ShipmentState
		stage  ledger.ReportStage
		events []ledger.Event
		fresh  bool
		err    error
		items  string // of what is reported; empty: nothing
		line   string
	}{
		"a payment":              {virtual, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{other, refund, event(nil)}, true, nil, "tea", recorded},
		"of an order":            {virtual, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{event(func(e *ledger.Event) { e.Type = "order.succeeded" })}, true, nil, "tea", recorded},
		"reported meanwhile":     {virtual, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{event(nil)}, false, nil, "tea", ""},
		"held":                   {virtual, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{event(nil)}, false, &ledger.ShippingRefusal{Reason: ledger.RefuseHeld}, "tea", ""},
		"the disk is full":       {virtual, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{event(nil)}, false, errors.New("disk full"), "tea", failed},
		"not acknowledged":       {virtual, ledger.ShipmentWaiting, ledger.ReportNone, nil, true, nil, "", ""},
		"another charge's alone": {virtual, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{other, refund}, true, nil, "", ""},
		"without a subject":      {virtual, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{event(func(e *ledger.Event) { e.Body = []byte(`{}`) })}, true, nil, "", failed},
		"it failed":              {virtual, ledger.ShipmentFailed, ledger.ReportNone, []ledger.Event{event(nil)}, true, nil, "", ""},
		"it is reported":         {virtual, ledger.ShipmentWaiting, ledger.ReportOpen, []ledger.Event{event(nil)}, true, nil, "", ""},
		"nothing is by itself":   {&Receipts{Items: "tea"}, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{event(nil)}, true, nil, "", ""},
		"nor without a word":     {nil, ledger.ShipmentWaiting, ledger.ReportNone, []ledger.Event{event(nil)}, true, nil, "", ""},
	} {
		for _, ended := range []bool{false, true} {
			s.logs.Lines.Reset()
			ctx, cancel := context.WithCancel(t.Context())
			l := &acks{Ledger: s.l, events: c.events, report: func() (bool, error) {
				if ended {
					cancel() // what is under way comes to its end
				}
				return c.fresh, c.err
			}}
			s.automaticBy(l, c.auto).auto(ctx, &ledger.Shipment{Scope: scope, OrderNo: "1", ChargeID: "ch_1", State: c.state, Stage: c.stage})
			cancel()
			var items string
			for _, n := range l.reports {
				if items += n.Shipping.Items; n.Scope != scope || n.OrderNo != "1" || n.ChargeID != "ch_1" || !n.First || !n.Now.Equal(s.Clock.Now()) || n.Shipping.Type != ledger.ShipVirtual {
					t.Errorf("%s: %+v", name, n)
				}
			}
			for _, f := range l.asked {
				if f.Scope != scope || f.OrderNo != "1" || len(f.States) != 1 || f.States[0] != ledger.Delivered || f.Limit != acknowledged {
					t.Errorf("%s: %+v", name, f)
				}
			}
			if line := s.logs.String(); items != c.items || (line != "") != (c.line != "" && !(ended && c.err != nil)) || line != "" && !strings.Contains(line, c.line) {
				t.Errorf("%s, ended %t: %q reported, %s", name, ended, items, line)
			}
		}
	}
}
