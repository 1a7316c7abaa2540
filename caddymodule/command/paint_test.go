package command

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/plain"
)

// States have a colour on a terminal, whatever the pieces that a line is written in; an order of that name in a text has none, and nothing from outside
// brings one.
func TestStatesAreColoured(t *testing.T) {
	const text = "EVENT  STATE\nevt_1  held (amount)  0\nevt_2  dead\n12:00:00  evt_3  → 200 in 1.0 ms, delivered\nthe dead sea\nevt_4\x1b[31m  pending  1\n✗ clock: ! is no mark here\nstate     discarded"
	const want = "EVENT  STATE\nevt_1  \x1b[33mheld\x1b[0m (amount)  0\nevt_2  \x1b[31mdead\x1b[0m\n12:00:00  evt_3  → 200 in 1.0 ms, \x1b[32mdelivered\x1b[0m\nthe dead sea\n" +
		`evt_4\u001b[31m` + "  \x1b[36mpending\x1b[0m  1\n\x1b[31m✗\x1b[0m clock: ! is no mark here\nstate     \x1b[2mdiscarded\x1b[0m"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		p := &painter{w: &out}
		w := plain.NewWriter(p)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if wrote, err := w.Write([]byte(rest[:n])); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			rest = rest[n:]
		}
		if err := p.end(); err != nil || out.String() != want {
			t.Fatalf("by %d: %v\n%q\n%q", size, err, out.String(), want)
		}
	}
}

// A file, a pipe and JSON get none.
func TestColoursAreForTerminals(t *testing.T) {
	cmd := &cobra.Command{}
	for _, name := range []string{os.DevNull, t.TempDir() + "/out"} {
		f := must(os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600))
		if cmd.SetOut(f); coloured(cmd) {
			t.Errorf("%s is coloured", name)
		}
		f.Close()
	}
	if cmd.SetOut(&bytes.Buffer{}); coloured(cmd) {
		t.Error("a buffer is coloured")
	}
}

// Scripts tell what was done in part from what failed, and people read why where all errors stand: as text that acts on no terminal.
func TestExitCode(t *testing.T) {
	for _, code := range []int{1, 2, 3} {
		var notices bytes.Buffer
		cmd := &cobra.Command{SilenceUsage: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return exit(cmd, code, errors.New("3 of 5 were not taken: \x1b[2J"))
		}}
		plainOutput(cmd)
		cmd.SetArgs(nil)
		cmd.SetErr(&notices)
		err := cmd.Execute()
		if err == nil || codeOf(err) != code {
			t.Errorf("%d: %v ends with %d", code, err, codeOf(err))
		}
		if want := "Error: 3 of 5 were not taken: \\u001b[2J\n"; notices.String() != want {
			t.Errorf("%d: %q", code, &notices)
		}
	}
}

// codeOf is what Caddy's main function ends with, whose type for that has no name here.
func codeOf(err error) int {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if code := v.Elem().FieldByName("ExitCode"); code.IsValid() {
			return int(code.Int())
		}
	}
	if below := errors.Unwrap(err); below != nil {
		return codeOf(below)
	}
	return 1
}
