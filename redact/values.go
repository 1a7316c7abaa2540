package redact

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Values goes through a text that is JSON, or the start of some, and puts what change makes of its strings and numbers in their place. Everything else
// stays byte for byte, and what was JSON is JSON. change is given the names of the members that a value stands in, the innermost last, and what a string
// says, or a number as it is written (bare); what becomes of a number is a string. JSON in a string is gone through likewise.
func Values(text string, change func(within []string, value string, bare bool) string) string {
	return values(text, change, 0)
}

const deepest = 8 // strings in strings, which are gone through: nobody writes more

func values(text string, change func(within []string, value string, bare bool) string, deep int) string {
	var b strings.Builder
	var names []string // of the objects and lists around
	var lists []bool   // which of these are lists
	name := ""         // of the value to come
	last := byte(0)    // what stands before it, white space aside
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"':
			end := endOfString(text, i)
			raw := text[i:end]
			i = end
			if strings.HasPrefix(strings.TrimLeft(text[i:], " \t\r\n"), ":") {
				name, _ = unquoted(raw)
			} else {
				raw = changed(append(names, name), raw, change, deep)
			}
			b.WriteString(raw)
			last = '"'
			continue
		case len(names) > 0 && (c == '-' || '0' <= c && c <= '9') && (last == ':' || last == ',' || last == '['):
			raw := text[i:endOfNumber(text, i)]
			i += len(raw)
			if shown := change(append(names, name), raw, true); shown != raw {
				raw = quote(shown)
			}
			b.WriteString(raw)
			last = '0'
			continue
		case c == '{' || c == '[':
			names, lists = append(names, name), append(lists, c == '[')
			if c == '{' {
				name = ""
			}
		case c == '}' || c == ']':
			if n := len(names) - 1; n >= 0 {
				names, lists = names[:n], lists[:n]
			}
			name = ""
		case c == ',':
			name = ""
			if n := len(names) - 1; n >= 0 && lists[n] {
				name = names[n]
			}
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			last = c
		}
		b.WriteByte(c)
		i++
	}
	return b.String()
}

// changed is a string as it is shown, with its quotes.
func changed(within []string, raw string, change func(within []string, value string, bare bool) string, deep int) string {
	text, ended := unquoted(raw)
	if text == "" {
		return raw
	}
	shown := change(within, text, false)
	if shown == text && deep < deepest && (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) {
		shown = values(text, change, deep+1)
	}
	if shown == text {
		return raw
	}
	quoted := quote(shown)
	if !ended {
		return quoted[:len(quoted)-1]
	}
	return quoted
}

// endOfString is the place behind a string that begins at i, or the end of the text.
func endOfString(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// endOfNumber is the place behind a number that begins at i.
func endOfNumber(text string, i int) int {
	for i < len(text) && strings.IndexByte("0123456789+-.eE", text[i]) >= 0 {
		i++
	}
	return i
}

// unquoted is what a string says, and whether it ends.
func unquoted(raw string) (text string, ended bool) {
	if json.Unmarshal([]byte(raw), &text) == nil {
		return text, true
	}
	text, ended = strings.CutSuffix(raw[1:], `"`)
	return text, ended
}

// quote leaves <, > and & as they are, as Ping++ does.
func quote(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}
