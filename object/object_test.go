package object

import (
	"encoding/json"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{}`, ` {"a" : 1 , "b":[{}]} `, `{"a":1}{}`, `{"a":1,}`, `{"a" 1}`, `{1:2}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"":""}`, `[]`, `null`, `"`, `{`, `{"a":`, "{\"\xff\":1}", `{"a":01}`, `{"a":nul}`,
		"\xef\xbb\xbf{}", "{\"a\":\"\x00\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, err := Parse(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q is not JSON, and was taken", raw)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(raw, &want); err != nil || len(want) != len(fields) {
			t.Fatalf("%q: %d members, encoding/json finds %d, %v", raw, len(fields), len(want), err)
		}
		for name, v := range want {
			if string(fields[name]) != string(v) {
				t.Errorf("%q: %q is %s, want %s", raw, name, fields[name], v)
			}
		}
	})
}
