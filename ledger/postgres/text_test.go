package postgres

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddypay/caddypay/ledger"
)

// Whatever comes from outside can be kept, comes back as it was, and is the same as nothing else.
func TestText(t *testing.T) {
	seen := make(map[string]string)
	for _, s := range []string{"", "evt_1", "订单", "a\x00b", "\x00", "\xff", "a\xe8\xae", "\ufffd", mark, mark + "00", "00", mark + mark, "\x00" + mark + "\xff"} {
		kept := escape(s)
		if !utf8.ValidString(kept) || strings.Contains(kept, "\x00") {
			t.Errorf("%q is kept as %q, which PostgreSQL refuses", s, kept)
		}
		if other, twice := seen[kept]; twice {
			t.Errorf("%q is kept as %q is", s, other)
		}
		seen[kept] = s
		if back, err := unescape(kept); err != nil || back != s {
			t.Errorf("%q comes back as %q (%v)", s, back, err)
		}
	}
	for _, s := range []string{mark, mark + "0", mark + "zz"} {
		if _, err := unescape(s); err == nil {
			t.Errorf("%q is read", s)
		}
	}
}

// An event is recorded whatever the bytes of what it names.
func TestOddNames(t *testing.T) {
	l := openLedger(t)
	const odd = "\x00\xff" + mark
	paid := payment("evt_"+odd, odd)
	refused := payment("evt_2"+odd, "2"+odd)
	refused.State, refused.Reasons = ledger.Held, []string{ledger.ReasonUnreadable}
	refused.Change, refused.Payment = nil, nil
	for _, e := range []*ledger.Event{paid, refused} {
		for _, want := range []ledger.Appended{ledger.Recorded, ledger.Duplicate} {
			if did, err := l.Append(t.Context(), e); err != nil || did != want {
				t.Errorf("%q: %q, %v", e.ID, did, err)
			}
		}
	}
}
