package problem

import (
	"encoding/json"
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
		if !slices.EqualFunc(first, blocks, func(a, b []string) bool { return a[0] == b[0] }) {
			t.Errorf("%s shows other examples than the page in English", file)
		}
	}
}
