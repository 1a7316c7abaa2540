package core_test

import (
	"errors"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// TestShippingOnDisk: a report, and that WeChat is about to be told, are on disk before anybody goes by it; a claim may be lost.
func TestShippingOnDisk(t *testing.T) {
	ctx := t.Context()
	tea := ledger.Shipping{Type: ledger.ShipVirtual, Items: "tea", Complete: true}
	lease := ledger.ShipmentLease{Scope: live, ChargeID: "ch_1", Owner: "a"}
	one := func(_ any, err error) error { return err }
	two := func(_, _ any, err error) error { return err }
	for name, c := range map[string]struct {
		call func(l *core.Ledger) error
		kind string // empty: none, and no error
	}{
		"ReportShipping": {func(l *core.Ledger) error {
			return two(l.ReportShipping(ctx, ledger.ShippingReport{Scope: live, OrderNo: "o", Shipping: tea}))
		}, "write"},
		"ReportAgain":  {func(l *core.Ledger) error { return one(l.ReportAgain(ctx, ledger.ShippingDecision{Scope: live})) }, "write"},
		"PostShipping": {func(l *core.Ledger) error { return one(l.PostShipping(ctx, lease, noon, at(9))) }, "write"},
		"ShippingAnswered": {func(l *core.Ledger) error {
			return one(l.ShippingAnswered(ctx, lease, ledger.ShippingAnswer{Step: ledger.ShippingPost, Result: ledger.ShippingAccepted}))
		}, "write"},
		"ClaimShipments": {func(l *core.Ledger) error {
			return one(l.ClaimShipments(ctx, ledger.ShipmentClaim{Scope: live, Owner: "a", Limit: 1}))
		}, "lax"},
		"ClaimShipments of none": {func(l *core.Ledger) error {
			return one(l.ClaimShipments(ctx, ledger.ShipmentClaim{Scope: live, Owner: "a"}))
		}, ""},
		"FindUnshipped":    {func(l *core.Ledger) error { return two(l.FindUnshipped(ctx, ledger.ShippingSearch{Scope: live})) }, "read"},
		"ListShipments":    {func(l *core.Ledger) error { return one(l.ListShipments(ctx, ledger.ShipmentFilter{Scope: live})) }, "read"},
		"ShippingDue":      {func(l *core.Ledger) error { return one(l.ShippingDue(ctx, live, noon, at(9))) }, "read"},
		"Shipment":         {func(l *core.Ledger) error { return one(l.Shipment(ctx, live, "ch_1")) }, "read"},
		"Shipments":        {func(l *core.Ledger) error { return one(l.Shipments(ctx, live, "o")) }, "read"},
		"ShippingAttempts": {func(l *core.Ledger) error { return one(l.ShippingAttempts(ctx, live, "ch_1")) }, "read"},
	} {
		s := &away{}
		err := c.call(core.New(s, noon))
		if s.kind != c.kind || errors.Is(err, errDisk) != (c.kind != "") || err != nil && c.kind == "" {
			t.Errorf("%s: %q, want %q: %v", name, s.kind, c.kind, err)
		}
	}
	for name, call := range map[string]func(l *core.Ledger) error{
		"a claim without an owner": func(l *core.Ledger) error {
			return one(l.ClaimShipments(ctx, ledger.ShipmentClaim{Scope: live, Limit: 1}))
		},
		"a report without an app": func(l *core.Ledger) error {
			return two(l.ReportShipping(ctx, ledger.ShippingReport{OrderNo: "o", Shipping: tea}))
		},
		"a report of nothing": func(l *core.Ledger) error {
			return two(l.ReportShipping(ctx, ledger.ShippingReport{Scope: live, OrderNo: "o"}))
		},
		"an answer that is none": func(l *core.Ledger) error { return one(l.ShippingAnswered(ctx, lease, ledger.ShippingAnswer{})) },
		"a decision about nothing": func(l *core.Ledger) error {
			return one(l.ReportAgain(ctx, ledger.ShippingDecision{Scope: live, Shipping: &ledger.Shipping{}}))
		},
	} {
		s := &away{}
		if err := call(core.New(s, time.Now())); err == nil || s.kind != "" {
			t.Errorf("%s: %v, after %q", name, err, s.kind)
		}
	}
}
