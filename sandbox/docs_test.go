package sandbox_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/pingxx"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
	"github.com/caddypay/caddypay/sandbox/weixin"
)

var (
	leverRow  = regexp.MustCompile("(?m)^\\| `((?:GET|POST|DELETE) /sandbox/[^`]*)` \\|")
	leverLine = regexp.MustCompile(`(?m)^//\t(GET|POST|DELETE) +(/sandbox/\S+)`)
	ticked    = regexp.MustCompile("`([^`]+)`")
)

// docs/sandbox.md lists in both languages every lever of the package's documentation, each of which there is, and every fault.
func TestPages(t *testing.T) {
	source, err := os.ReadFile("sandbox.go")
	if err != nil {
		t.Fatal(err)
	}
	var levers []string
	for _, m := range leverLine.FindAllStringSubmatch(string(source), -1) {
		levers = append(levers, m[1]+" "+m[2])
	}
	b := sandboxtest.Start(t, sandbox.Config{})
	for _, lever := range levers {
		method, path, _ := strings.Cut(lever, " ")
		if a := b.Do(b.Request(method, strings.ReplaceAll(path, "{id}", "x"), "")); strings.Contains(string(a.Body), "no such lever") {
			t.Errorf("there is no %s", lever)
		}
	}
	slices.Sort(levers)
	kinds := pingxx.Faults()
	maps.Copy(kinds, weixin.Faults())
	for _, file := range []string{"../docs/sandbox.md", "../docs/sandbox.zh-CN.md"} {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, m := range leverRow.FindAllStringSubmatch(string(page), -1) {
			listed = append(listed, m[1])
		}
		if slices.Sort(listed); !slices.Equal(listed, levers) {
			t.Errorf("%s lists the levers\n%q, the package\n%q", file, listed, levers)
		}

		_, table, _ := strings.Cut(string(page), "\n| on | fault |\n|---|---|\n")
		table, _, _ = strings.Cut(table, "\n\n")
		faults := map[string][]string{}
		for row := range strings.Lines(table) {
			cells := strings.Split(row, "|")
			if len(cells) != 4 {
				t.Fatalf("%s: %q", file, row)
			}
			for _, on := range ticked.FindAllStringSubmatch(cells[1], -1) {
				for _, name := range ticked.FindAllStringSubmatch(cells[2], -1) {
					if codes := kinds[on[1]].Codes; codes == nil || !codes.MatchString(name[1]) {
						faults[on[1]] = append(faults[on[1]], name[1])
					}
				}
			}
		}
		for _, on := range slices.Sorted(maps.Keys(kinds)) {
			have, want := slices.Sorted(slices.Values(faults[on])), slices.Sorted(slices.Values(kinds[on].Names))
			if !slices.Equal(have, want) {
				t.Errorf("%s lists the faults %q on %s, there are %q", file, have, on, want)
			}
			delete(faults, on)
		}
		for on := range faults {
			t.Errorf("%s lists faults on %s, which is no operation", file, on)
		}
	}
}
