// Package apierr is the errors that Ping++'s API answers, in both of its languages.
package apierr

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// Error is a refusal in Ping++'s shape. Code and Param are absent from the JSON when empty.
type Error struct {
	Status            int // of HTTP
	Kind, Code, Param string
	ZH, EN            string // the message
}

// The kinds of errors.
const (
	InvalidRequest = "invalid_request_error"
	Failure        = "api_error"
	ChannelError   = "channel_error"
)

// BadParam refuses a parameter; an empty name is none in particular.
func BadParam(param, zh, en string) *Error {
	return &Error{Status: http.StatusBadRequest, Kind: InvalidRequest, Param: param, ZH: zh, EN: en}
}

// BadStatus refuses what a charge's state does not allow.
func BadStatus(code, zh, en string) *Error {
	return &Error{Status: http.StatusBadRequest, Kind: InvalidRequest, Code: code, ZH: zh, EN: en}
}

// MissingParam refuses a request that lacks a parameter.
func MissingParam(param string) *Error {
	return BadParam(param, "缺少必填参数: "+param+"。", "Missing required param: "+param+".")
}

// UnknownParam refuses a parameter that there is not.
func UnknownParam(param string) *Error {
	return BadParam(param, "收到未知参数: "+param+"。", "Received unknown parameter: "+param)
}

// NotFound refuses an id that param gave.
func NotFound(what, id, param string) *Error {
	return &Error{Status: http.StatusNotFound, Kind: InvalidRequest, Param: param,
		ZH: fmt.Sprintf("未找到 %s : %s。", what, id), EN: fmt.Sprintf("No such %s: %s", what, id)}
}

// OfChannel is what Ping++ makes of the channel's own error text.
func OfChannel(channel, text string) *Error {
	return &Error{Status: http.StatusPaymentRequired, Kind: ChannelError, Code: "channel_request_error",
		ZH: "对支付渠道的请求未能成功。来自 " + channel + " 渠道的错误信息：" + text,
		EN: "The request for channel was unsuccessful. Error message from channel " + channel + ": " + text}
}

// Body renders the error in the language that the request prefers.
func (e *Error) Body(r *http.Request) []byte {
	message := e.ZH
	if English(r.Header.Get("Accept-Language")) {
		message = e.EN
	}
	return rawjson.Encode(struct {
		Error any `json:"error"`
	}{struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Code    string `json:"code,omitempty"`
		Param   string `json:"param,omitempty"`
	}{e.Kind, message, e.Code, e.Param}})
}

// English reports whether an Accept-Language header prefers English to Chinese, the default.
func English(accept string) bool {
	var zh, en float64
	for part := range strings.SplitSeq(accept, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		switch lang, _, _ := strings.Cut(strings.ToLower(tag), "-"); lang {
		case "zh":
			zh = max(zh, q)
		case "en":
			en = max(en, q)
		}
	}
	return en > zh
}

// NotA refuses a parameter that is not what the texts say: "must be …".
func NotA(param, zh, en string) *Error {
	return BadParam(param, "参数 "+param+" 必须是"+zh+"。", "The param "+param+" must be "+en+".")
}

// TooLong refuses a parameter of more characters than most.
func TooLong(param string, most int) *Error {
	n := strconv.Itoa(most)
	return BadParam(param, "参数 "+param+" 不能超过 "+n+" 个字符。", "The param "+param+" has at most "+n+" characters.")
}
