package caddypay

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile(`Test[A-Z]\w+(/\w+)?|…/\w+`)

// The guarantees name their proofs: the same ones in both languages, and each is there.
func TestGuaranteesNameTheirProofs(t *testing.T) {
	names := func(file string) []string {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return namedTest.FindAllString(string(raw), -1)
	}
	english, chinese := names("docs/guarantees.md"), names("docs/guarantees.zh-CN.md")
	if !slices.Equal(english, chinese) {
		t.Errorf("docs/guarantees.md names %q, docs/guarantees.zh-CN.md %q", english, chinese)
	}
	files, err := exec.Command("git", "grep", "--untracked", "-h", "-e", "^func Test", "-e", `^		{"[a-z0-9 ]*", [a-z]*, wild`, "--", "*_test.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range english {
		test, part, _ := strings.Cut(name, "/")
		if test != "…" && !strings.Contains(string(files), "func "+test+"(") {
			t.Errorf("docs/guarantees.md names %s, and there is no such test", test)
		}
		if part != "" && !strings.Contains(string(files), `{"`+strings.ReplaceAll(part, "_", " ")+`", `) {
			t.Errorf("docs/guarantees.md names %s, and TestInTheWild has no such part", name)
		}
	}
}
