package pingpp

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// reader takes members of one object and remembers the first that is not as it must be.
type reader struct {
	*object
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
	text := r.get(key).text
	if isDigits(text) {
		return text
	}
	if text[0] != '"' {
		r.fail(key, "a string")
		return ""
	}
	s, err := unquote(text)
	if err != nil {
		r.fail(key, "a string")
	}
	return s
}

func isDigits(text string) bool {
	for _, r := range text {
		if r < '0' || r > '9' {
			return false
		}
	}
	return text != ""
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
	if !r.has(key) || r.get(key).text[0] != '{' {
		return r.id(key)
	}
	o, err := split(r.get(key))
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
func (r *reader) note(key string) string { return loose(r.get(key)) }

// loose returns a string's or a scalar's text, "" for anything else.
func loose(v value) string {
	if v.text == "" || v.text[0] == '{' || v.text[0] == '[' || v.text == "null" {
		return ""
	}
	if v.text[0] == '"' {
		s, _ := unquote(v.text) // the document was valid, so this string is
		return s
	}
	return v.text
}

// number returns a whole number, 0 for null or nothing. One in a text is read, and so is one with a fraction of zero.
func (r *reader) number(key string) int64 {
	if !r.says(key) {
		return 0
	}
	n, ok := whole(loose(r.get(key)))
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
	n, _ := whole(loose(r.get(key)))
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
	switch r.get(key).text {
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
	if !r.has(key) || r.get(key).text[0] != '{' {
		return nil
	}
	o, _, err := splitLast(r.get(key))
	if err != nil {
		if r.err == nil {
			r.err = fmt.Errorf("%s.%s: %w", r.name, key, err)
		}
		return nil
	}
	pairs := make(map[string]string, len(o.members))
	for _, m := range o.members {
		v := o.value(m)
		pairs[m.key] = loose(v)
		if v.text[0] == '{' || v.text[0] == '[' {
			pairs[m.key] = v.text
		}
	}
	return pairs
}
