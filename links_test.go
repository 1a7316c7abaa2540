package caddypay_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// blob is where the repository's files are on the web, for pages that are read elsewhere.
const blob = "https://github.com/caddypay/caddypay/blob/main/"

// allPages are the pages of the repository.
func allPages(t *testing.T) (pages []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "dist"):
			return fs.SkipDir
		case !d.IsDir() && (strings.HasSuffix(name, ".md") || name == "llms.txt"):
			pages = append(pages, name)
		}
		return nil
	})
	if err != nil || len(pages) < 50 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	return pages
}

// TestLinks makes sure that the links of all pages, to one another and to files, lead somewhere, headings included.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range allPages(t) {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(raw), -1) {
			path, heading, _ := strings.Cut(m[1], "#")
			target := page
			if rest, ok := strings.CutPrefix(path, blob); ok {
				target = filepath.FromSlash(rest)
			} else if strings.Contains(path, "://") {
				continue
			} else if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			text, err := os.ReadFile(target)
			if info, serr := os.Stat(target); serr != nil || err != nil && !info.IsDir() {
				t.Errorf("%s links to %s, which is not there", page, m[1])
				continue
			}
			if heading != "" && !slices.Contains(headings(string(text)), heading) {
				t.Errorf("%s links to %s, and %s has no such heading", page, m[1], target)
			}
		}
	}
}

var fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```$")

// headings are the names under which a page's headings can be linked to.
func headings(page string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// Every page has one in the other language beside it, with as many headings, and each says so.
func TestPagesInBothLanguages(t *testing.T) {
	for _, page := range allPages(t) {
		other, chinese := strings.CutSuffix(page, ".zh-CN.md")
		if chinese {
			other += ".md"
		} else if page == "llms.txt" { // for programs
			continue
		} else {
			other = strings.TrimSuffix(page, ".md") + ".zh-CN.md"
		}
		mine, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := os.ReadFile(other)
		if err != nil {
			t.Errorf("%s has no other language beside it: %v", page, err)
			continue
		}
		if !strings.Contains(string(mine), "]("+filepath.Base(other)+")") && !strings.Contains(string(mine), "/"+filepath.Base(other)+")") {
			t.Errorf("%s does not link to %s", page, other)
		}
		if a, b := len(headings(string(mine))), len(headings(string(theirs))); a != b {
			t.Errorf("%s has %d headings, %s %d", page, a, other, b)
		}
	}
}

// TestBoldIsBold looks for ** that CommonMark shows as they stand: behind a punctuation mark and right before a letter none closes, which is easily
// written in Chinese, that has no spaces.
func TestBoldIsBold(t *testing.T) {
	last := func(s string) rune { r, _ := utf8.DecodeLastRuneInString(s); return r }
	first := func(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	for _, page := range allPages(t) {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := fence.ReplaceAllString(string(raw), "")
		for line := range strings.Lines(text) {
			parts := strings.Split(regexp.MustCompile("`[^`]*`").ReplaceAllString(line, "x"), "**")
			for i := 1; i+1 < len(parts); i += 2 {
				if unicode.IsPunct(last(parts[i])) && word(first(parts[i+1])) || unicode.IsPunct(first(parts[i])) && word(last(parts[i-1])) {
					t.Errorf("%s: **%s** is not bold beside a letter: %s", page, parts[i], line)
				}
			}
		}
	}
}
