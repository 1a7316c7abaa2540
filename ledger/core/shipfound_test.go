package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestShippingFound: what get_order says before a first post: WeChat's own report is taken over, and nothing is posted in its place.
func TestShippingFound(t *testing.T) {
	ask := ledger.ShippingAsk
	for name, c := range map[string]struct {
		row     *Shipment
		answer  ledger.ShippingAnswer
		state   ledger.ShipmentState
		stage   ledger.ReportStage
		uploads int
		due     time.Duration // after the answer; -1: not any more
		code    string
		listed  bool
	}{
		"nothing is there":                   {shipment(tea), told(1, 0, false), ledger.ShipmentWaiting, ledger.ReportOpen, 0, at(0).Sub(at(2)), "", false},
		"another report":                     {shipment(tea), told(2, 1, false), ledger.ShipmentReported, ledger.ReportDone, 1, shipDaily, ledger.ProblemDiffers, true},
		"the same report":                    {shipment(tea), told(2, 1, true), ledger.ShipmentReported, ledger.ReportDone, 1, shipDaily, "", true},
		"another, corrected":                 {shipment(tea), told(2, 2, false), ledger.ShipmentReported, ledger.ReportFailed, 2, shipDaily, ledger.ProblemCorrected, true},
		"the same, corrected":                {shipment(tea), told(2, 2, true), ledger.ShipmentReported, ledger.ReportDone, 2, shipDaily, "", true},
		"confirmed":                          {shipment(tea), told(3, 1, false), ledger.ShipmentConfirmed, ledger.ReportFailed, 1, shipDaily, ledger.ProblemOver, true},
		"settled, the same":                  {shipment(tea), told(4, 1, true), ledger.ShipmentSettled, ledger.ReportDone, 1, -1, "", true},
		"refunded":                           {shipment(tea), told(5, 0, false), ledger.ShipmentRefunded, ledger.ReportFailed, 0, -1, ledger.ProblemOver, true},
		"parts":                              {shipment(tea), told(2, 0, false), ledger.ShipmentWaiting, ledger.ReportOpen, 0, at(0).Sub(at(2)), "", false},
		"what nobody knows":                  {shipment(tea), told(77, 3, false), ledger.ShipmentWaiting, ledger.ReportOpen, 2, at(0).Sub(at(2)), "", false},
		"what came from here":                {changed(reportedTea(), func(s *Shipment) { s.report(coffee, at(0)) }), told(2, 1, false), ledger.ShipmentReported, ledger.ReportOpen, 1, at(0).Sub(at(2)), "", false},
		"WeChat does not know it":            {shipment(tea), answer(ask, ledger.ShippingNotFound), ledger.ShipmentWaiting, ledger.ReportOpen, 0, 10 * time.Second, "code", true},
		"nor after all tries":                {changed(shipment(tea), func(s *Shipment) { s.Missed = 4 }), answer(ask, ledger.ShippingNotFound), ledger.ShipmentFailed, ledger.ReportFailed, 0, shipDaily, "code", true},
		"WeChat is busy":                     {shipment(tea), answer(ask, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, 0, 10 * time.Second, "code", true},
		"WeChat is busy for long":            {changed(shipment(tea), func(s *Shipment) { s.Tries = 9 }), answer(ask, ledger.ShippingTransient), ledger.ShipmentWaiting, ledger.ReportOpen, 0, time.Hour, "code", true},
		"WeChat does not manage it":          {shipment(tea), answer(ask, ledger.ShippingUnmanaged), ledger.ShipmentUnmanaged, ledger.ReportFailed, 0, -1, "code", true},
		"a part, where all is entered":       {shipment(part1), told(2, 1, false), ledger.ShipmentReported, ledger.ReportDone, 1, shipDaily, ledger.ProblemDiffers, true},
		"the same, reported otherwise since": {shipment(coffee), told(2, 1, true), ledger.ShipmentReported, ledger.ReportDone, 1, shipDaily, ledger.ProblemDiffers, true},
	} {
		if c.answer.Of = tea; c.row.Shipping.Same(part1) {
			c.answer.Of = part1
		}
		_, is := c.row.answered(c.answer)
		s, due := c.row, never
		if c.due != -1 {
			due = at(2).Add(c.due)
		}
		equal(t, name, []any{s.State, s.Stage, s.Uploads, s.Due, s.Problem.Code, s.Posted, is != unlisted},
			[]any{c.state, c.stage, c.uploads, due, c.code, (*ledger.Shipping)(nil), c.listed})
	}
}

// TestCorrectionOfFound: the correction of what was taken over is not taken for that by an answer which is still under way.
func TestCorrectionOfFound(t *testing.T) {
	s := shipment(tea)
	s.answered(told(2, 1, false))
	s.report(coffee, at(9))
	s.answered(told(2, 1, false))
	equal(t, "the correction", []any{s.Stage, s.Step(), s.Shipping, s.Problem.Code}, []any{ledger.ReportOpen, ledger.ShippingPost, coffee, ""})
	s.answered(told(2, 2, false)) // somebody was faster
	equal(t, "corrected by hand", []any{s.Stage, s.Problem.Code}, []any{ledger.ReportFailed, ledger.ProblemCorrected})
}

// TestShippingAfterFound: what was taken over stays when the same is reported again; other content, or a person, corrects it.
func TestShippingAfterFound(t *testing.T) {
	found := func() *Shipment {
		s := shipment(tea)
		s.answered(told(2, 1, false))
		return s
	}
	s := found()
	if fresh, why := s.report(tea, at(9)); fresh || why != "" || s.Stage != ledger.ReportDone {
		t.Errorf("the same again: %t, %s, %s", fresh, why, s.Stage)
	}
	if fresh, why := s.report(coffee, at(9)); !fresh || why != "" || s.Step() != ledger.ShippingPost || s.Problem.Code != "" {
		t.Errorf("other content: %t, %s, %+v", fresh, why, s.Problem)
	}
	if s = found(); s.again(nil, at(9)) != nil || s.Step() != ledger.ShippingPost {
		t.Error("a person cannot have ours in its place")
	}
	s.post(at(9), at(60))
	s.answered(answer(ledger.ShippingPost, ledger.ShippingAccepted))
	if s.Uploads != 2 || s.Stage != ledger.ReportDone || s.Problem.Code != "" {
		t.Errorf("%+v", s.Shipment)
	}
}
