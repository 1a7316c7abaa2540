package rawjson

import (
	"fmt"
	"strings"
	"testing"
)

// An object comes back as it was written, but for spaces: its members in their order, its numbers with their digits.
func TestObjectKeepsItsOrder(t *testing.T) {
	o, err := Parse([]byte(` {"b": 1e999, "a": "<&>", "b2": null, "b": [1, 2]} `))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Encode(o)); got != `{"b":[1,2],"a":"<&>","b2":null}` {
		t.Error(got)
	}
	o.Set("c", "x>y")
	o.Set("a", 7)
	o.Remove("b")
	if got := string(Encode(o)); got != `{"a":7,"b2":null,"c":"x>y"}` {
		t.Error(got)
	}
}

func TestParseRefuses(t *testing.T) {
	var wide strings.Builder
	for i := range maxMembers + 1 {
		fmt.Fprintf(&wide, `,"k%d":0`, i)
	}
	for _, text := range []string{"", "[]", "null", "{", `{"a"}`, `{"a":1}{}`, `{"a":1} x`, "{\"a\":\"\xff\"}", "{" + wide.String()[1:] + "}"} {
		if o, err := Parse([]byte(text)); err == nil {
			t.Errorf("%.40s was read as %.40v", text, o)
		}
	}
	if o, err := ParsePairs([]byte(" [] ")); err != nil || len(o) != 0 {
		t.Errorf("PHP's empty object: %v, %v", o, err)
	}
	if _, err := ParsePairs([]byte("[1]")); err == nil {
		t.Error("a list was read as an object")
	}
}

// A number is an integer only as it is written.
func TestInteger(t *testing.T) {
	for text, want := range map[string]bool{"1": true, "-1": true, "1.0": false, "1e2": false, `"1"`: false, "null": false, "9223372036854775808": false, "": false} {
		if _, ok := Integer([]byte(text)); ok != want {
			t.Errorf("%s: %t", text, ok)
		}
	}
}
