package channel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// form is what a value of extra has to look like.
type form struct {
	en, zh string
	valid  func(json.RawMessage) bool
}

func text(least, most int) form {
	return form{
		fmt.Sprintf("text of %s characters", span(least, most)), fmt.Sprintf("字符串，%s 个字符", span(least, most)),
		func(raw json.RawMessage) bool {
			s, ok := plainText(raw)
			n := utf8.RuneCountInString(s)
			return ok && n >= least && n <= most
		},
	}
}

func alnum(least, most int) form {
	return matching(fmt.Sprintf("%s letters and digits", span(least, most)), fmt.Sprintf("%s 位字母或数字", span(least, most)),
		fmt.Sprintf("^[A-Za-z0-9]{%d,%d}$", least, most))
}

func digits(least, most int) form {
	return matching(fmt.Sprintf("text of %s digits", span(least, most)), fmt.Sprintf("字符串，%s 位数字", span(least, most)),
		fmt.Sprintf("^[0-9]{%d,%d}$", least, most))
}

func matching(en, zh, pattern string) form {
	syntax := regexp.MustCompile(pattern)
	return form{en, zh, func(raw json.RawMessage) bool {
		s, ok := plainText(raw)
		return ok && syntax.MatchString(s)
	}}
}

func oneOf(values ...string) form {
	list := `"` + strings.Join(values, `", "`) + `"`
	return form{list, list, func(raw json.RawMessage) bool {
		s, ok := plainText(raw)
		return ok && slices.Contains(values, s)
	}}
}

// Forms without bounds that Ping++ states.
var (
	anyText  = form{"text", "字符串", text(1, 1000).valid}
	anyWhole = form{"whole number", "整数", whole(0, 999_999_999).valid}
	boolean  = form{"true or false", "true 或 false", func(raw json.RawMessage) bool {
		return string(raw) == "true" || string(raw) == "false"
	}}
	address = form{"absolute URL, not at localhost", "绝对 URL，不能是 localhost", func(raw json.RawMessage) bool {
		s, ok := plainText(raw)
		return ok && CheckReturnURL(s) == nil
	}}
	goodsList = list(8000)
)

var wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)

// whole takes a number, or its text, as Ping++'s own examples have both.
func whole(least, most int64) form {
	return form{
		fmt.Sprintf("whole number %d–%d", least, most), fmt.Sprintf("整数 %d–%d", least, most),
		func(raw json.RawMessage) bool {
			s, ok := plainText(raw)
			if !ok {
				s = string(raw)
			}
			n, err := strconv.ParseInt(s, 10, 64)
			return wholeNumber.MatchString(s) && err == nil && n >= least && n <= most
		},
	}
}

func list(most int) form {
	return form{
		fmt.Sprintf("list of objects, at most %d characters of JSON", most), fmt.Sprintf("对象数组，JSON 不超过 %d 个字符", most),
		func(raw json.RawMessage) bool {
			var items []json.RawMessage
			if json.Unmarshal(raw, &items) != nil || len(items) == 0 || utf8.RuneCount(raw) > most {
				return false
			}
			return !slices.ContainsFunc(items, func(item json.RawMessage) bool { return !object(item) })
		},
	}
}

// object reports whether a JSON value is an object in which no name stands twice.
func object(value json.RawMessage) bool {
	d := json.NewDecoder(bytes.NewReader(value))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	names := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		var member json.RawMessage
		if err != nil || d.Decode(&member) != nil {
			return false
		}
		name := t.(string) // the decoder lets nothing else stand before a colon
		if names[name] {
			return false
		}
		names[name] = true
	}
	return true
}

func span(least, most int) string {
	if least == most {
		return strconv.Itoa(most)
	}
	return fmt.Sprintf("%d–%d", least, most)
}

// plainText reads a JSON string without control characters.
func plainText(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == utf8.RuneError })
}

// CheckReturnURL says what keeps a channel from sending the payer back to a URL.
func CheckReturnURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }):
		return errors.New("is not an absolute URL; write it like https://shop.example.com/paid")
	case u.Hostname() == "localhost":
		return errors.New("is at localhost, which channels refuse; write 127.0.0.1 or a public name")
	case u.Fragment != "":
		return errors.New("has a fragment (#…), which channels lose; leave it out")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("must begin with https://; write it like https://shop.example.com/paid")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
