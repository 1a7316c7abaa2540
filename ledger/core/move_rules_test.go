package core_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/memory"
)

func empty() *core.Ledger { return memory.Open(memory.NewRows(), noon).Ledger }

// written is an export of what the live app has.
func written(id string, lines ...core.MoveLine) []byte {
	return core.Written(id, append(slices.Clone(lines), core.MoveLine{Scope: &core.MovedScope{Scope: live}})...)
}

func eventLine(s ledger.Scope, id string) core.MoveLine {
	return core.MoveLine{Event: &core.MovedEvent{Event: core.Event{Event: ledger.Event{Scope: s, ID: id, State: ledger.Filtered, Received: noon, Settled: noon}}}}
}

func chargeLine(s ledger.Scope, number, payment string) core.MoveLine {
	return core.MoveLine{Charge: &core.MovedCharge{Payment: payment, Charge: core.Charge{Charge: ledger.Charge{
		Scope: s, OrderNo: "o", Number: number, ID: "ch_" + number, State: ledger.Open, Created: noon, Raw: []byte("{}")}}}}
}

func refundLine(s ledger.Scope, no string) core.MoveLine {
	return core.MoveLine{Refund: &core.Refund{Refund: ledger.Refund{Scope: s, RefundNo: no, ChargeID: "ch_1", Amount: 1, State: ledger.RefundAsked, Created: noon}}}
}

func auditLine(s ledger.Scope, event, by string) core.MoveLine {
	return core.MoveLine{Audit: &core.MovedAudit{Decision: ledger.Decision{Scope: s, EventID: event, Action: ledger.ActionReplay, Now: noon, By: by}}}
}

func runLine(id string) core.MoveLine {
	return core.MoveLine{Run: &ledger.Run{ID: id, Created: noon, Doc: []byte("doc")}}
}

// several are lines of one kind.
func several(n int, line func(i int) core.MoveLine) (ls []core.MoveLine) {
	for i := range n {
		ls = append(ls, line(i))
	}
	return ls
}

func silent(core.Moved) {}

// told notes how many lines there are each time when something is said about them.
func told(lines *[]int64) func(core.Moved) {
	return func(m core.Moved) { *lines = append(*lines, m.Lines) }
}

// TestMoveOrder: what several apps have is moved in the order in which it was recorded, not one app after the other.
func TestMoveOrder(t *testing.T) {
	test := ledger.Scope{App: "app_1", Mode: ledger.Test}
	of := func(i int) ledger.Scope { return []ledger.Scope{test, live}[i%2] }
	lines := slices.Concat(
		several(6, func(i int) core.MoveLine { return eventLine(of(i), fmt.Sprint("evt_", i)) }),
		several(6, func(i int) core.MoveLine { return chargeLine(of(i), fmt.Sprint("n", i), "") }),
		several(6, func(i int) core.MoveLine { return refundLine(of(i), fmt.Sprint("R", i)) }),
		several(6, func(i int) core.MoveLine { return auditLine(of(i), "", fmt.Sprint("by ", i)) }),
		[]core.MoveLine{{Scope: &core.MovedScope{Scope: live}}, {Scope: &core.MovedScope{Scope: test}}},
	)
	l, export := empty(), core.Written("A", lines...)
	_, err := l.Import(t.Context(), bytes.NewReader(export), noon, silent)
	must(t, err)
	var again bytes.Buffer
	_, err = l.Export(t.Context(), &again, silent)
	must(t, err)
	was, is := strings.SplitAfter(string(export), "\n"), strings.SplitAfter(again.String(), "\n")
	if !slices.Equal(is[1:len(lines)+1], was[1:len(lines)+1]) {
		t.Errorf("%s\nbecame\n%s", export, again.String())
	}
}

