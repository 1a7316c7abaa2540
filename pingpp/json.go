package pingpp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
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

// parseObject splits a whole JSON document. Bytes after the object, and a key that appears twice with different values, are errors.
func parseObject(raw []byte) (object, error) {
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	return split(raw)
}

func checkJSON(raw []byte) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return errEmpty
	}
	if !json.Valid(raw) {
		return errNotJSON
	}
	return nil
}

// split splits valid JSON that must be an object without a key that says two things.
func split(raw []byte) (object, error) {
	o, twice, err := splitLast(raw)
	if err == nil && len(twice) > 0 {
		return nil, fmt.Errorf("the key %q appears twice", clean(twice[0], maxWord))
	}
	return o, err
}

// splitLast splits valid JSON that must be an object. Of a key that appears twice the last value counts, as most readers of JSON
// have it; twice names such keys, if their values differ.
func splitLast(raw []byte) (o object, twice []string, err error) {
	i := skipSpace(raw, 0)
	if i == len(raw) || raw[i] != '{' {
		return nil, nil, errNotObject
	}
	o = make(object)
	for i = skipSpace(raw, i+1); raw[i] != '}'; {
		end := skipValue(raw, i)
		key, err := unquote(raw[i:end])
		if err != nil {
			return nil, nil, errNotJSON
		}
		i = skipSpace(raw, skipSpace(raw, end)+1) // over the colon
		end = skipValue(raw, i)
		if before, again := o[key]; again && !bytes.Equal(before, raw[i:end]) {
			twice = append(twice, key)
		}
		o[key] = json.RawMessage(raw[i:end:end])
		if i = skipSpace(raw, end); raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return o, twice, nil
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

// says is has, but for a text that is empty: where a number or a yes or no belongs, some writers have "" for null.
func (o object) says(key string) bool { return o.has(key) && string(o[key]) != `""` }

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

// text returns a string, "" for null or nothing. A whole number is taken as its digits: some writers have an order number or an id
// that consists of digits as a number.
func (r *reader) text(key string) string {
	if !r.has(key) {
		return ""
	}
	raw := r.object[key]
	if isDigits(raw) {
		return string(raw)
	}
	if raw[0] != '"' {
		r.fail(key, "a string")
		return ""
	}
	s, err := unquote(raw)
	if err != nil {
		r.fail(key, "a string")
	}
	return s
}

func isDigits(raw []byte) bool {
	for _, b := range raw {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(raw) > 0
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

// number returns a whole number, 0 for null or nothing. One in a text is read, and so is one with a fraction of zero.
func (r *reader) number(key string) int64 {
	if !r.says(key) {
		return 0
	}
	raw := string(r.object[key])
	if raw[0] == '"' {
		raw = loose(r.object[key])
	}
	n, ok := whole(raw)
	if !ok {
		r.fail(key, "a whole number")
	}
	return n
}

// latest is the beginning of the last day that calendars have, 9999-12-31.
const latest = 253402214400

// moment returns a time in Unix seconds that no money depends on: 0 for what cannot be read, latest for what lies beyond.
func (r *reader) moment(key string) int64 { return min(r.count(key), latest) }

// count returns a number that nothing depends on: 0 for what cannot be read.
func (r *reader) count(key string) int64 {
	n, _ := whole(loose(r.object[key]))
	return max(n, 0)
}

var decimal = regexp.MustCompile(`^(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,2}))?$`)

// whole reads a decimal number whose value is whole, exactly: 1250, 1250.0 and 1.25e3 are the same.
func whole(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '+' {
		return n, true
	}
	m := decimal.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	digits, shift := m[2]+m[3], -len(m[3])
	if m[4] != "" {
		exp, _ := strconv.Atoi(m[4]) // at most two digits
		shift += exp
	}
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return 0, true
	}
	if shift < 0 {
		kept := strings.TrimRight(digits, "0")
		if len(digits)-len(kept) < -shift {
			return 0, false
		}
		digits, shift = digits[:len(digits)+shift], 0
	}
	n, err := strconv.ParseInt(m[1]+digits+strings.Repeat("0", shift), 10, 64)
	return n, err == nil
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
	if !r.says(key) {
		r.fail(key, "an amount")
	}
	return r.money(key)
}

// flag returns a boolean, false for null or nothing. It may be written as a text, or as 1 or 0.
func (r *reader) flag(key string) bool {
	if !r.says(key) {
		return false
	}
	switch string(r.object[key]) {
	case "true", "1", `"true"`, `"1"`:
		return true
	case "false", "0", `"false"`, `"0"`:
		return false
	}
	r.fail(key, "true or false")
	return false
}

// mustFlag returns a boolean that may not be missing.
func (r *reader) mustFlag(key string) bool {
	if !r.says(key) {
		r.fail(key, "true or false")
	}
	return r.flag(key)
}

// pairs returns a flat object of texts. PHP backends send [] for an empty object and numbers stay numbers, so values are
// taken as their text, a nested value as its JSON, and anything but an object counts as empty. Of a name that stands twice the last
// value counts.
func (r *reader) pairs(key string) map[string]string {
	if !r.has(key) || r.object[key][0] != '{' {
		return nil
	}
	o, _, err := splitLast(r.object[key])
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
