// Package model checks the delivery protocol's model, delivery.pml, with spin.
package model

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

const file = "delivery.pml"

// run checks the model, with the given bugs planted, in a directory of its own, and returns spin's report.
func run(t *testing.T, optimize string, planted ...string) (dir, report string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), source, 0o600); err != nil {
		t.Fatal(err)
	}
	defines := make([]string, len(planted))
	for i, p := range planted {
		defines[i] = "-D" + p
	}
	command(t, dir, "spin", append(append([]string{"-a"}, defines...), file)...)
	command(t, dir, "gcc", optimize, "-w", "-DSAFETY", "-DNOFAIR", "-DMEMLIM=1024", "-o", "pan", "pan.c")
	return dir, command(t, dir, "./pan", "-m10000")
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	if !strings.HasPrefix(name, "./") {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("checking the model needs %s, which is not installed: run `make deps`, or on Debian `apt-get install spin gcc libc6-dev` (%v)", name, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// unreached is a statement that no run ever came to. Spin does not count what is inside of a d_step.
var unreached = regexp.MustCompile(`(?m)^\s+\S+:(\d+), state \d+, "(.*)"$`)

// unreachable is what must not be reached: broken promises, and the end of processes that go on for ever.
var unreachable = regexp.MustCompile(`^(lost|two_workers|two_ids|overtaken|unsaid|undone|untold) = 1$|^assert\(|^-end-$`)

// TestModel looks at every state of the protocol.
func TestModel(t *testing.T) {
	t.Parallel()
	dir, report := run(t, "-O1")
	if !strings.Contains(report, "errors: 0\n") {
		t.Fatalf("a promise is broken:\n%s\n%s", report, command(t, dir, "spin", "-t", "-p", file))
	}
	for _, sign := range []string{"not completed", "max search depth too small", "out of memory"} {
		if strings.Contains(report, sign) {
			t.Fatalf("not every state was looked at:\n%s", report)
		}
	}
	for _, m := range unreached.FindAllStringSubmatch(report, -1) {
		if !unreachable.MatchString(m[2]) {
			t.Errorf("%s:%s never happens in any run: %s", file, m[1], m[2])
		}
	}
	t.Log(regexp.MustCompile(`\d+ states, stored`).FindString(report))
}

// TestPlantedBugs plants one bug at a time in the protocol. Each has to break the promise that it is about.
func TestPlantedBugs(t *testing.T) {
	bugs := map[string]string{
		"ACK_BEFORE_COMMIT":        "lost",
		"NO_LEASE_CHECK":           "two_workers",
		"RENEW_TAKES_BACK":         "two_workers",
		"EFFECT_NOT_UNIQUE":        "two_ids",
		"NO_LANES":                 "overtaken",
		"REFUND_DOES_NOT_ASK":      "overtaken",
		"DEAD_TELLS_REFUND":        "overtaken",
		"DISCARD_UNDER_WAY":        "untold",
		"MARK_DELIVERED_ON_CANCEL": "unsaid",
		"SETTLE_BY_ANYBODY":        "undone",
		"LEND_BEHIND":              "overtaken",
		"TAKE_LATE":                "two_workers",
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#ifn?def (\w+)`).FindAllStringSubmatch(string(source), -1) {
		if bugs[m[1]] == "" {
			t.Errorf("%s knows the bug %s, which no test plants", file, m[1])
		}
	}
	for bug, promise := range bugs {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			_, report := run(t, "-O0", bug)
			if !strings.Contains(report, fmt.Sprintf("assertion violated  !(%s)", promise)) {
				t.Errorf("the promise %q still holds:\n%s", promise, report)
			}
		})
	}
}

// TestNames makes sure that the model speaks of the code's states and actions.
func TestNames(t *testing.T) {
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^mtype = \{ absent, (.*) \};$`).FindSubmatch(source)
	if m == nil {
		t.Fatal("the model has no states")
	}
	want := []string{string(ledger.Pending), string(ledger.Delivered), string(ledger.Dead), string(ledger.Held), string(ledger.Discarded), string(ledger.Filtered)}
	if got := strings.Split(string(m[1]), ", "); !slices.Equal(got, want) {
		t.Errorf("the model's states are %q, the ledger's %q", got, want)
	}
	for _, action := range []string{"Append", "Claim", "Renew", "Settle", "Decide"} {
		if !strings.Contains(string(source), "inline "+action+"(") {
			t.Errorf("the model has no %s", action)
		}
		if _, ok := reflect.TypeFor[ledger.Events]().MethodByName(action); !ok {
			t.Errorf("ledger.Events has no %s", action)
		}
	}
}

// TestCore makes sure that the rules which the model names are those of ledger/core.
func TestCore(t *testing.T) {
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "ledger", "core", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(raw)
	}
	named := 0
	for _, m := range regexp.MustCompile(`[(*] ?core: ([\w,; ]+)`).FindAllStringSubmatch(string(source), -1) {
		for _, name := range regexp.MustCompile(`\w+`).FindAllString(m[1], -1) {
			named++
			if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + name + `\(`).MatchString(code.String()) {
				t.Errorf("%s names %s, which ledger/core does not have", file, name)
			}
		}
	}
	if named < 10 {
		t.Errorf("%s names %d rules", file, named)
	}
}

// TestReadme makes sure that the code which the README says the model stands for exists, and that both languages name the same.
func TestReadme(t *testing.T) {
	var named [2][]string
	for i, page := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range regexp.MustCompile("(?m)^\\|.*`[a-z/]+\\.go`.*$").FindAllString(string(text), -1) {
			cells := strings.Split(row, "|")
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
				named[i] = append(named[i], m[1])
			}
		}
	}
	if len(named[0]) == 0 || !slices.Equal(named[0], named[1]) {
		t.Errorf("README.md and README.zh-CN.md name different code:\n%q\n%q", named[0], named[1])
	}
	var code, path string
	for _, name := range named[0] {
		if strings.HasSuffix(name, ".go") {
			path = name
			raw, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
			if err != nil {
				t.Fatalf("README.md: %v", err)
			}
			code = string(raw)
			continue
		}
		if !regexp.MustCompile(`(?m)^(func (\([^)]*\) )?` + name + `\(|\s*` + name + `\s+=)`).MatchString(code) {
			t.Errorf("README.md: %s has no %s any more; name the code that the model stands for", path, name)
		}
	}
}
