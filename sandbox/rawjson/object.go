// Package rawjson reads and writes JSON to the byte, as the emulated services do: compact, <, > and & as they are, the members of an
// object in their order, an integer as it was written.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// Object is a JSON object that keeps the order of its members, as Ping++ does for extra and metadata.
type Object []Member

// Member is one of an Object.
type Member struct {
	Key   string
	Value json.RawMessage
}

// maxMembers keeps a hostile body from making the look-up by name slow; what is valid has far fewer.
const maxMembers = 1000

var errNotObject = errors.New("not a JSON object")

// Parse reads exactly one JSON object in UTF-8. Of members with one name the last counts.
func Parse(raw []byte) (Object, error) {
	if !utf8.Valid(raw) {
		return nil, errNotObject
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	o := Object{}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, errNotObject
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errNotObject
		}
		if o.SetRaw(key, value); len(o) > maxMembers {
			return nil, errNotObject
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, errNotObject
	}
	if len(bytes.TrimSpace(raw[dec.InputOffset():])) != 0 {
		return nil, errNotObject
	}
	return o, nil
}

// ParsePairs reads a parameter that is an object; PHP writes one that is empty as [].
func ParsePairs(raw []byte) (Object, error) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) == nil && items != nil && len(items) == 0 {
		return Object{}, nil
	}
	return Parse(raw)
}

// Get finds a member's value.
func (o Object) Get(key string) (json.RawMessage, bool) {
	i := slices.IndexFunc(o, func(m Member) bool { return m.Key == key })
	if i < 0 {
		return nil, false
	}
	return o[i].Value, true
}

// SetRaw is Set for a value that is JSON already.
func (o *Object) SetRaw(key string, value json.RawMessage) {
	if i := slices.IndexFunc(*o, func(m Member) bool { return m.Key == key }); i >= 0 {
		(*o)[i].Value = value
		return
	}
	*o = append(*o, Member{key, value})
}

// Remove takes a member away, if there is one.
func (o *Object) Remove(key string) {
	*o = slices.DeleteFunc(*o, func(m Member) bool { return m.Key == key })
}

// Set replaces a member in its place or adds it at the end.
func (o *Object) Set(key string, value any) { o.SetRaw(key, Encode(value)) }

// MarshalJSON writes the members in their order; nil is an empty object.
func (o Object) MarshalJSON() ([]byte, error) {
	buf := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(buf, Encode(m.Key)...), ':')
		buf = append(buf, m.Value...)
	}
	return append(buf, '}'), nil
}

// Text reads a JSON string.
func Text(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// Integer reads a JSON number that is written as an integer: no fraction, no exponent, no quotes.
func Integer(raw json.RawMessage) (int64, bool) {
	var n int64
	if len(raw) == 0 || json.Unmarshal(raw, &n) != nil || raw[0] == 'n' {
		return 0, false
	}
	return n, true
}

// IsNull tells null.
func IsNull(raw json.RawMessage) bool { return string(raw) == "null" }

// Plain is a value as Ping++ writes it, so that two ways to write one are equal.
func Plain(raw json.RawMessage) json.RawMessage {
	if v, ok := Text(raw); ok {
		return Encode(v)
	}
	var buf bytes.Buffer
	if json.Compact(&buf, raw) != nil {
		return raw
	}
	return buf.Bytes()
}

// Encode renders JSON as Ping++ writes it: compact, no escaping of <, > and &.
func Encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("rawjson: encoding an object of the sandbox: " + err.Error()) // every type here is ours and encodes
	}
	return bytes.TrimRight(buf.Bytes(), "\n")
}
