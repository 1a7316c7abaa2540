package command

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
)

// The head of an order's page answers what is asked at night: does the shop know, and what is to be done.
func TestOrderSaysWhatToDo(t *testing.T) {
	now := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	event := func(state string, acks int, reasons ...string) adminapi.ToldView {
		return adminapi.ToldView{EventView: adminapi.EventView{ID: "evt_1", Type: "charge.succeeded", State: state, Money: 1250, Acks: acks, Reasons: reasons, Due: now.Add(90 * time.Second)}}
	}
	long := strings.Repeat("at /www/pay.php ", 50) + "the cause"
	for name, tt := range map[string]struct {
		event  adminapi.ToldView
		paused *adminapi.PauseView
		want   string
	}{
		"known":    {event("delivered", 1), nil, "Your backend knows of charge.succeeded, ¥12.50.\n"},
		"dead":     {event("dead", 0), nil, "Your backend does not know of charge.succeeded, ¥12.50: no attempt is left. Once it is mended:\n  caddy pay events replay evt_1\n"},
		"repeated": {event("dead", 1), nil, "Your backend has not acknowledged again, but knows of charge.succeeded, ¥12.50: no attempt is left"},
		"held":     {event("held", 0, "amount"), nil, "it is held (amount) until you decide.\n  caddy pay events release evt_1 --reason \"…\"\n  caddy pay events discard evt_1 --reason \"…\"\n"},
		"pending":  {event("pending", 0), nil, "delivered by itself, in 1m30s\n"},
		"paused":   {event("pending", 0), &adminapi.PauseView{}, "once delivery is resumed: caddy pay resume\n"},
	} {
		var out bytes.Buffer
		printOrder(&out, &adminapi.OrderLife{OrderNo: "1234", Status: "paid", Events: []adminapi.ToldView{tt.event}, Paused: tt.paused, Now: now, Timeline: []adminapi.Entry{
			{At: now, Kind: "delivery", Event: "evt_1", Delivery: &adminapi.DeliveryView{Snippet: long}},
			{At: now, Kind: "delivery", Event: "evt_1", Delivery: &adminapi.DeliveryView{Snippet: long}},
		}})
		if head, _, _ := strings.Cut(out.String(), "\n\n"); !strings.Contains(head+"\n", tt.want) {
			t.Errorf("%s:\n%s", name, head)
		}
		if n := strings.Count(out.String(), "the cause"); n != 1 {
			t.Errorf("%s: the last answer stands there whole %d times:\n%s", name, n, &out)
		}
	}
}

// Every table has the day, the second and the zone.
func TestTablesHaveZones(t *testing.T) {
	at := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	want := at.Local().Format("2006-01-02 15:04:05 -07:00")
	for name, print := range map[string]func(*bytes.Buffer){
		"charges": func(w *bytes.Buffer) {
			printCharges(w, &adminapi.ChargePage{Charges: []adminapi.ChargeView{{Created: at}}}, at)
		},
		"orders": func(w *bytes.Buffer) {
			printOrders(w, &adminapi.OrderPage{Orders: []adminapi.OrderView{{Created: at}}}, at)
		},
		"refunds": func(w *bytes.Buffer) {
			printRefunds(w, &adminapi.RefundPage{Refunds: []adminapi.RefundView{{Created: at}}}, at)
		},
		"audit": func(w *bytes.Buffer) {
			printAudit(w, &adminapi.AuditPage{Decisions: []adminapi.AuditView{{At: at}}}, at)
		},
		"event": func(w *bytes.Buffer) {
			printEvent(w, adminapi.EventWhole{EventView: adminapi.EventView{Received: at}})
		},
	} {
		var out bytes.Buffer
		if print(&out); !strings.Contains(out.String(), want) {
			t.Errorf("%s has no %s:\n%s", name, want, &out)
		}
	}
}
