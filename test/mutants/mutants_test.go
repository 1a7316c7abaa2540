package main

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// module writes a module of one package, price, and returns its folder.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module planted\n\ngo 1.26\n"
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const price = `package price

import "time"

type Bill struct{ Amount, Paid int64 }

// Due is what is still to pay.
func (b Bill) Due(closed bool) int64 {
	if closed || b.Paid >= b.Amount {
		return 0
	}
	return b.Amount - b.Paid
}

// Add is asserted but for its note.
func (b *Bill) Add(fen int64, note func()) {
	b.Paid += fen
	note()
}

// Odd is asserted for a number to which its end makes no difference.
func Odd(n int) bool { return n > 1 }

// Late is what no test comes by.
func Late(at, end time.Time) bool { return at.After(end) }
`

const priceTest = `package price

import "testing"

func TestDue(t *testing.T) {
	for _, c := range []struct {
		bill   Bill
		closed bool
		want   int64
	}{{Bill{5, 2}, false, 3}, {Bill{5, 2}, true, 0}, {Bill{5, 5}, false, 0}, {Bill{5, 9}, false, 0}} {
		if got := c.bill.Due(c.closed); got != c.want {
			t.Error(c, got)
		}
	}
}

func TestOdd(t *testing.T) {
	if !Odd(5) {
		t.Error()
	}
}

func TestAdd(t *testing.T) {
	b := Bill{}
	if b.Add(5, func() {}); b.Paid != 5 {
		t.Error(b)
	}
}
`

func unlisted(*mutant) bool { return false }

