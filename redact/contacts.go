package redact

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Hidden stands in the place of what is not shown at all.
const Hidden = "…"

// Contacts hides the telephone numbers in what somebody from outside said, before it is kept or shown: in JSON and its start, in whatever form it is
// written, and in any other text. Of a number that is known by its look alone the ends remain, so that people can be told apart: 138****1234; what
// stands under a name like contact or phone is not shown at all, unless it was masked before. cut says that more may have followed: then the start of a
// number at the end is one too.
func Contacts(text string, cut bool) string {
	if !suspect(text) {
		return text
	}
	plain := escapes.ReplaceAllStringFunc(text, unescaped)
	shown := Values(plain, func(within []string, value string, _ bool) string {
		for _, name := range within {
			if IsContact(name) && !masked(value) {
				return Hidden
			}
		}
		if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
			return value // gone through member by member
		}
		return numbers(value)
	})
	shown = numbers(shown)
	if cut {
		shown = begun.ReplaceAllString(shown, "$1"+Hidden)
	}
	if shown == plain {
		return text
	}
	if json.Valid([]byte(text)) && !json.Valid([]byte(shown)) { // a number alone: what was JSON is JSON
		return quote(shown)
	}
	return shown
}

// IsContact says that a member of this name holds somebody's telephone number, or how else he is reached.
func IsContact(name string) bool { return contactName.MatchString(name) }

// suspect says that a text has what a telephone number needs; most answers have not.
func suspect(text string) bool {
	digits := 0
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c == '\\', c == 0xEF: // an escape; the first byte of a wide digit
			return true
		}
	}
	return digits >= leastDigits
}

const leastDigits = 4 // of a telephone number; the last ones are no secret

var (
	contactName = regexp.MustCompile(`(?i)contact|phone|mobile|(?:^|_)tel(?:_|$)|手机|电话|联系`)

	// escapes are those of digits and of what stands between them, in JSON, and in JSON within JSON; and wide digits.
	escapes = regexp.MustCompile(`\\+u(?:00(?:3[0-9]|2[0bBdD])|[fF][fF]1[0-9])|[０-９]`)

	// escape is that of anything in JSON.
	escape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)

	// number is what looks like a telephone number: one of a mobile phone (also as JSON writes large numbers), one with an area code, one with a +.
	number = regexp.MustCompile(`1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}|1\.[3-9][0-9]{9}[eE]\+?10|\(?0[1-9][0-9]{1,2}\)?[- ]?[0-9]{3,4}[- ]?[0-9]{4}|\+[1-9][0-9]{0,2}[- ]?(?:[0-9][- ]?){6,12}[0-9]`)

	// begun is the start of one, where the text was cut off; perhaps within an escape.
	begun = regexp.MustCompile(`(^|\\u[0-9a-fA-F]{4}|[^0-9*])(?:\+[0-9]{1,3}[- ]?)?(?:1[3-9]|0[1-9])(?:[- ]?[0-9]){2,}[- ]?(?:\\+u?[0-9a-fA-F]{0,3})?$`)
)

// unescaped is what an escape or a wide digit says.
func unescaped(e string) string {
	if e[0] != '\\' {
		return string('0' + []rune(e)[0] - '０')
	}
	switch code := strings.ToLower(e[len(e)-2:]); code {
	case "20":
		return " "
	case "2b":
		return "+"
	case "2d":
		return "-"
	default: // 30 to 39, and ff10 to ff19
		return code[1:]
	}
}

// masked says that a number's middle is hidden already.
func masked(value string) bool {
	return value == Hidden || strings.Contains(value, "**") && numbers(value) == value
}

// numbers masks what looks like a telephone number, and is no part of a longer number. The digits of an escape are none of what stands beside it.
func numbers(text string) string {
	var b strings.Builder
	done := 0
	for _, at := range escape.FindAllStringIndex(text, -1) {
		b.WriteString(unescapedNumbers(text[done:at[0]]))
		b.WriteString(text[at[0]:at[1]])
		done = at[1]
	}
	return b.String() + unescapedNumbers(text[done:])
}

func unescapedNumbers(text string) string {
	var b strings.Builder
	done := 0
	for at := 0; at < len(text); {
		found := number.FindStringIndex(text[at:])
		if found == nil {
			break
		}
		from, to := at+found[0], at+found[1]
		fixed := text[from] == '0' // which other words look like too
		if from > 0 && isDigit(text[from-1]) || to < len(text) && (isDigit(text[to]) || fixed && alphanumeric(text[to])) {
			for at = from + 1; at < len(text) && isDigit(text[at]); at++ { // no number begins within another
			}
			continue
		}
		b.WriteString(text[done:from])
		b.WriteString(mask(text[from:to]))
		done, at = to, to
	}
	return b.String() + text[done:]
}

// mask hides all digits but the last four, and the first three of a mobile phone.
func mask(number string) string {
	if strings.ContainsAny(number, "eE") {
		return Hidden
	}
	digits, shown := 0, 0
	for i := range len(number) {
		if isDigit(number[i]) {
			digits++
		}
	}
	if number[0] == '1' {
		shown = 3
	}
	masked, at := []byte(number), 0
	for i, c := range masked {
		if !isDigit(c) {
			continue
		}
		if at >= shown && at < digits-4 {
			masked[i] = '*'
		}
		at++
	}
	return string(masked)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
