package caddymodule

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/sandbox"
)

// Of two blocks of one app, one of which has no events, either takes in what Ping++ sends or is asked for by the rules of the other,
// whichever stands first.
func TestBlocksOfOneAppHaveOneRule(t *testing.T) {
	s := must(sandbox.New(sandbox.Config{}))
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		srv.Close()
	})
	for _, tc := range []struct {
		name, events string
		amount       int64 // that was asked for; 100 are paid
		state        ledger.State
		wait         ledger.State // where delivery has not been yet
		reason       string
	}{
		{"types", "types refund.succeeded", 100, ledger.Filtered, ledger.Filtered, ledger.ReasonType},
		{"mismatch", "mismatch deliver", 99, ledger.Delivered, ledger.Pending, ledger.ReasonAmount},
	} {
		for _, first := range []bool{true, false} {
			t.Run(tc.name+map[bool]string{true: " first", false: " last"}[first], func(t *testing.T) {
				dir, d, addrs := t.TempDir(), newDesk(t), []string{freeAddr(t), freeAddr(t)}
				blocks := []string{
					payBlock(t, dir, "", "allow_http", "upstream "+d.addr, "events POST /internal/pay/events {\n\t\t\t"+tc.events+"\n\t\t}", "reconcile {\n\t\t\tafter 40s\n\t\t}"),
					payBlock(t, dir, "", "allow_http"),
				}
				if !first {
					slices.Reverse(blocks)
				}
				file := globals(dir, ledgerIn(dir)) + "http://" + addrs[0] + " {\n" + blocks[0] + "}\nhttp://" + addrs[1] + " {\n" + blocks[1] + "}\n"
				run(t, strings.NewReplacer("app app_test1", "app "+s.App()+"\n\t\t\tendpoint "+srv.URL, "sk_test_Mark0123456789", s.TestKey()).Replace(file))
				l, scope := ledgerOf(t), ledger.Scope{App: s.App(), Mode: ledger.Test}
				_, found := running(t)
				if len(found) != 2 {
					t.Fatal(len(found), "blocks")
				}
				check := func(how, id string) {
					t.Helper()
					var e *ledger.Event
					eventually(t, how+": the event is as the rules say", func() bool {
						e = must(l.Event(t.Context(), scope, id))
						return e.State == tc.state || e.State != tc.wait
					})
					if e.State != tc.state || !slices.Contains(e.Reasons, tc.reason) {
						t.Errorf("%s: %s %v", how, e.State, e.Reasons)
					}
				}
				for i, h := range found {
					if h.site.Payments.QueryAfter != 40*time.Second {
						t.Errorf("a charge of block %d is looked up first after %s", i, h.site.Payments.QueryAfter)
					}
					no := tc.name + map[bool]string{true: "1", false: "2"}[first] + map[int]string{0: "a", 1: "b"}[i]
					webhook := strings.NewReplacer("app_test1", s.App()).Replace(string(webhookEvent(no)))
					oursIn(t, l, scope, "order"+no, "ch_"+no, tc.amount)
					if status := sendWebhook(t, "http://"+addrs[i]+"/pay/webhooks", []byte(webhook)); status != 200 {
						t.Fatal(status)
					}
					check("by webhook", "evt_"+no)

					c, err := h.resolved.Pingpp.CreateCharge(t.Context(), &pingpp.ChargeParams{OrderNo: no + "q", Channel: "wx_lite", Amount: 100, Currency: "cny",
						ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}})
					if err != nil {
						t.Fatal(err)
					}
					oursIn(t, l, scope, no+"q", c.ID, tc.amount)
					if err := s.Pay(c.ID); err != nil {
						t.Fatal(err)
					}
					if err := h.resolved.Reconciler.Charges.Recover(t.Context(), c.ID, nil); err != nil {
						t.Fatal(err)
					}
					check("by asking", "evt_q_"+c.ID+"_charge_succeeded")
				}
			})
		}
	}
}
