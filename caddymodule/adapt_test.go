package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var update = flag.Bool("update", false, "write what the fixtures in testdata/adapt ought to expect; read the diff")

const fixtureRule = "----------\n"

// TestAdapt reads fixtures: a Caddyfile, a line of dashes, and the JSON or the error that becomes of it.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddytest")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".caddytest")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := strings.Cut(string(raw), fixtureRule)
			if !ok {
				t.Fatalf("%s has no line of ten dashes", file)
			}
			got := adapted(t, input)
			if *update {
				if err := os.WriteFile(file, []byte(input+fixtureRule+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("adapts to\n%s\ninstead of\n%s", got, want)
			}
			if failed := !strings.HasPrefix(got, "{"); failed != strings.HasPrefix(name, "error_") {
				t.Errorf("whether it adapts is not what the name %s says", name)
			} else if failed && !strings.Contains(got, "Caddyfile:") {
				t.Error("the error does not say in which line")
			}
			if formatted := string(caddyfile.Format([]byte(input))); formatted != input {
				t.Errorf("caddy fmt would make it\n%s", formatted)
			}
		})
	}
}

// adapted is a Caddyfile's JSON, indented, or its error, and a line break. Warnings count as errors.
func adapted(t *testing.T, input string) string {
	t.Helper()
	raw, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err.Error() + "\n"
	}
	if len(warnings) > 0 {
		return warnings[0].String() + "\n"
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, withoutLines(raw), "", "\t"); err != nil {
		t.Fatal(err)
	}
	return indented.String() + "\n"
}

var linesInJSON = regexp.MustCompile(`,"lines":\{[^{}]*\}|"lines":\{[^{}]*\},?`)

// withoutLines is JSON as somebody would write it by hand, who knows of no Caddyfile.
func withoutLines(raw []byte) []byte { return linesInJSON.ReplaceAll(raw, nil) }

// Secrets stay placeholders in the configuration that the admin API shows and autosave keeps.
func TestAdaptKeepsPlaceholders(t *testing.T) {
	for _, name := range []string{"PINGPP_KEY", "WECHAT_SECRET", "PAY_SESSION_KEY", "PAY_BACKEND_TOKEN", "PAY_EVENTS_SECRET"} {
		t.Setenv(name, "the-value-of-"+name)
	}
	raw, err := os.ReadFile("testdata/adapt/full.caddytest")
	if err != nil {
		t.Fatal(err)
	}
	input, _, _ := strings.Cut(string(raw), fixtureRule)
	got := adapted(t, input)
	if strings.Contains(got, "the-value-of-") {
		t.Errorf("a value is in the configuration:\n%s", got)
	}
	for _, want := range []string{"{env.PINGPP_KEY}", "{env.WECHAT_SECRET}", "{env.PAY_SESSION_KEY}", "{env.PAY_BACKEND_TOKEN}",
		"{env.PAY_EVENTS_SECRET}", "{file./run/secrets/pingpp.pub.pem}", "{order_no}"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is gone", want)
		}
	}
}

// The Caddyfiles that people copy adapt without a warning, and `caddy fmt` leaves them as they are.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../*Caddyfile*")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../examples/*/*Caddyfile*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := adapted(t, string(raw)); !strings.HasPrefix(got, "{") {
				t.Error(got)
			}
			if got := caddyfile.Format(raw); !bytes.Equal(got, raw) {
				t.Errorf("caddy fmt would make it\n%s", got)
			}
		})
	}
}
