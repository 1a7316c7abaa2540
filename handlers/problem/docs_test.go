package problem

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	pageBlock = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	pageCode  = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9]+)")
)

// docs/http-api.md says in both languages what is: every code with its status, JSON that can be read, and the same examples.
func TestHTTPAPIPages(t *testing.T) {
	var first [][]string
	for _, file := range []string{"../../docs/http-api.md", "../../docs/http-api.zh-CN.md"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := pageCode.FindAllStringSubmatch(string(raw), -1)
		for _, row := range found {
			if c, ok := codes[row[1]]; !ok || strconv.Itoa(c.status) != row[2] {
				t.Errorf("%s: %s with the status %s is not in the table of codes", file, row[1], row[2])
			}
		}
		for code := range codes {
			if n := strings.Count(string(raw), "\n| `"+code+"` |"); n != 1 {
				t.Errorf("%s lists %s %d times", file, code, n)
			}
		}
		blocks := pageBlock.FindAllStringSubmatch(string(raw), -1)
		for _, b := range blocks {
			if b[1] == "json" && !json.Valid([]byte(b[2])) {
				t.Errorf("%s: this is no JSON:\n%s", file, b[2])
			}
		}
		if first == nil {
			first = blocks
		}
		// Code may have comments, in the reader's language: TestPagesAreRun of the root compares it without them.
		if !slices.EqualFunc(first, blocks, func(a, b []string) bool { return a[1] == b[1] && (a[1] != "json" || a[2] == b[2]) }) {
			t.Errorf("%s shows other examples than the page in English", file)
		}
	}
}

var pageSection = regexp.MustCompile("(?ms)^### `([a-z_]+)`\n\n(.*?)(?:^#|\\z)")

// The type of a problem leads to its explanation: docs/troubleshooting.md has every code once, in the order of docs/http-api.md, with its status, what it
// comes from and what to do, in both languages; and nothing that is no code.
func TestTroubleshootingPages(t *testing.T) {
	if !strings.HasSuffix(explained, "/docs/troubleshooting.md") {
		t.Errorf("types lead to %s", explained)
	}
	for _, tt := range []struct{ suffix, causes, do string }{{".md", "**Causes:** ", "**Do:** "}, {".zh-CN.md", "**原因**：", "**处理**："}} {
		raw, err := os.ReadFile("../../docs/troubleshooting" + tt.suffix)
		if err != nil {
			t.Fatal(err)
		}
		api, err := os.ReadFile("../../docs/http-api" + tt.suffix)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, row := range pageCode.FindAllStringSubmatch(string(api), -1) {
			if !slices.Contains(want, row[1]) {
				want = append(want, row[1])
			}
		}
		page := string(raw)
		for m := pageSection.FindStringSubmatchIndex(page); m != nil; m = pageSection.FindStringSubmatchIndex(page) {
			code, text := page[m[2]:m[3]], page[m[4]:m[5]]
			got = append(got, code)
			if !strings.HasPrefix(text, fmt.Sprintf("%d", codes[code].status)) {
				t.Errorf("%s: %s does not begin with its status: %.60s", tt.suffix, code, text)
			}
			if strings.Count(text, "\n"+tt.causes) != 1 || strings.Count(text, "\n"+tt.do) != 1 {
				t.Errorf("%s: %s does not say once what it comes from and what to do:\n%s", tt.suffix, code, text)
			}
			page = page[m[5]:]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s explains %q,\nwhile docs/http-api has %q", tt.suffix, got, want)
		}
	}
}