// TestNotices: a change that a test asserts is noticed, one that none asserts survives, and so does one that none comes by.
func TestNotices(t *testing.T) {
	dir := module(t, map[string]string{"price/price.go": price, "price/price_test.go": priceTest})
	g := group{name: "price", changed: []source{{pkg: "price"}}, tests: []string{"price"}}
	pkgs, err := load(dir, g.changed)
	if err != nil {
		t.Fatal(err)
	}
	ms := mutantsOf(pkgs)
	results := t.TempDir()
	b, err := prepare(t.Context(), dir, results, g, pkgs, ms, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	found, err := b.try(t.Context(), ms, unlisted, 2, 0, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]verdict{}
	for _, r := range found {
		got[r.Key] = r.Verdict
	}
	want := map[string]verdict{
		"Due: closed || b.Paid >= b.Amount → true": noticed,
		"Due: closed → false":                      noticed,
		"Due: b.Paid >= b.Amount → false":          noticed,
		// Nothing is due either way: 0 and 5 - 5. It is the kind that the list of survivors is for.
		"Due: b.Paid >= b.Amount → b.Paid > b.Amount": survived,
		"Due: return b.Amount - b.Paid → zero":        noticed,
		"Due: b.Amount - b.Paid → b.Amount + b.Paid":  noticed,
		"Add: b.Paid += fen → removed":                noticed,
		"Add: note() → removed":                       survived,
		"Odd: n > 1 → n >= 1":                         unreached,
		"Odd: n > 1 → false":                          noticed,
		"Odd: n > 1 → true":                           unreached,
		"Late: at.After(end) → !at.Before(end)":       unreached,
		"Late: at.After(end) → false":                 unreached,
		"Late: at.After(end) → true":                  unreached,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}

	// What is known of the same code and tests is not tried again.
	again, err := prepare(t.Context(), dir, results, g, pkgs, ms, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.known) != len(want) || len(again.units) != 3 {
		t.Errorf("%d results and %d tests are known", len(again.known), len(again.units))
	}
	again.units = nil // which would leave all unreached
	if found, err = again.try(t.Context(), ms, unlisted, 1, 0, t.Logf); err != nil || len(found) != len(want) {
		t.Fatal(len(found), err)
	}
	for _, r := range found {
		if r.Verdict != want[r.Key] {
			t.Errorf("%s was %s, and is %s", r.Key, want[r.Key], r.Verdict)
		}
	}

	// A test that is added is the only one that is run without a mutant, and what was noticed stays so; what survived is tried again, by it alone.
	more := "package price\n\nimport \"testing\"\n\nfunc TestNote(t *testing.T) {\n\tnoted := false\n\tif (&Bill{}).Add(5, func() { noted = true }); !noted {\n\t\tt.Error()\n\t}\n}\n"
	file := filepath.Join(dir, "price", "note_test.go")
	if err := os.WriteFile(file, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	measured := 0
	say := func(format string, args ...any) { measured++; t.Logf(format, args...) }
	third, err := prepare(t.Context(), dir, results, g, pkgs, ms, say)
	if err != nil {
		t.Fatal(err)
	}
	if measured != 1 || len(third.units) != 4 || len(third.known) != 7 {
		t.Errorf("%d tests were run, of %d; %d results are known", measured, len(third.units), len(third.known))
	}
	of := func(key string) *mutant {
		return ms[slices.IndexFunc(ms, func(m *mutant) bool { return m.key == key })]
	}
	if r := third.one(t.Context(), of("Add: note() → removed"), 0); r.Verdict != noticed || r.By != "TestNote" {
		t.Error(r)
	}
	const same = "Due: b.Paid >= b.Amount → b.Paid > b.Amount"
	if r := third.one(t.Context(), of(same), 0); r.Verdict != survived || len(third.batches(of(same))) != 0 {
		t.Error(r, third.batches(of(same)))
	}
	// A test that is changed may notice less, and other code may be noticed by none.
	for name, text := range map[string]string{"price_test.go": priceTest + "\n// more\n", "price.go": price + "\n// more\n"} {
		if err := os.WriteFile(filepath.Join(dir, "price", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		measured = 0
		if b, err := prepare(t.Context(), dir, results, g, pkgs, ms, say); err != nil || len(b.known) != 0 || measured != 4 || len(b.batches(of(same))) != 1 {
			t.Error(name, len(b.known), measured, err)
		}
	}

	// What is on the list is tried by the tests of its first seconds alone, and that is no answer for what is not.
	fresh := t.TempDir()
	slow := func(listed bool) result {
		b, err := prepare(t.Context(), dir, fresh, g, pkgs, ms, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range b.units {
			u.Took = time.Hour
			b.passed["Add: note() → removed"] = map[string]bool{"price TestAdd": true}
		}
		found, err := b.try(t.Context(), []*mutant{of("Add: note() → removed")}, func(*mutant) bool { return listed }, 1, 0, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		return found[0]
	}
	for range 2 { // the second time it is known
		if r := slow(true); r.Verdict != survived || !r.Cut {
			t.Error(r)
		}
	}
	if r := slow(false); r.Verdict != noticed || r.Cut {
		t.Error(r)
	}

	// Tests that take too long are ended.
	if _, err := b.units[0].bin.run(t.Context(), time.Nanosecond, nil); !errors.Is(err, errSlow) {
		t.Error(err)
	}
}

// TestFailsWithoutMutants: tests that fail by themselves notice nothing.
func TestFailsWithoutMutants(t *testing.T) {
	dir := module(t, map[string]string{"price/price.go": price, "price/price_test.go": strings.Replace(priceTest, "false, 3}", "false, 4}", 1)})
	g := group{name: "price", changed: []source{{pkg: "price"}}, tests: []string{"price"}}
	pkgs, err := load(dir, g.changed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = prepare(t.Context(), dir, t.TempDir(), g, pkgs, mutantsOf(pkgs), t.Logf)
	if err == nil || !strings.Contains(err.Error(), "TestDue in price fails without a mutant") {
		t.Error(err)
	}
}

// TestChanges: what is changed, and what is left alone.
func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		want []string
	}{
		"both sides of and": {"func f(a, b bool) bool { return a && b }", []string{"a && b → false", "a → true", "b → true"}},
		"parts of parts": {"func f(a, b, c bool) bool { return !(a || b) && c }",
			[]string{"!(a || b) && c → false", "!(a || b) → true", "a → false", "b → false", "c → true"}},
		"a loop does not go on for ever": {"func f(n int) { for i := 0; i < n; i++ { g() } }\nfunc g() {}",
			[]string{"i < n → i <= n", "i < n → false", "g() → removed"}},
		"errors are passed on": {"func f() (int, error) { n, err := g(); if err != nil { return n + 1, err }; return n, nil }\nfunc g() (int, error) { return 7, nil }",
			[]string{"n + 1 → n - 1", "return n, nil → zero n", "return 7, nil → zero 7"}},
		"errors of their own type": {"func f() (int, error) { return 7, g() }\nfunc g() *os.PathError { return &os.PathError{} }", []string{"return &os.PathError{} → zero"}},
		"fields that are there": {"type T struct { A, B int; C string; D *T }\nfunc f(n int) T { return T{A: n, B: 0, C: \"c\", D: nil} }",
			[]string{"return T{A: n, B: 0, C: \"c\", D: nil} → zero", "A: n → left out", "C: \"c\" → left out"}},
		"constants are whole":      {"const a = 1 + 2\nfunc f() time.Duration { return a * time.Second }", []string{"return a * time.Second → zero"}},
		"locks and what frees":     {"func f(mu *sync.Mutex, c io.Closer) { mu.Lock(); defer mu.Unlock(); defer c.Close() }", nil},
		"what is called only once": {"func f(next func() int) int { return next() + 1 }", []string{"return next() + 1 → zero"}},
		"true and false":           {"func f() bool { return true }", []string{"return true → false"}},
		"the greater":              {"func f(a, b int) (c int) { c = min(a, b); return }", []string{"c = min(a, b) → removed", "min(a, b) → max"}},
		"going on":                 {"func f(s []int) { for range s { continue } }", []string{"continue → removed"}},
		"what is waited for":       {"func f(c chan int) { select { case c <- 1: f(nil); default: } }", []string{"f(nil) → removed"}},
		"the same once more":       {"func f() {}\nfunc g() { f(); f() }", []string{"f() → removed", "f() → removed #2"}},
	} {
		t.Run(name, func(t *testing.T) {
			code := "package price\n\nimport (\n\t\"io\"\n\t\"os\"\n\t\"sync\"\n\t\"time\"\n)\n\nvar _ io.Closer\nvar _ os.PathError\nvar _ sync.Mutex\nvar _ time.Time\n\n" + c.code
			dir := module(t, map[string]string{"price/price.go": code, "price/price_test.go": "package price\n"})
			g := group{name: "price", changed: []source{{pkg: "price"}}, tests: []string{"price"}}
			pkgs, err := load(dir, g.changed)
			if err != nil {
				t.Fatal(err)
			}
			ms := mutantsOf(pkgs)
			var got []string
			for _, m := range ms {
				_, change, _ := strings.Cut(m.key, ": ")
				got = append(got, change)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
			if _, _, err := build(t.Context(), dir, t.TempDir(), g, pkgs, ms); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestList: what the list of survivors may say.
func TestList(t *testing.T) {
	all := named{"f: a": "price", "f: b": "price", "f: c": "price"}
	results := []result{{Key: "f: a", Verdict: survived}, {Key: "f: b", Verdict: noticed, By: "TestB"}}
	for range 98 {
		results = append(results, result{Key: "g: x", Verdict: noticed, By: "TestX"})
	}
	many := func(alive int) []result { // of a hundred
		rs := slices.Clone(results)
		for i := range alive {
			rs[i] = result{Key: "f: a", Verdict: survived}
		}
		return rs
	}
	for name, c := range map[string]struct {
		list    string
		results []result
		want    string
	}{
		"excused":               {"# comment\nf: a\n\tIt is\n\tas good.\n", results, ""},
		"not excused":           {"", results, "survived; write a test that notices it, or why none need to: f: a\n"},
		"excused and not tried": {"f: a\n\tr\nf: c\n\tr\n", results, ""},
		"gone":                  {"f: a\n\tr\nf: d\n\tr\n", results, "line 3 of the list names what is no mutant any more; take it off, or correct it: f: d\n"},
		"noticed":               {"f: a\n\tr\nf: b\n\tr\n", results, "line 3 of the list names a mutant that is noticed now, by TestB; take it off: f: b\n"},
		"one in ten":            {"f: a\n\tr\n", many(10), ""},
		"more than one in ten":  {"f: a\n\tr\n", many(11), "11 of 100 mutants of price survive; at most 10 % may\n"},
		"one of a few":          {"f: a\n\tr\n", results[:2], ""},
		"none comes by":         {"", []result{{Key: "f: a", Verdict: unreached}}, "unreached; write a test that notices it, or why none need to: f: a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			es, err := readExcuses(strings.NewReader(c.list))
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.results {
				c.results[i].group = "price"
			}
			var out bytes.Buffer
			if err := judge(&out, es, all, c.results); (err != nil) != (c.want != "") || out.String() != c.want {
				t.Errorf("%v, and prints %q", err, &out)
			}
		})
	}
	for list, want := range map[string]string{
		"f: a\n":               "line 1: f: a has no reason",
		"\twhy\n":              "line 1: a reason without a mutant",
		"f: a\n\tr\nf: a\n\tr": "line 3: f: a is on the list already",
	} {
		if _, err := readExcuses(strings.NewReader(list)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", list, err)
		}
	}
}

// TestNames: what is as good as the code of one group may be a fault of another's.
func TestNames(t *testing.T) {
	first, second, all := group{name: "price"}, group{name: "shop"}, named{}
	for _, g := range []group{first, second} {
		all.add("f: a", g)
	}
	all.add("f: b", second)
	for want, got := range map[string]string{"f: a": all.name("f: a", first), "f: a in shop": all.name("f: a", second), "f: b": all.name("f: b", second)} {
		if got != want || all[got] == "" {
			t.Errorf("%q is called %q", want, got)
		}
	}
}

// TestSurvivors: the list of this repository can be read, and names mutants that there are.
func TestSurvivors(t *testing.T) {
	list, err := os.Open("survivors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	es, err := readExcuses(list)
	if err != nil {
		t.Fatal(err)
	}
	all := named{}
	for _, g := range groups {
		pkgs, err := load("../..", g.changed)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mutantsOf(pkgs) {
			all.add(m.key, g)
		}
	}
	for _, e := range es {
		if all[e.key] == "" {
			t.Errorf("line %d names what is no mutant any more: %s", e.line, e.key)
		}
	}
}

// TestHangs: a mutant that keeps a test from its end is noticed by that, and soon.
func TestHangs(t *testing.T) {
	const code = "package price\n\n// Wait asks until it is done.\nfunc Wait(done func(int) bool) {\n\tfor n := 0; ; n++ {\n\t\tif done(n) {\n\t\t\tbreak\n\t\t}\n\t}\n}\n"
	const test = "package price\n\nimport \"testing\"\n\nfunc TestWait(t *testing.T) { Wait(func(n int) bool { return n == 3 }) }\n"
	dir := module(t, map[string]string{"price/price.go": code, "price/price_test.go": test})
	g := group{name: "price", changed: []source{{pkg: "price"}}, tests: []string{"price"}}
	pkgs, err := load(dir, g.changed)
	if err != nil {
		t.Fatal(err)
	}
	ms := mutantsOf(pkgs)
	b, err := prepare(t.Context(), dir, t.TempDir(), g, pkgs, ms, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	m := ms[slices.IndexFunc(ms, func(m *mutant) bool { return m.key == "Wait: break → removed" })]
	if r := b.one(t.Context(), m, 0); r.Verdict != hung || r.By != "TestWait" {
		t.Error(r)
	}
}
