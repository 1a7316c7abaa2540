package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// object is a JSON object that keeps the order of its members, as Ping++ does for extra and metadata.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

// maxMembers keeps a hostile body from making the look-up by name slow; what is valid has far fewer.
const maxMembers = 1000

var errNotObject = errors.New("not a JSON object")

// parseObject reads exactly one JSON object in UTF-8. Of members with one name the last counts.
func parseObject(raw []byte) (object, error) {
	if !utf8.Valid(raw) {
		return nil, errNotObject
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	o := object{}
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
		if o.setRaw(key, value); len(o) > maxMembers {
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

// parsePairs reads a parameter that is an object; PHP writes one that is empty as [].
func parsePairs(raw []byte) (object, error) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) == nil && items != nil && len(items) == 0 {
		return object{}, nil
	}
	return parseObject(raw)
}

func (o object) get(key string) (json.RawMessage, bool) {
	i := slices.IndexFunc(o, func(m member) bool { return m.key == key })
	if i < 0 {
		return nil, false
	}
	return o[i].value, true
}

func (o *object) setRaw(key string, value json.RawMessage) {
	if i := slices.IndexFunc(*o, func(m member) bool { return m.key == key }); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{key, value})
}

func (o *object) remove(key string) {
	*o = slices.DeleteFunc(*o, func(m member) bool { return m.key == key })
}

// set replaces a member in its place or adds it at the end.
func (o *object) set(key string, value any) { o.setRaw(key, encode(value)) }

// MarshalJSON writes the members in their order; nil is an empty object.
func (o object) MarshalJSON() ([]byte, error) {
	buf := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(buf, encode(m.key)...), ':')
		buf = append(buf, m.value...)
	}
	return append(buf, '}'), nil
}

// text reads a JSON string.
func text(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// integer reads a JSON number that is written as an integer: no fraction, no exponent, no quotes.
func integer(raw json.RawMessage) (int64, bool) {
	var n int64
	if len(raw) == 0 || json.Unmarshal(raw, &n) != nil || raw[0] == 'n' {
		return 0, false
	}
	return n, true
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }
