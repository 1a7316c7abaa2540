package pingpp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// object is a JSON object split into its members; every value is a part of the document.
//
// encoding/json would decode into a struct more briefly, but it takes "ID" for "id", lets the last of two equal keys win
// and leaves a missing field at zero. Where money is decided, each of these is a way to be lied to.
type object struct {
	document value
	members  []member
}

type member struct {
	key      string
	from, to int // where its value is in the document
}

// value is a part of a JSON document, as bytes and once more as text: every string that is read is a slice of the one copy.
type value struct {
	raw  json.RawMessage
	text string
}

func document(raw []byte) value { return value{raw, string(raw)} }

func (o *object) value(m member) value {
	return value{o.document.raw[m.from:m.to:m.to], o.document.text[m.from:m.to]}
}

// get returns a member's value; an empty one when there is none. To look through a few dozen members is cheaper than to make a map of them.
func (o *object) get(key string) value {
	if o == nil {
		return value{}
	}
	for _, m := range o.members {
		if m.key == key {
			return o.value(m)
		}
	}
	return value{}
}

var (
	errEmpty     = errors.New("empty body")
	errNotJSON   = errors.New("not JSON")
	errNotObject = errors.New("not a JSON object")
)

// parseObject splits a whole JSON document. Bytes after the object, and a key that appears twice with different values, are errors.
func parseObject(raw []byte) (*object, error) {
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	return split(document(raw))
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
func split(v value) (*object, error) {
	o, twice, err := splitLast(v)
	if err == nil && len(twice) > 0 {
		return nil, fmt.Errorf("the key %q appears twice", clean(twice[0], maxWord))
	}
	return o, err
}

// manyMembers is more than any object of Ping++'s has. The keys of one that has more are looked up in a map, so that no document is slow to read.
const manyMembers = 64

// splitLast splits valid JSON that must be an object. Of a key that appears twice the last value counts, as most readers of JSON
// have it; twice names such keys, if their values differ.
func splitLast(v value) (o *object, twice []string, err error) {
	i := skipSpace(v.text, 0)
	if i == len(v.text) || v.text[i] != '{' {
		return nil, nil, errNotObject
	}
	o = &object{document: v, members: make([]member, 0, min(len(v.text)/24+1, manyMembers/2))}
	var places map[string]int
	for i = skipSpace(v.text, i+1); v.text[i] != '}'; {
		end := skipValue(v.text, i)
		key, err := unquote(v.text[i:end])
		if err != nil {
			return nil, nil, errNotJSON
		}
		i = skipSpace(v.text, skipSpace(v.text, end)+1) // over the colon
		end = skipValue(v.text, i)
		m := member{key, i, end}
		at, again := places[key]
		if places == nil {
			at = slices.IndexFunc(o.members, func(m member) bool { return m.key == key })
			again = at >= 0
		}
		switch {
		case !again:
			o.members = append(o.members, m)
			if len(o.members) == manyMembers {
				places = make(map[string]int)
				for i, m := range o.members {
					places[m.key] = i
				}
			} else if places != nil {
				places[key] = len(o.members) - 1
			}
		case o.value(o.members[at]).text != o.value(m).text:
			twice = append(twice, key)
			o.members[at] = m
		}
		if i = skipSpace(v.text, end); v.text[i] == ',' {
			i = skipSpace(v.text, i+1)
		}
	}
	return o, twice, nil
}

func skipSpace(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i, in JSON that is known to be valid.
func skipValue(text string, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
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

func unquote(text string) (string, error) {
	if strings.IndexByte(text, '\\') < 0 && utf8.ValidString(text) {
		return text[1 : len(text)-1], nil
	}
	var s string
	err := json.Unmarshal([]byte(text), &s)
	return s, err
}

// has says whether a member is there and not null.
func (o *object) has(key string) bool {
	text := o.get(key).text
	return text != "" && text != "null"
}

// says is has, but for a text that is empty: where a number or a yes or no belongs, some writers have "" for null.
func (o *object) says(key string) bool { return o.has(key) && o.get(key).text != `""` }
