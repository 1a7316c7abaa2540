package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is made from the source is what the source says now, in both languages.
func TestPagesAreFresh(t *testing.T) {
	t.Chdir("../..")
	pages, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range pages {
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the source says (%v); run make docs", file, err)
		}
	}
}

// A translation is of one English text: it is missing where there is none, stale where the text has changed, and too much where there is no text.
func TestStaleTranslations(t *testing.T) {
	kept := chinese
	t.Cleanup(func() { chinese = kept })
	chinese = []byte(`{"a": {"of": "` + digest("An apple.") + `", "zh": "苹果。"}, "c": {"of": "", "zh": "樱桃。"}}`)
	say := newSayer("zh")
	if got := say.of("a", "An apple."); got != "苹果。" {
		t.Errorf("got %q", got)
	}
	say.of("a", "A green apple.")
	say.of("b", "A pear.")
	err := say.err()
	for _, want := range []string{`the translation of "a" is stale`, `"of": "` + digest("A green apple."), `"b" is not translated`, `"c" is no option any more`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if english := newSayer("en"); english.of("b", "A pear.") != "A pear." || english.err() != nil {
		t.Error("English needs a translation")
	}
}

// Each option that a block takes, as its error about unknown ones lists them, stands in a syntax of the reference.
func TestEveryOptionIsInASyntax(t *testing.T) {
	t.Chdir("../..")
	page, err := os.ReadFile(languages["en"].reference)
	if err != nil {
		t.Fatal(err)
	}
	shown := strings.Join(regexp.MustCompile("(?ms)^```\n.*?^```$").FindAllString(string(page), -1), "\n")
	cases, err := filepath.Glob("caddymodule/testdata/adapt/error_unknown_option_*.caddytest")
	if err != nil || len(cases) < 8 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, file := range cases {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`allowed are: ([a-z_, ]+), at `).FindStringSubmatch(string(raw))
		if m == nil {
			t.Fatalf("%s lists no options", file)
		}
		for option := range strings.SplitSeq(m[1], ", ") {
			if !regexp.MustCompile(`(?m)^ +([a-z_]+\|)*` + option + `\b`).MatchString(shown) {
				t.Errorf("no syntax in %s shows %s, which %s lists", languages["en"].reference, option, file)
			}
		}
	}
}
