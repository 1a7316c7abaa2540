package handlers

import (
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

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/problem"
)

// extraKey is a member of a charge's extra.
type extraKey struct {
	name     string
	required bool
	from     source
	form     form
}

func need(name string, from source, f form) extraKey { return extraKey{name, true, from, f} }
func may(name string, from source, f form) extraKey  { return extraKey{name, false, from, f} }

// source is who may give a member of extra. The quote may give every one but open_id, and goes first.
type source int

const (
	fromQuote   source = iota // nobody else
	fromConfig                // the site's option of the same name: success_url, …
	fromClient                // the client, since it harms nobody: what it runs on, what it would like to pay with
	fromOrderNo               // the order number, when the quote gives none
	fromSession               // the session, and nobody else
)

// clientMay returns what is wrong with a member of extra that a client sends; nil when it may.
func (c channel) clientMay(name string, value json.RawMessage) error {
	i := slices.IndexFunc(c.extra, func(k extraKey) bool { return k.name == name && k.from == fromClient })
	if i < 0 {
		return errors.New("this channel takes no such member from a client")
	}
	if k := c.extra[i]; string(value) != "null" && !k.form.valid(value) {
		return fmt.Errorf("it must be %s", k.form.en)
	}
	return nil
}

// given is where a charge's extra comes from, in the order of right.
type given struct {
	quote   map[string]json.RawMessage
	urls    map[string]string // the site's, by the names of the options
	client  map[string]json.RawMessage
	orderNo string
	openID  string // of the session; the only one that counts
}

// makeExtra puts a charge's extra together. The error is a Problem.
func (c channel) makeExtra(g given) (map[string]any, error) {
	extra := make(map[string]any, len(g.quote)+len(c.extra))
	for name, v := range g.quote {
		if name != openID.name && string(v) != "null" { // Ping++ may know members that the table does not
			extra[name] = v
		}
	}
	for _, k := range c.extra {
		v, ok := extra[k.name].(json.RawMessage)
		if ok && string(v) != `""` {
			if !k.form.valid(v) {
				// The value stays out of the log: it may be somebody's telephone number.
				return nil, problem.New("quote_invalid", fmt.Errorf("extra.%s must be %s", k.name, k.form.en))
			}
			continue
		}
		delete(extra, k.name)
		if v := g.otherwise(k); v != nil {
			extra[k.name] = v
		} else if k.required {
			return nil, problem.New("channel_extra_missing", fmt.Errorf("extra.%s is missing: %s", k.name, advice[k.from]))
		}
	}
	return extra, nil
}

// otherwise is the value of a member that the quote does not give; nil when nobody does.
func (g given) otherwise(k extraKey) any {
	switch v, ok := g.client[k.name]; {
	case k.from == fromSession && g.openID != "":
		return g.openID
	case k.from == fromOrderNo:
		return cut(g.orderNo, maxProductID)
	case k.from == fromConfig && g.urls[k.name] != "":
		return strings.ReplaceAll(g.urls[k.name], "{order_no}", escapeOrderNo(g.orderNo))
	case k.from == fromClient && ok && string(v) != "null":
		return v
	}
	return nil
}

// advice says who has to give a member that is missing.
var advice = [...]string{
	fromQuote:   "the backend has to name it in the quote's extra",
	fromConfig:  "set the option of that name in the pay block, or name it in the quote's extra",
	fromClient:  "the client has to send it in extra, or the backend to name it in the quote's extra",
	fromOrderNo: "the order number does not fit; the backend has to name it in the quote's extra",
	fromSession: "the session has no openid",
}

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
			return !slices.ContainsFunc(items, func(item json.RawMessage) bool {
				_, err := body.ParseObject(item)
				return err != nil
			})
		},
	}
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
