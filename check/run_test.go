package check

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// Checks run side by side, a slow or broken one is a finding of its own, and the order is that of the checks.
func TestRun(t *testing.T) {
	both := make(chan struct{}, 1)
	meet := func(first bool) func(context.Context) []Finding {
		return func(ctx context.Context) []Finding {
			if first {
				both <- struct{}{}
				return one(OK, say("a", "a"), Words{})
			}
			select { // only if the other one runs meanwhile
			case <-both:
				return one(Warn, say("b", "b"), Words{})
			case <-ctx.Done():
				return nil
			}
		}
	}
	hung := make(chan struct{})
	defer close(hung)
	start := time.Now()
	found := run(t.Context(), []Check{
		{ID: "b", Run: meet(false)},
		{ID: "hangs", Site: "s", Run: func(context.Context) []Finding { <-hung; return nil }},
		{ID: "waits", Run: func(ctx context.Context) []Finding {
			<-ctx.Done()
			return one(Fail, say("no answer", "无响应"), Words{})
		}},
		{ID: "panics", Run: func(context.Context) []Finding { panic("no") }},
		{ID: "a", Site: "s", Run: meet(true)},
		{ID: "many", Run: func(context.Context) []Finding {
			return []Finding{{Result: OK}, {ID: "other", Site: "t", Result: Fail}}
		}},
	}, 2*time.Second, time.Minute)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.Result.Mark()+f.Site+"/"+f.ID)
	}
	if want := []string{"!/b", "?s/hangs", "✗/waits", "?/panics", "✓s/a", "✓/many", "✗t/other"}; !slices.Equal(got, want) {
		t.Errorf("got %q, not %q", got, want)
	}
}

// However many checks hang, all is over in time.
func TestRunEndsInTime(t *testing.T) {
	hung := make(chan struct{})
	defer close(hung)
	var checks []Check
	for range 3 * atOnce {
		checks = append(checks, Check{ID: "hangs", Run: func(context.Context) []Finding { <-hung; return nil }})
	}
	found := run(t.Context(), checks, time.Hour, 50*time.Millisecond)
	if len(found) != len(checks) || len(outcome(found, Unknown)) != len(checks) {
		t.Errorf("%d findings, %d unknown", len(found), len(outcome(found, Unknown)))
	}
}

// The exit code tells warnings from failures, and both from what nobody could find out.
func TestReport(t *testing.T) {
	for _, tt := range []struct {
		results []Result
		exit    int
		worst   Result
	}{
		{nil, 0, OK}, {[]Result{OK}, 0, OK}, {[]Result{OK, Warn}, 2, Warn}, {[]Result{Warn, Unknown}, 3, Unknown}, {[]Result{Unknown, Fail, OK}, 1, Fail},
	} {
		var found []Finding
		for _, r := range tt.results {
			found = append(found, Finding{ID: "x", Result: r, Text: say("well", "好")})
		}
		r := NewReport(found, "en")
		if r.Exit() != tt.exit || r.Result != tt.worst || len(found) > 0 && r.Findings[0].Result != tt.worst {
			t.Errorf("%v: exit %d, %s", tt.results, r.Exit(), r.Result)
		}
	}
	v := NewReport([]Finding{{ID: "clock", Result: Fail, Text: say("late", "晚了"), Fix: say("wind it", "上发条")}}, "zh-CN").Findings[0]
	if v.Text != "晚了" || v.Fix != "上发条" || !strings.HasSuffix(v.Docs, "check.zh-CN.md#clock") || v.Commands == nil {
		t.Errorf("%+v", v)
	}
}

// Scripts read these names: a change of one is a change of the product.
func TestReportJSON(t *testing.T) {
	raw, err := json.Marshal(NewReport([]Finding{
		{ID: "pingpp", Site: "shop.test", Result: OK, Text: say("well", "好")},
		{ID: "clock", Result: Warn, Text: say("late", "晚了"), Fix: say("wind it", "上发条"), Commands: []string{"timedatectl status"}},
	}, "en"))
	const want = `{"result":"warn","findings":[` +
		`{"id":"clock","result":"warn","text":"late","fix":"wind it","commands":["timedatectl status"],"docs":"docs/check.md#clock"},` +
		`{"id":"pingpp","site":"shop.test","result":"ok","text":"well","commands":[],"docs":"docs/check.md#pingpp"}]}`
	if err != nil || string(raw) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, raw, want)
	}
}
