package shipping

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

// What each kind of error means, of a report and of a question.
func TestResults(t *testing.T) {
	const transient, unknown, final = ledger.ShippingTransient, ledger.ShippingUnknown, ledger.ShippingFinal
	for _, c := range []struct {
		err         error
		posted, ask ledger.ShippingResult
	}{
		{&wechat.OrderError{Kind: wechat.OrderNotFound}, ledger.ShippingNotFound, ledger.ShippingNotFound},
		{&wechat.OrderError{Kind: wechat.OrderUnknown}, unknown, unknown},
		{&wechat.OrderError{Kind: wechat.OrderAsk}, unknown, unknown},
		{&wechat.OrderError{Kind: wechat.OrderDone}, unknown, unknown},
		{&wechat.OrderError{Kind: wechat.OrderFinal}, final, final},
		{&wechat.OrderError{Kind: wechat.OrderFinal, Code: notShipped}, final, unknown},
		{&wechat.OrderError{Kind: wechat.OrderRetry}, transient, transient},
		{&wechat.OrderError{Kind: wechat.OrderRetry, Code: wrongTime}, ledger.ShippingAgain, transient},
		{&wechat.OrderError{Kind: wechat.OrderQuotaDay}, transient, transient},
		{&wechat.OrderError{Kind: wechat.OrderToken}, transient, transient},
		{fmt.Errorf("asking: %w", &wechat.OrderError{Kind: wechat.OrderFinal}), final, final},
		{context.Canceled, unknown, unknown}, // it may have come all the way
	} {
		if posted, asked := resultOf(ledger.ShippingPost, c.err), resultOf(ledger.ShippingAsk, c.err); posted != c.posted || asked != c.ask {
			t.Errorf("%v: posted %s, asked %s", c.err, posted, asked)
		}
	}
}

// What WeChat did not like has its number, or a name of ours, and what to do about it, in both languages.
func TestProblems(t *testing.T) {
	configuration := &wechat.OrderError{Kind: wechat.OrderConfiguration, API: "get_order", Code: 40164, Message: "invalid ip"}
	en, zh := configuration.Advice()
	for _, c := range []struct {
		err          error
		code         string
		text, textZH []string
	}{
		{configuration, "40164", []string{"get_order: ", ". " + en}, []string{configuration.ZH() + "。" + zh}},
		{&wechat.OrderError{Kind: wechat.OrderFinal, API: "upload_shipping_info", Message: "it has no items"}, ledger.ProblemInvalid, []string{"it has no items"}, nil},
		{&wechat.OrderError{Kind: wechat.OrderUnknown, API: "upload_shipping_info"}, problemUnanswered, []string{"upload_shipping_info"}, nil},
		{errors.New("the end has come"), problemUnanswered, []string{"the end has come"}, []string{"the end has come"}},
	} {
		p := problemOf(c.err)
		if p.Code != c.code || strings.HasPrefix(p.Text, "wechat") || p.ZH == "" {
			t.Errorf("%v: %+v", c.err, p)
		}
		for _, s := range c.text {
			if !strings.Contains(p.Text, s) {
				t.Errorf("%v: %q is not in %q", c.err, s, p.Text)
			}
		}
		for _, s := range c.textZH {
			if !strings.Contains(p.ZH, s) {
				t.Errorf("%v: %q is not in %q", c.err, s, p.ZH)
			}
		}
	}
}

// A report as WeChat is told it: one parcel of all that is not sent by express, and of parcels, in parts, where they are several, not all, or not the first.
func TestTold(t *testing.T) {
	yt, zt := ledger.Parcel{Company: "YTO", TrackingNo: "YT1"}, ledger.Parcel{Company: "ZTO", TrackingNo: "ZT1", Items: "cups", Contact: "138****1234"}
	express := func(complete bool, parcels ...ledger.Parcel) *ledger.Shipping {
		return &ledger.Shipping{Type: ledger.ShipExpress, Items: "tea", Complete: complete, Parcels: parcels}
	}
	ytTold, ztTold := wechat.Parcel{Company: "YTO", TrackingNo: "YT1", Items: "tea"}, wechat.Parcel{Company: "ZTO", TrackingNo: "ZT1", Items: "cups", Contact: "138****1234"}
	began := time.Unix(1_790_000_000, 0)
	for name, c := range map[string]struct {
		reported time.Time // what WeChat has of it already
		uploads  int
		n        *ledger.Shipping
		want     wechat.Shipping
	}{
		"by itself":             {time.Time{}, 0, &tea, wechat.Shipping{Type: wechat.Virtual, Complete: true, Parcels: []wechat.Parcel{{Items: tea.Items}}}},
		"fetched":               {began, 0, &ledger.Shipping{Type: ledger.ShipPickup, Items: "tea", Complete: true}, wechat.Shipping{Type: wechat.Pickup, Complete: true, Parcels: []wechat.Parcel{{Items: "tea"}}}},
		"one parcel":            {time.Time{}, 0, express(true, yt), wechat.Shipping{Type: wechat.Express, Complete: true, Parcels: []wechat.Parcel{ytTold}}},
		"two":                   {time.Time{}, 0, express(true, yt, zt), wechat.Shipping{Type: wechat.Express, Complete: true, Split: true, Parcels: []wechat.Parcel{ytTold, ztTold}}},
		"more to come":          {time.Time{}, 0, express(false, zt), wechat.Shipping{Type: wechat.Express, Split: true, Parcels: []wechat.Parcel{ztTold}}},
		"the last of some":      {began, 0, express(true, zt), wechat.Shipping{Type: wechat.Express, Complete: true, Split: true, Parcels: []wechat.Parcel{ztTold}}},
		"instead of all of it":  {began, 1, express(true, zt), wechat.Shipping{Type: wechat.Express, Complete: true, Parcels: []wechat.Parcel{ztTold}}},
		"the first, but for it": {time.Time{}, 1, express(true, zt), wechat.Shipping{Type: wechat.Express, Complete: true, Parcels: []wechat.Parcel{ztTold}}},
	} {
		c.want.TransactionID, c.want.OpenID = "42", payer
		got := told(&ledger.Shipment{TransactionNo: "42", Payer: payer, Reported: c.reported, Uploads: c.uploads}, c.n)
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
