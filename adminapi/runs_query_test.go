package adminapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// asks has a desk's runs ask, in place of Ping++, and returns what was asked about.
func (d *desk) asks(answer func(ctx context.Context, no string) error) (asked func() []string) {
	var mu sync.Mutex
	var all []string
	d.server.runServer.query = func(ctx context.Context, s ledger.Scope, no string) error {
		mu.Lock()
		all = append(all, string(s.Mode)+" "+no)
		mu.Unlock()
		return answer(ctx, no)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// A query by filter shows first about how many orders there is a question, and changes nothing; what is said once more is the same.
func TestPreviewOfQuery(t *testing.T) {
	d := newDesk(t)
	now := time.Now()
	d.charge(scope, "open", 100, now.Add(-time.Minute))
	d.charge(scope, "lapsed", 200, now.Add(-3*time.Hour))
	d.charge(scope, "old", 400, now.Add(-50*time.Hour))
	d.event("paid", "charge.succeeded", "paid", 300, ledger.Delivered)
	if _, err := d.ledger.Reserve(t.Context(), ledger.Reservation{Scope: scope, OrderNo: "begun", Now: now, Until: now.Add(time.Minute), Channel: "wx_lite",
		Number: func(int, int) string { return "begun" }}); err != nil {
		t.Fatal(err)
	}
	not := func(p *Preview) (all string) {
		for _, n := range p.Not {
			all += fmt.Sprintf("%d %s %s %v; ", n.Count, n.Code, n.State, n.Events)
		}
		return all
	}
	for _, tc := range []struct {
		intent            Intent
		matched, eligible int
		amount            int64
		not               string
	}{
		{Intent{}, 4, 3, 700, "1 never_made created [begun]; "},
		{Intent{Since: "4h"}, 3, 2, 300, "1 never_made created [begun]; "},
		{Intent{Until: "4h"}, 1, 1, 400, ""},
		{Intent{States: []string{"expired"}, Since: "4h"}, 1, 1, 200, ""},
		{Intent{States: []string{"paid", "created"}}, 3, 1, 100, "1 known paid [paid]; 1 never_made created [begun]; "},
		{Intent{App: "app_1", Mode: "test"}, 0, 0, 0, ""},
	} {
		tc.intent.Action = ActionQuery
		p, err := d.Preview(t.Context(), tc.intent)
		if err != nil {
			t.Errorf("%+v: %v", tc.intent, err)
			continue
		}
		if p.Matched != tc.matched || p.Eligible != tc.eligible || p.Amount != tc.amount || not(p) != tc.not || p.Rate != 5 || p.Until == "" {
			t.Errorf("%+v:\n%+v\n%s", tc.intent, p, not(p))
		}
		again, err := d.Preview(t.Context(), p.Intent)
		if err != nil || again.Matched != p.Matched || again.Until != p.Until || again.Since != p.Since {
			t.Errorf("what the preview says, asked for once more: %+v, %v", again, err)
		}
	}
	for want, i := range map[string]Intent{
		"order_no does not go with query":    {Action: ActionQuery, OrderNo: "open"},
		"type does not go with query":        {Action: ActionQuery, Type: "charge.succeeded"},
		"through does not go with query":     {Action: ActionQuery, Through: 1},
		"again does not go with query":       {Action: ActionQuery, Again: true},
		`state "dead" is not one of`:         {Action: ActionQuery, States: []string{"dead"}},
		"rate must be 1 to 1000 orders":      {Action: ActionQuery, Rate: 1001},
		"until goes with query alone":        {Action: "replay", States: []string{"dead"}, Until: "2h"},
		"is not an action; use replay, rele": {Action: "refund", States: []string{"dead"}},
	} {
		if _, err := d.Preview(t.Context(), i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", i, err, want)
		}
	}
	if _, err := d.Begin(t.Context(), Intent{Action: ActionQuery, States: []string{"paid"}}); err == nil || !strings.Contains(err.Error(), "none of the 1 orders that match can be taken for query: 1 paid; its outcome") {
		t.Error(err)
	}
	if _, err := d.Decide(t.Context(), EventRef{ID: "evt_paid"}, ActionQuery, Decision{}); err == nil || !strings.Contains(err.Error(), "is not an action") {
		t.Errorf("a query about an event: %v", err)
	}
}

// A query by filter asks about each order once, also when its process ends on the way; what Ping++ cannot say is told, and what was begun later is left alone.
func TestQueryByFilter(t *testing.T) {
	d := newDesk(t)
	const many = 40
	now := time.Now().Add(-time.Minute)
	for i := range many {
		d.charge(scope, fmt.Sprint("o", i), 100, now.Add(time.Duration(i)*time.Second/2))
	}
	d.charge(testScope, "t", 100, now)
	var second atomic.Bool // process
	asked := d.asks(func(ctx context.Context, no string) error {
		switch {
		case no == "o7":
			return errors.New("no route to Ping++")
		case no == "o5" && !second.Load(): // the first process is told to stop before it has an answer
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	p := must(d.Preview(t.Context(), Intent{Action: ActionQuery, Said: "mark", Rate: 20}))
	d.charge(scope, "later", 900, time.Now())
	run := must(d.Begin(t.Context(), p.Intent))
	if run.State != "running" || run.Eligible != many+1 || run.By != "address 127.0.0.1" || run.Said != "mark" {
		t.Fatalf("%+v", run)
	}
	stop := d.carry("a")
	d.until(run.ID, "a part of it", func(r *RunView) bool { return r.Decided >= 5 })
	stop()
	if part := must(d.Run(t.Context(), run.ID)); part.State != "running" || part.Decided >= many {
		t.Fatalf("%+v", part)
	}
	second.Store(true)
	d.carry("b")
	run = d.until(run.ID, "the end", ended)
	if run.State != "done" || run.Decided != many || len(run.Left) != 1 || run.Left[0].Code != "unanswered" || run.Left[0].Events[0] != "o7" {
		t.Errorf("%+v", run)
	}
	got := asked()
	if got[0] != "live o39" || got[len(got)-1] != "test t" || slices.Contains(got, "live later") {
		t.Errorf("asked about %q", got)
	}
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != many+1 {
		t.Errorf("asked about %d orders", n)
	}
}
