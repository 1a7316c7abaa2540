package channel

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddypay/caddypay/sandbox/pingxx/apierr"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// extraRule is one member of a channel's extra.
type extraRule struct {
	key      string
	required bool
	takes    value
}

// value is what a member may be.
type value struct {
	ok     func(json.RawMessage) bool
	zh, en string // completes "must be …"
}

func req(key string, takes value) extraRule { return extraRule{key, true, takes} }
func opt(key string, takes value) extraRule { return extraRule{key, false, takes} }

func rules(common []extraRule, more ...extraRule) []extraRule {
	return slices.Concat(more, common)
}

var (
	anyText = value{func(raw json.RawMessage) bool { _, ok := rawjson.Text(raw); return ok }, "字符串", "a string"}
	boolean = value{func(raw json.RawMessage) bool { return string(raw) == "true" || string(raw) == "false" }, "布尔值", "true or false"}
	number  = value{func(raw json.RawMessage) bool { _, ok := rawjson.Integer(raw); return ok }, "整数", "an integer"}
	array   = value{func(raw json.RawMessage) bool { return raw[0] == '[' && len(raw) <= 8000 && string(raw) != "[]" }, "非空数组", "a list that is not empty"}

	shortAlnum = shaped(`^[0-9A-Za-z]{1,8}$`, "1 到 8 位字母或数字", "1 to 8 letters and digits")

	// A channel brings its user back to it; Ping++ does not take localhost.
	webURL = value{func(raw json.RawMessage) bool {
		v, _ := rawjson.Text(raw)
		u, err := url.Parse(v)
		return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Hostname() != "localhost"
	}, "http(s) 地址，且不能是 localhost", "an http or https URL, and not localhost"}
)

// orNumber takes an integer too, for its digits: official examples send both.
func orNumber(v value) value {
	return value{func(raw json.RawMessage) bool {
		if n, ok := rawjson.Integer(raw); ok {
			return v.ok(rawjson.Encode(strconv.FormatInt(n, 10)))
		}
		return v.ok(raw)
	}, v.zh, v.en}
}

func upTo(n int) value {
	return value{func(raw json.RawMessage) bool {
		v, ok := rawjson.Text(raw)
		return ok && utf8.RuneCountInString(v) <= n
	}, "不超过 " + strconv.Itoa(n) + " 个字符的字符串", "a string of at most " + strconv.Itoa(n) + " characters"}
}

func digitsUpTo(n int) value {
	most := strconv.Itoa(n)
	return shaped(`^[0-9]{1,`+most+`}$`, "不超过 "+most+" 位数字", "at most "+most+" digits")
}

func shaped(pattern, zh, en string) value {
	re := regexp.MustCompile(pattern)
	return value{func(raw json.RawMessage) bool {
		v, _ := rawjson.Text(raw)
		return re.MatchString(v)
	}, zh, en}
}

func oneOf(values ...string) value {
	all := strings.Join(values, ", ")
	return value{func(raw json.RawMessage) bool {
		v, _ := rawjson.Text(raw)
		return slices.Contains(values, v)
	}, "以下之一: " + all, "one of " + all}
}

// CheckExtra compares extra with the channel's rules, first as Ping++ does and then as the channel.
func (ch *Channel) CheckExtra(extra rawjson.Object) *apierr.Error {
	for _, rule := range ch.extra {
		raw, ok := extra.Get(rule.key)
		if rule.required && (!ok || rawjson.IsNull(raw) || string(raw) == `""`) {
			return apierr.MissingParam("extra[" + rule.key + "]")
		}
	}
	for i, m := range extra {
		at := slices.IndexFunc(ch.extra, func(r extraRule) bool { return r.key == m.Key })
		param := "extra[" + m.Key + "]"
		if at < 0 {
			return apierr.UnknownParam(param)
		}
		if takes := ch.extra[at].takes; !takes.ok(m.Value) {
			return apierr.NotA(param, takes.zh, takes.en)
		}
		extra[i].Value = rawjson.Plain(m.Value)
	}
	if raw, ok := extra.Get("open_id"); ok {
		if openid, _ := rawjson.Text(raw); !OpenIDShape.MatchString(openid) {
			return apierr.OfChannel(ch.Name, "无效的openid")
		}
	}
	return nil
}

// OpenIDShape is what openids and unionids consist of.
var OpenIDShape = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
