package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
)

// A list asks on until there are as many rows as wanted, however few a page comes with, and says on stderr what is paused.
func TestListsAreFilled(t *testing.T) {
	for _, tc := range []struct {
		limit       int
		asked, want string
	}{
		{4, " 4 b3 c3 d1", "R1 R2 R3 R4 More: --cursor e\n"},
		{3, " 3 b2 c2", "R1 R2 R3 More: --cursor d\n"},
		{9, " 9 b8 c8 d6 e5", "R1 R2 R3 R4 "},
	} {
		q := adminapi.RefundQuery{Part: adminapi.Part{Limit: tc.limit}}
		asked, rows := "", map[string]int{"": 1, "b": 0, "c": 2, "d": 1, "e": 0}
		next := map[string]string{"": "b", "b": "c", "c": "d", "d": "e"}
		var out, notices bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		cmd.SetErr(&notices)
		cmd.SetContext(t.Context())
		n := 0
		err := list[adminapi.RefundPage, adminapi.RefundView]{
			part: &q.Part,
			ask: func(context.Context, *adminapi.Client) (*adminapi.RefundPage, error) {
				asked += fmt.Sprintf(" %s%d", q.Cursor, q.Limit)
				p := &adminapi.RefundPage{Listing: adminapi.Listing{Next: next[q.Cursor], Paused: []adminapi.PauseView{{App: "app_1", Mode: "live", By: "mark", Reason: "\x1bmoving"}}}}
				for range rows[q.Cursor] {
					n++
					p.Refunds = append(p.Refunds, adminapi.RefundView{RefundNo: fmt.Sprint("R", n)})
				}
				return p, nil
			},
			parts: func(p *adminapi.RefundPage) (*[]adminapi.RefundView, *adminapi.Listing) {
				return &p.Refunds, &p.Listing
			},
			print: func(w io.Writer, p *adminapi.RefundPage, _ time.Time) {
				for _, r := range p.Refunds {
					fmt.Fprint(w, r.RefundNo, " ")
				}
			},
		}.run(&running{address: "localhost:1"}, cmd)
		if err != nil || asked != tc.asked || out.String() != tc.want {
			t.Errorf("%d: %v, asked%s, got %q", tc.limit, err, asked, &out)
		}
		if text := notices.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `paused since`) || !strings.Contains(text, `by mark: \u001bmoving`) {
			t.Errorf("%q", text)
		}
	}
}

// Everything that somebody outside may have chosen is escaped where it is printed.
func TestListsAreEscaped(t *testing.T) {
	const evil = "a\x1b]0;x\x07\u202e\tb"
	at := time.Now()
	var out bytes.Buffer
	printCharges(&out, &adminapi.ChargePage{Charges: []adminapi.ChargeView{{ID: evil, OrderNo: evil, Mode: evil, Channel: evil, Status: evil, Payer: evil, Created: at}}}, at)
	printOrders(&out, &adminapi.OrderPage{Orders: []adminapi.OrderView{{OrderNo: evil, Mode: evil, Status: evil, Charge: adminapi.ChargeView{ID: evil, Channel: evil, Payer: evil}}}}, at)
	printRefunds(&out, &adminapi.RefundPage{Refunds: []adminapi.RefundView{{RefundNo: evil, OrderNo: evil, Charge: evil, Mode: evil, State: evil, Unclear: evil}}}, at)
	printAudit(&out, &adminapi.AuditPage{Decisions: []adminapi.AuditView{{Action: evil, Event: evil, OrderNo: evil, App: evil, Mode: evil, Was: evil, By: evil, Said: evil, Run: evil, Reason: evil}}}, at)
	printFound(&out, []adminapi.Found{{App: evil, Mode: evil, Kind: evil, ID: evil, OrderNo: evil}})
	printFigures(&out, []adminapi.ScopeFigures{{App: evil, Mode: evil, Paused: &adminapi.PauseView{App: evil, Mode: evil, By: evil, Said: evil, Reason: evil}}}, at)
	printOrder(&out, &adminapi.OrderLife{App: evil, Mode: evil, OrderNo: evil, Status: evil, Timeline: []adminapi.Entry{
		{Kind: evil, Text: evil, Delivery: &adminapi.DeliveryView{Snippet: evil}}}})
	if text := out.String(); strings.ContainsAny(text, "\x1b\x07\u202e\t") || strings.Count(text, `\u001b`) < 40 {
		t.Errorf("%q", text)
	}
	if n := strings.Count(out.String(), "\n"); n != 24 {
		t.Errorf("%d lines:\n%s", n, &out)
	}
}
