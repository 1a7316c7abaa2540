package desk

import (
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"
)

func newFaults() *Faults {
	return NewFaults(map[string]Kinds{"pay": {Names: []string{"502", "slow", "late"}}},
		map[string]Kinds{"login": {Names: []string{"502"}, Codes: regexp.MustCompile(`^[1-9][0-9]{4}$`), More: ", or an errcode"}})
}

// Faults of one operation happen in their order, as often as they should, to those who ask for their kind.
func TestFaultsHappen(t *testing.T) {
	fs := newFaults()
	for _, f := range []Fault{{On: "pay", Name: "late", Times: 1}, {On: "pay", Name: "502", Times: 2}, {On: "login", Name: "45011", Times: 1}, {On: "pay", Name: "slow", Times: 1, Delay: time.Second}} {
		if err := fs.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	if f, ok := fs.Take("pay", []string{"slow", "502"}); !ok || f.Name != "502" || f.Times != 1 {
		t.Errorf("%+v, %t", f, ok)
	}
	for _, want := range []string{"late", "502", "slow", ""} {
		if f, ok := fs.Call("pay"); f.Name != want || ok != (want != "") {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	if left := fs.Left(); len(left) != 1 || left[0] != (Fault{On: "login", Name: "45011", Times: 1}) {
		t.Errorf("left: %+v", left)
	}
	if _, ok := fs.Call("login", "502"); ok {
		t.Error("a fault of another kind happened")
	}
	if calls := fs.Calls(); !maps.Equal(calls, map[string]int{"pay": 4, "login": 1}) {
		t.Errorf("%v", calls)
	}
	fs.Clear()
	if left := fs.Left(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// What cannot be set says what can.
func TestFaultsRefuse(t *testing.T) {
	fs := newFaults()
	for want, f := range map[string]Fault{
		"one of login, pay":               {On: "x", Name: "502", Times: 1},
		"one of 502, slow, late":          {On: "pay", Name: "45011", Times: 1},
		"one of 502, or an errcode":       {On: "login", Name: "slow", Times: 1},
		"times from 1 to 1000000":         {On: "pay", Name: "502"},
		"times from 1 to 1000000 ":        {On: "pay", Name: "502", Times: MaxTimes + 1},
		"delay_ms from 0 to 3600000":      {On: "pay", Name: "502", Times: 1, Delay: MaxDelay + 1},
		"a delay of -1ns: write delay_ms": {On: "pay", Name: "502", Times: 1, Delay: -1},
	} {
		if err := fs.Set(f); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%+v: %v, want %s", f, err, want)
		}
	}
	for range maxFaults {
		if err := fs.Set(Fault{On: "pay", Name: "502", Times: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.Set(Fault{On: "pay", Name: "502", Times: 1}); err == nil || !strings.Contains(err.Error(), "DELETE /sandbox/faults") {
		t.Errorf("%v", err)
	}
}
