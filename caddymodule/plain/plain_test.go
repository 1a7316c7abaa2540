package plain

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// hostile is a text that would act on a terminal, as U+009B does for ESC [ and U+202E turns the line around, and what is seen of it.
const (
	hostile = "1\x1b[2J\u009b31m\u202e\u2066\u200b\u2028\U000e0041\x7f\r\b9"
	shown   = `1\u001b[2J\u009b31m\u202e\u2066\u200b\u2028\udb40\udc41\u007f\u000d\u00089`
)

func TestPlain(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "20260101001 绿茶 <&>é": "20260101001 绿茶 <&>é", hostile: shown, "a\nb\tc": `a\u000ab\u0009c`, "\x9b31m": `\x9b31m`, "茶\xe8\x8c": `茶\xe8\x8c`, "\uFFFD": "\uFFFD", "😀": "😀",
	} {
		if got := Text(s); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
	// Whatever the pieces that it is written in, and however the JSON was.
	text := `{"a":"` + hostile[:2] + "\u009b\u202e\U000e0041茶" + "\",\n\t\"b\":1}"
	text = strings.ReplaceAll(text, "\x1b", `\u001b`)
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		w := NewWriter(&out)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if wrote, err := w.Write([]byte(rest[:n])); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			rest = rest[n:]
		}
		var before, after any
		if json.Unmarshal([]byte(text), &before) != nil || json.Unmarshal(out.Bytes(), &after) != nil || before.(map[string]any)["a"] != after.(map[string]any)["a"] ||
			strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(out.String()), Hidden) {
			t.Fatalf("by %d: %q", size, out.String())
		}
	}
	cause := errors.New(hostile)
	if err := (Error{cause}); err.Error() != shown || !errors.Is(err, cause) {
		t.Errorf("%q", err.Error())
	}
}
