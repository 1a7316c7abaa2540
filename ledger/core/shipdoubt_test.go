package core

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestShipmentDoubted: what follows from each answer about a payment of which nobody knows whether WeChat wants a report.
func TestShipmentDoubted(t *testing.T) {
	const ask = ledger.ShippingAsk
	for name, c := range map[string]struct {
		age    time.Duration // of the payment
		answer ledger.ShippingAnswer
		state  ledger.ShipmentState
		due    time.Duration // after the answer; -1: not any more
	}{
		"to ship":                     {0, told(1, 0, false), ledger.ShipmentWaiting, shipDaily},
		"parts":                       {0, told(2, 0, false), ledger.ShipmentWaiting, shipDaily},
		"shipped":                     {0, told(2, 1, false), ledger.ShipmentReported, shipDaily},
		"confirmed":                   {0, told(3, 1, false), ledger.ShipmentConfirmed, shipDaily},
		"settled":                     {0, told(4, 1, false), ledger.ShipmentSettled, -1},
		"refunded":                    {0, told(5, 1, false), ledger.ShipmentRefunded, -1},
		"what nobody knows":           {0, told(77, 0, false), ledger.ShipmentUnmanaged, shipDaily},
		"busy":                        {0, answer(ask, ledger.ShippingTransient), ledger.ShipmentUnmanaged, shipRetry},
		"nobody could ask":            {0, answer(ask, ledger.ShippingUnknown), ledger.ShipmentUnmanaged, shipDaily},
		"nobody could ask for long":   {480 * time.Hour, answer(ask, ledger.ShippingUnknown), ledger.ShipmentUnmanaged, 48 * time.Hour},
		"not known yet":               {0, answer(ask, ledger.ShippingNotFound), ledger.ShipmentUnmanaged, shipRetry},
		"never known":                 {time.Hour, answer(ask, ledger.ShippingNotFound), ledger.ShipmentUnmanaged, -1},
		"of a program unmanaged":      {0, answer(ask, ledger.ShippingUnmanaged), ledger.ShipmentUnmanaged, -1},
		"refused, for whatever cause": {0, answer(ask, ledger.ShippingFinal), ledger.ShipmentUnmanaged, shipDaily},
	} {
		s := shipment(nil)
		s.TimePaid = at(2).Add(-c.age)
		s.doubt(at(2))
		if s.over() != true || s.Due.IsZero() {
			t.Fatalf("%s: %+v", name, s.Shipment)
		}
		s.answered(c.answer)
		due := never
		if c.due != -1 {
			due = at(2).Add(c.due)
		}
		equal(t, name, []any{s.State, s.Stage, s.Due, s.Problem.Code}, []any{c.state, ledger.ReportNone, due, ""})
	}
}
