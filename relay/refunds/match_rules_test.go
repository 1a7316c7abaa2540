package refunds

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// What may explain a refund whose answer was lost, and what not.
func TestRefundMatch(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	ours := ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", Amount: 300, Description: "d", State: ledger.RefundAsked, Created: now}
	other := func(change func(*ledger.Refund)) ledger.Refund {
		re := ours
		re.RefundNo, re.State, re.ID = "R0", ledger.RefundPending, "re_0"
		change(&re)
		return re
	}
	elsewhere := other(func(re *ledger.Refund) { re.RefundNo = "" })
	lost := other(func(re *ledger.Refund) { re.ID, re.State = "", ledger.RefundAsked })
	at := func(id, description string, change func(*pingpp.Refund)) *pingpp.Refund {
		re := &pingpp.Refund{ID: id, ChargeID: "ch_1", Amount: 300, Created: now.Unix(), Description: description, Metadata: map[string]string{}}
		if change != nil {
			change(re)
		}
		return re
	}
	for name, c := range map[string]struct {
		records []ledger.Refund
		listed  []*pingpp.Refund // the newest first
		want    string           // its id; ambiguous; or nothing
	}{
		"nothing there":        {[]ledger.Refund{ours}, nil, ""},
		"our number":           {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "d", nil), at("re_1", "x", func(re *pingpp.Refund) { re.Metadata["pay_refund_no"] = "R1" })}, "re_1"},
		"another's number":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Metadata["pay_refund_no"] = "R2" })}, ""},
		"no number":            {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", nil)}, "re_1"},
		"nothing at all":       {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "", func(re *pingpp.Refund) { re.Metadata, re.Created = nil, 0 })}, "re_1"},
		"words of somebody's":  {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "by hand", nil)}, "re_1"},
		"ours and by hand":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "by hand", nil), at("re_1", "d", nil)}, "re_1"},
		"two in our words":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "d", nil), at("re_1", "d", nil)}, "ambiguous"},
		"two by hand":          {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_2", "", nil), at("re_1", "x", nil)}, "ambiguous"},
		"listed twice":         {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", nil), at("re_1", "d", nil)}, "re_1"},
		"another amount":       {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Amount = 301 })}, ""},
		"another charge":       {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.ChargeID = "ch_2" })}, ""},
		"made long before":     {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Created -= 901 })}, ""},
		"a clock that is slow": {[]ledger.Refund{ours}, []*pingpp.Refund{at("re_1", "d", func(re *pingpp.Refund) { re.Created -= 900 })}, "re_1"},
		"another of ours":      {[]ledger.Refund{ours, other(func(*ledger.Refund) {})}, []*pingpp.Refund{at("re_0", "d", nil)}, ""},
		"told before we asked": {[]ledger.Refund{elsewhere, ours}, []*pingpp.Refund{at("re_0", "d", nil)}, ""},
		"told since":           {[]ledger.Refund{ours, elsewhere}, []*pingpp.Refund{at("re_0", "d", nil)}, "re_0"},
		"two lost, one there":  {[]ledger.Refund{lost, ours}, []*pingpp.Refund{at("re_1", "d", nil)}, "re_1"},
		"two lost, two there":  {[]ledger.Refund{ours, lost}, []*pingpp.Refund{at("re_2", "d", nil), at("re_1", "d", nil)}, "re_1"},
		"two lost, three there": {[]ledger.Refund{ours, lost},
			[]*pingpp.Refund{at("re_3", "d", nil), at("re_2", "d", nil), at("re_1", "d", nil)}, "ambiguous"},
		"another amount is lost": {[]ledger.Refund{ours, other(func(re *ledger.Refund) { re.ID, re.State, re.Amount = "", ledger.RefundAsked, 301 })},
			[]*pingpp.Refund{at("re_2", "d", nil), at("re_1", "d", nil)}, "ambiguous"},
	} {
		m := newRefundMatch(&ours, c.records)
		var found *pingpp.Refund
		var err error
		for _, re := range c.listed {
			if m.take(re) {
				found = re
				break
			}
		}
		if found == nil {
			found, err = m.guess()
		}
		got := ""
		switch {
		case err != nil:
			got = "ambiguous"
		case found != nil:
			got = found.ID
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Only refunds of the same amount whose outcome is not known can be what lies at Ping++ without a number: what came to nothing explains nothing.
func TestRefundMatchCountsLostOnes(t *testing.T) {
	re := &ledger.Refund{RefundNo: "R1", ChargeID: "ch_1", Amount: 300, State: ledger.RefundAsked}
	for name, c := range map[string]struct {
		other ledger.Refund
		lost  int
	}{
		"one that was lost too":      {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 300, State: ledger.RefundAsked}, 2},
		"one that was refused":       {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 300, State: ledger.RefundFailed}, 1},
		"one of another amount":      {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 301, State: ledger.RefundAsked}, 1},
		"one that has been answered": {ledger.Refund{RefundNo: "R2", ChargeID: "ch_1", Amount: 300, State: ledger.RefundPending, ID: "re_2"}, 1},
	} {
		if m := newRefundMatch(re, []ledger.Refund{c.other, *re}); m.lost != c.lost {
			t.Errorf("%s: %d may be lost, want %d", name, m.lost, c.lost)
		}
	}
}
