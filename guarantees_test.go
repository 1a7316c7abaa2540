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

// The guarantees and the page about security name their proofs: the same ones in both languages, and each is there.
func TestGuaranteesNameTheirProofs(t *testing.T) {
	for _, page := range []string{"docs/guarantees", "docs/security"} {
		namesItsProofs(t, page)
	}
}

func namesItsProofs(t *testing.T, page string) {
	names := func(file string) []string {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return namedTest.FindAllString(string(raw), -1)
	}
	english, chinese := names(page+".md"), names(page+".zh-CN.md")
	if !slices.Equal(english, chinese) {
		t.Errorf("%[1]s.md names %[2]q, %[1]s.zh-CN.md %[3]q", page, english, chinese)
	}
	tests := testsOf(t)
	for _, name := range english {
		test, part, _ := strings.Cut(name, "/")
		if test != "…" && !strings.Contains(tests, "func "+test+"(") {
			t.Errorf("%s.md names %s, and there is no such test", page, test)
		}
		if part != "" && !strings.Contains(tests, `{"`+strings.ReplaceAll(part, "_", " ")+`", `) {
			t.Errorf("%s.md names %s, and no table of tests has such a part", page, name)
		}
	}
}

// testsOf is the source of all tests.
func testsOf(t *testing.T) string {
	t.Helper()
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "*/*/*_test.go", "*/*/*/*_test.go"} {
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
	return tests.String()
}

// Each row of the page about security names its test, so that none is a mere claim.
func TestSecurityRowsNameTheirTests(t *testing.T) {
	for _, page := range []string{"docs/security.md", "docs/security.zh-CN.md"} {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, table := range regexp.MustCompile(`(?m)(^\|.*\n)+`).FindAllString(string(raw), -1) {
			for _, row := range strings.Split(strings.TrimSpace(table), "\n")[2:] { // after its head
				cells := strings.Split(strings.TrimSuffix(row, " |"), " | ")
				if rows++; len(cells) != 3 || !namedTest.MatchString(cells[2]) {
					t.Errorf("%s: this row does not end with its test: %s", page, row)
				}
			}
		}
		if rows < 20 {
			t.Errorf("%s has %d rows", page, rows)
		}
	}
}
