package payment

import (
	"strings"
	"testing"
)

// A time in another unit is refused, and the message says which it looks like.
func TestTimeInAnotherUnit(t *testing.T) {
	for _, tt := range []struct{ raw, says string }{
		{`1790003600000`, "milliseconds: divide them by 1000"}, {`"1790003600000"`, "milliseconds"}, {`978307200000`, "milliseconds"},
		{`1790003600000000`, "microseconds"}, {`1790003600000000000`, "nanoseconds"},
		{`20261123091000`, "the date 2026-11-23 09:10:00 in digits: write its Unix seconds"}, {`"20261123091000"`, "the date 2026-11-23 09:10:00 in digits"},
		{`202611230910`, "the date 2026-11-23 09:10:00"}, {`20261123`, "the date 2026-11-23 00:00:00"},
		{`7200`, "a duration: add the time of now"}, {`"900"`, "a duration"}, {`1`, "a duration"}, {`2592000`, "a duration"},
		{`"2026-11-23 09:10:00"`, "a date: write its Unix seconds"}, {`"2026/11/23"`, "a date"}, {`"2026-11-23T09:10:00+08:00"`, "a date"}, {`"11/23/2026"`, "a date"},
		{`"2026年11月23日"`, "a date"}, {`1790003600.5`, "no whole number"}, {`1.790003600E9`, "no whole number"}, {`"1790003600.0"`, "no whole number"},
		{`-1`, ""}, {`-1790003600`, ""}, {`4102444800`, ""}, {`978307199`, "a duration"}, {`99999999999999999999`, ""}, {`"soon"`, ""}, {`true`, ""}, {`[]`, ""}, {`{}`, ""}, {`"０"`, ""},
	} {
		o := &Orders{Paths: map[string]string{"time_expire": "t"}}
		_, err := o.parse([]byte(`{"order_no":"1","amount":1,"subject":"x","t":`+tt.raw+`}`), "1")
		if err == nil || !strings.Contains(err.Error(), "time_expire (at t) must be Unix seconds between 2001 and 2100, like 1790003600") || !strings.Contains(err.Error(), tt.says) ||
			tt.says == "" && strings.Contains(err.Error(), "looks like") {
			t.Errorf("%s: %v\ndoes not say %q", tt.raw, err, tt.says)
		}
	}
	for raw, want := range map[string]int64{`1790003600`: 1790003600, `"1790003600"`: 1790003600, `978307200`: 978307200, `4102444799`: 4102444799, `0`: 0, `"0"`: 0, `""`: 0, `null`: 0} {
		o := &Orders{Paths: map[string]string{"time_expire": "t"}}
		q, err := o.parse([]byte(`{"order_no":"1","amount":1,"subject":"x","t":`+raw+`}`), "1")
		if err != nil || want == 0 && !q.TimeExpire.IsZero() || want != 0 && q.TimeExpire.Unix() != want {
			t.Errorf("%s: %v, %v", raw, q, err)
		}
	}
	if _, err := (&Orders{}).parse([]byte(`{"order_no":"1","amount":1,"subject":"x","time_expire":"1790003600"}`), "1"); err == nil ||
		!strings.Contains(err.Error(), "a number as text: write it without quotes") {
		t.Error(err)
	}
}
