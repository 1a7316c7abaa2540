package pingpp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// object is a JSON object split into its members; every value is a slice of the original bytes.
//
// encoding/json would decode into a struct more briefly, but it takes "ID" for "id", lets the last of two equal keys win
// and leaves a missing field at zero. Where money is decided, each of these is a way to be lied to.
type object map[string]json.RawMessage

var (
	errEmpty     = errors.New("empty body")
	errNotJSON   = errors.New("not JSON")
	errNotObject = errors.New("not a JSON object")
)

// parseObject splits a whole JSON document. Bytes after the object, and a key that appears twice, are errors.
func parseObject(raw []byte) (object, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, errEmpty
	}
	if !json.Valid(raw) {
		return nil, errNotJSON
	}
	return split(raw)
}

// split splits valid JSON that must be an object.
func split(raw []byte) (object, error) {
	i := skipSpace(raw, 0)
	if i == len(raw) || raw[i] != '{' {
		return nil, errNotObject
	}
	o := make(object)
	for i = skipSpace(raw, i+1); raw[i] != '}'; {
		end := skipValue(raw, i)
		key, err := unquote(raw[i:end])
		if err != nil {
			return nil, errNotJSON
		}
		i = skipSpace(raw, skipSpace(raw, end)+1) // over the colon
		end = skipValue(raw, i)
		if _, twice := o[key]; twice {
			return nil, fmt.Errorf("the key %q appears twice", clean(key, maxWord))
		}
		o[key] = json.RawMessage(raw[i:end:end])
		if i = skipSpace(raw, end); raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return o, nil
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\n' || raw[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i, in JSON that is known to be valid.
func skipValue(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the container of a number or a literal ends
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

// has says whether a member is there and not null.
func (o object) has(key string) bool {
	raw, ok := o[key]
	return ok && string(raw) != "null"
}

// reader takes members of one object and remembers the first that is not as it must be.
type reader struct {
	object
	name string // of the object, for errors
	err  error
}

func (r *reader) fail(key, want string) {
	if r.err != nil {
		return
	}
	if !r.has(key) {
		r.err = fmt.Errorf("%s has no %s", r.name, key)
		return
	}
	r.err = fmt.Errorf("%s.%s is not %s", r.name, key, want)
}

// text returns a string, "" for null or nothing.
func (r *reader) text(key string) string {
	if !r.has(key) {
		return ""
	}
	if r.object[key][0] != '"' {
		r.fail(key, "a string")
		return ""
	}
	s, err := unquote(r.object[key])
	if err != nil {
		r.fail(key, "a string")
	}
	return s
}

// must returns a string that may not be empty.
func (r *reader) must(key string) string {
	s := r.text(key)
	if s == "" {
		r.fail(key, "a string that says something")
	}
	return s
}

// id returns an id, "" for null or nothing.
func (r *reader) id(key string) string {
	s := r.text(key)
	if s != "" && !validID(s) {
		r.fail(key, "an id of up to 64 letters, digits and underscores")
		return ""
	}
	return s
}

// mustID returns an id that may not be missing.
func (r *reader) mustID(key string) string {
	s := r.id(key)
	if s == "" {
		r.fail(key, "an id of up to 64 letters, digits and underscores")
	}
	return s
}

// ref returns the id of another object, which is there as an id or expanded; "" for null or nothing.
func (r *reader) ref(key string) string {
	if !r.has(key) || r.object[key][0] != '{' {
		return r.id(key)
	}
	o, err := split(r.object[key])
	if err != nil {
		r.fail(key, "an object that can be read")
		return ""
	}
	in := reader{object: o, name: r.name + "." + key}
	id := in.mustID("id")
	if r.err == nil {
		r.err = in.err
	}
	return id
}

// note returns a text that only people read: what is no string does no harm, so it is no error.
func (r *reader) note(key string) string { return loose(r.object[key]) }

// loose returns a string's or a scalar's text, "" for anything else.
func loose(raw json.RawMessage) string {
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	if raw[0] == '"' {
		s, _ := unquote(raw) // the document was valid, so this string is
		return s
	}
	return string(raw)
}

// number returns a whole number, 0 for null or nothing.
func (r *reader) number(key string) int64 {
	if !r.has(key) {
		return 0
	}
	n, err := strconv.ParseInt(string(r.object[key]), 10, 64)
	if err != nil {
		r.fail(key, "a whole number")
	}
	return n
}

// money returns an amount in fen, which cannot be negative; 0 for null or nothing.
func (r *reader) money(key string) int64 {
	n := r.number(key)
	if n < 0 {
		r.fail(key, "an amount: it is negative")
	}
	return n
}

// mustMoney returns an amount in fen that may not be missing.
func (r *reader) mustMoney(key string) int64 {
	if !r.has(key) {
		r.fail(key, "an amount")
	}
	return r.money(key)
}

// flag returns a boolean, false for null or nothing.
func (r *reader) flag(key string) bool {
	if !r.has(key) {
		return false
	}
	value := string(r.object[key])
	if value != "true" && value != "false" {
		r.fail(key, "true or false")
	}
	return value == "true"
}

// mustFlag returns a boolean that may not be missing.
func (r *reader) mustFlag(key string) bool {
	if !r.has(key) {
		r.fail(key, "true or false")
	}
	return r.flag(key)
}

// pairs returns a flat object of texts. PHP backends send [] for an empty object and numbers stay numbers, so values are
// taken as their text, a nested value as its JSON, and anything but an object counts as empty.
func (r *reader) pairs(key string) map[string]string {
	if !r.has(key) || r.object[key][0] != '{' {
		return nil
	}
	o, err := split(r.object[key])
	if err != nil {
		if r.err == nil {
			r.err = fmt.Errorf("%s.%s: %w", r.name, key, err)
		}
		return nil
	}
	pairs := make(map[string]string, len(o))
	for k, v := range o {
		if v[0] == '{' || v[0] == '[' {
			pairs[k] = string(v)
			continue
		}
		pairs[k] = loose(v)
	}
	return pairs
}
