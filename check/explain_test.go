package check

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Every finding has its section in both languages, under its id, and there is none that no check makes.
func TestEveryFindingIsExplained(t *testing.T) {
	made := map[string]bool{}
	id := regexp.MustCompile(`(?:ID: |\bof\(|\.add\(|refuses\(|takes\(|changesNothing\()"([a-z-]+)"`)
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); !regexp.MustCompile(`_test\.go$`).MatchString(name) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range id.FindAllSubmatch(raw, -1) {
				made[string(m[1])] = true
			}
		}
	}
	ids := IDs()
	if len(ids) < 40 || len(ids) != len(made) {
		t.Errorf("%d are explained, %d are made", len(ids), len(made))
	}
	for id := range made {
		if !slices.Contains(ids, id) {
			t.Errorf("docs/check.md does not explain %s", id)
		}
	}
	for _, id := range ids {
		if !made[id] {
			t.Errorf("docs/check.md explains %s, which no check makes", id)
		}
		if en, zh := Explain(id, "en"), Explain(id, "zh"); len(en) < 40 || len(zh) < 40 || en == zh {
			t.Errorf("%s: %q, %q", id, en, zh)
		}
	}
	if Explain("none", "en") != "" || Explain("What waits", "en") != "" {
		t.Error("what is no finding is explained")
	}
}