// TestMoveMany: more than is moved at once of each kind comes over whole, in steps of which each is told.
func TestMoveMany(t *testing.T) {
	const many = 2*core.MoveBatch + 1
	no := func(i int) string { return fmt.Sprintf("%04d", i) }
	lines := slices.Concat(
		several(many, func(i int) core.MoveLine { return eventLine(live, no(i)) }),
		several(many, func(i int) core.MoveLine { return chargeLine(live, no(i), no(i)) }),
		several(many, func(i int) core.MoveLine {
			return core.MoveLine{Quote: &core.MovedQuote{Scope: live, OrderNo: no(i), Quote: ledger.Quote{Amount: 1, Currency: "cny", At: noon}}}
		}),
		several(many, func(i int) core.MoveLine { return refundLine(live, no(i)) }),
		several(many, func(i int) core.MoveLine { return auditLine(live, no(i), "ops") }),
		several(many, func(i int) core.MoveLine { return runLine(no(i)) }),
		[]core.MoveLine{{Scope: &core.MovedScope{Scope: live, Compared: noon}}},
		several(many, func(i int) core.MoveLine {
			return core.MoveLine{Login: &ledger.Login{Key: []byte(no(i)), Identity: []byte("who"), Expires: noon.UnixMilli()}}
		}),
	)
	counts := map[string]int64{"events": many, "charges": many, "quotes": many, "refunds": many, "audit": many, "runs": many, "scopes": 1, "logins": many}
	var steps []int64
	for n := int64(core.MoveBatch); n <= int64(len(lines)); n += core.MoveBatch {
		steps = append(steps, n)
	}
	var taken, given []int64
	var last map[string]int64
	l := empty()
	m, err := l.Import(t.Context(), bytes.NewReader(core.Written("A", lines...)), noon, func(m core.Moved) { taken, last = append(taken, m.Lines), m.Counts })
	if err != nil || m.Lines != int64(len(lines)) || !reflect.DeepEqual(m.Counts, counts) || !reflect.DeepEqual(last, counts) {
		t.Errorf("%+v, told %v: %v", m, last, err)
	}
	if want := append(slices.Clone(steps), int64(len(lines))); !slices.Equal(taken, want) {
		t.Errorf("told of %v, want %v", taken, want)
	}
	out, err := l.Export(t.Context(), io.Discard, told(&given))
	if err != nil || !reflect.DeepEqual(out, m) || !slices.Equal(given, steps) {
		t.Errorf("exported %+v, want %+v; told of %v, want %v: %v", out, m, given, steps, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := l.Export(ctx, io.Discard, func(core.Moved) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("an export that was called off: %v", err)
	}
}

// TestImportResumes: what came before an import was broken off stays, and the same export goes on from there: nothing is doubled, and nothing is left out.
func TestImportResumes(t *testing.T) {
	const (
		first = core.MoveBatch + 50
		all   = 2*core.MoveBatch + 49
		lines = all + 1 // with that of the scope
	)
	export := written("A", several(all, func(i int) core.MoveLine { return eventLine(live, fmt.Sprint("evt_", i)) })...)
	at := 0
	for range 1 + first {
		at += bytes.IndexByte(export[at:], '\n') + 1
	}
	for name, c := range map[string]struct {
		from io.Reader
		want error
		text string
	}{
		"between two lines": {bytes.NewReader(export[:at]), nil, "line 252: the export is cut off; what came before it stays"},
		"within a line":     {bytes.NewReader(export[:at+9]), nil, "line 252: the export is cut off; what came before it stays"},
		"by what it is on":  {io.MultiReader(bytes.NewReader(export[:at]), iotest.ErrReader(errDisk)), errDisk, "line 252: the disk is away; what came before it stays"},
	} {
		l := empty()
		var steps []int64
		m, err := l.Import(t.Context(), c.from, noon, told(&steps))
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if m.Lines != first || !reflect.DeepEqual(m.Counts, map[string]int64{"events": first}) || !slices.Equal(steps, []int64{core.MoveBatch, first}) || count(t, l) != first {
			t.Errorf("%s: %+v, told of %v, %d are there", name, m, steps, count(t, l))
		}
		steps = nil
		m, err = l.Import(t.Context(), bytes.NewReader(export), noon.Add(time.Hour), told(&steps))
		if err != nil || m.Lines != lines || !slices.Equal(steps, []int64{lines}) || count(t, l) != all { // the lines that were there are not told of again
			t.Errorf("%s, the rest: %+v, told of %v, %d are there: %v", name, m, steps, count(t, l), err)
		}
	}
}

// count is how many events are recorded.
func count(t *testing.T, l *core.Ledger) (n int) {
	t.Helper()
	must(t, l.Rows(t.Context(), func(r core.Reader) error {
		es, err := r.WholeEvents(live, 0, 1<<20)
		n = len(es)
		return err
	}))
	return n
}

// TestImportRefuses: what is no export, or a damaged one, is refused, and it is said where.
func TestImportRefuses(t *testing.T) {
	one := eventLine(live, "evt_1")
	finer := eventLine(live, "evt_1")
	finer.Event.Event.Received = noon.Add(time.Nanosecond) // than any ledger keeps
	good := written("A", one)
	instead := func(old, new string) []byte {
		changed := bytes.Replace(good, []byte(old), []byte(new), 1)
		if bytes.Equal(changed, good) {
			t.Fatalf("there is no %s", old)
		}
		return changed
	}
	for name, c := range map[string]struct {
		export []byte
		want   string
	}{
		"nothing":                      {nil, "this is no exported ledger"},
		"a text":                       {[]byte("SQLite format 3\n"), "this is no exported ledger"},
		"without a head":               {good[bytes.IndexByte(good, '\n')+1:], "this is no exported ledger"},
		"of another version":           {instead(`"format":1`, `"format":2`), "exported in format 2, and this caddypay knows 1; import it with the version that exported it"},
		"a field that nobody knows":    {instead(`"ID":"evt_1"`, `"Novel":"evt_1"`), `line 2: json: unknown field "Novel"; what came before it stays`},
		"a text that is none":          {instead(`"ID":"evt_1"`, `"ID":"\u0000base64:?"`), "line 2: illegal base64"},
		"a line about nothing":         {written("A", one, core.MoveLine{}), "line 3 is about nothing that is known here"},
		"an event twice":               {written("A", one, one), "up to line 4: event evt_1 is there already"},
		"an attempt twice":             {written("A", chargeLine(live, "n", ""), chargeLine(live, "n", "")), "up to line 4: the attempt n of order o is there already"},
		"a run twice":                  {written("A", runLine("r"), runLine("r")), "up to line 4: run r is there already"},
		"paid by what is not there":    {written("A", one, chargeLine(live, "n", "evt_2")), "up to line 4: charge ch_n was paid by the event evt_2, which is not there"},
		"decided of what is not there": {written("A", one, auditLine(live, "evt_2", "ops")), "up to line 4: somebody decided about the event evt_2, which is not there"},
		"a line is gone":               {instead(`"lines":2`, `"lines":3`), "the export is damaged: 2 lines with the sum "},
		"something is another":         {instead(`"ID":"evt_1"`, `"ID":"evt_2"`), "the export is damaged: 2 lines with the sum "},
		"more than can be kept":        {written("A", finer), "is not what was exported"},
	} {
		if _, err := empty().Import(t.Context(), bytes.NewReader(c.export), noon, silent); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	if _, err := empty().Import(t.Context(), bytes.NewReader(good), noon, silent); err != nil {
		t.Errorf("as it is: %v", err)
	}
}

// TestImportOfOlder: what was exported before it was known from which hour on there are tallies is taken in, and is exported as it was.
func TestImportOfOlder(t *testing.T) {
	const older = `{"scope":{"Scope":{"App":"app_1","Mode":"live"},"Compared":"0001-01-01T00:00:00Z","Hours":[{"At":"2026-11-23T12:00:00Z","Charges":1,"Webhook":0,"Query":0,"Paid":0,"Refunded":0}]}}` + "\n"
	l := empty()
	_, err := l.Import(t.Context(), strings.NewReader(fmt.Sprintf(`{"head":{"format":1,"id":"A"}}`+"\n%s"+`{"end":{"counts":{"scopes":1},"sha256":"%x","lines":1}}`+"\n", older, sha256.Sum256([]byte(older)))), noon, silent)
	must(t, err)
	var again bytes.Buffer
	_, err = l.Export(t.Context(), &again, silent)
	if must(t, err); !strings.Contains(again.String(), older) {
		t.Errorf("%s", again.String())
	}
}

// TestImportNeedsEmpty: a ledger that has anything, were it one login or half of another export, is refused before anything is written; one to which nothing
// was imported is empty still.
func TestImportNeedsEmpty(t *testing.T) {
	login := core.MoveLine{Login: &ledger.Login{Key: []byte("k"), Identity: []byte("who"), Expires: noon.Add(time.Hour).UnixMilli()}}
	event := eventLine(live, "evt_1")
	for name, has := range map[string]core.MoveLine{"an event": event, "a run": runLine("r"), "a login": login, "half of another": event} {
		l := empty()
		export := written("A", has)
		if has.Event == nil {
			export = core.Written("A", has)
		}
		if name == "half of another" {
			export = export[:bytes.LastIndex(export, []byte(`{"end"`))]
		}
		if _, err := l.Import(t.Context(), bytes.NewReader(export), noon, silent); (err != nil) != (name == "half of another") {
			t.Fatal(err)
		}
		_, err := l.Import(t.Context(), bytes.NewReader(written("B", eventLine(live, "evt_2"))), noon, func(core.Moved) { t.Errorf("%s: it is written to", name) })
		if !errors.Is(err, core.ErrNotEmpty) {
			t.Errorf("with %s: %v", name, err)
		}
	}
	l := empty()
	for _, export := range [][]byte{core.Written("A"), core.Written("B"), written("C", event), written("C", event)} {
		_, err := l.Import(t.Context(), bytes.NewReader(export), noon, silent)
		if wants := count(t, l) == 0; err != nil && (wants || !errors.Is(err, core.ErrNotEmpty)) {
			t.Error(err)
		}
	}
	if count(t, l) != 1 {
		t.Errorf("%d events are there", count(t, l))
	}
}

// TestImportEnds: the mark by which an import that was broken off goes on ends with it, and takes no login along, were it one that has expired.
func TestImportEnds(t *testing.T) {
	l := empty()
	export := core.Written("A", core.MoveLine{Login: &ledger.Login{Key: []byte("k"), Identity: []byte("who"), Expires: noon.Add(-time.Hour).UnixMilli()}})
	_, err := l.Import(t.Context(), bytes.NewReader(export), noon, silent)
	must(t, err)
	var left []string
	must(t, l.Rows(t.Context(), func(r core.Reader) error {
		ls, err := r.WholeLogins([]byte{}, 9)
		for _, login := range ls {
			if string(login.Key) == "k" || login.Expires > noon.UnixMilli() {
				left = append(left, string(login.Key))
			}
		}
		return err
	}))
	if !slices.Equal(left, []string{"k"}) {
		t.Errorf("left are %q", left)
	}
}
