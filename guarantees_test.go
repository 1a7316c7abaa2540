package caddypay_test

import (
	"os"
	"path/filepath"
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
	var tests strings.Builder
	for _, pattern := range []string{"*/*_test.go", "*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(raw)
		}
	}
	for _, name := range english {
		test, part, _ := strings.Cut(name, "/")
		if test != "…" && !strings.Contains(tests.String(), "func "+test+"(") {
			t.Errorf("docs/guarantees.md names %s, and there is no such test", test)
		}
		if part != "" && !strings.Contains(tests.String(), `{"`+strings.ReplaceAll(part, "_", " ")+`", `) {
			t.Errorf("docs/guarantees.md names %s, and TestInTheWild has no such part", name)
		}
	}
}
