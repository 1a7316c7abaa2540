package sandbox

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// apiError is a refusal in Ping++'s shape. code and param are absent from the JSON when empty.
type apiError struct {
	status            int
	kind, code, param string
	zh, en            string // the message
}

const (
	invalidRequest = "invalid_request_error"
	apiFailure     = "api_error"
	channelError   = "channel_error"
)

func badParam(param, zh, en string) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: invalidRequest, param: param, zh: zh, en: en}
}

// badStatus refuses what a charge's state does not allow.
func badStatus(code, zh, en string) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: invalidRequest, code: code, zh: zh, en: en}
}

func missingParam(param string) *apiError {
	return badParam(param, "缺少必填参数: "+param+"。", "Missing required param: "+param+".")
}

func unknownParam(param string) *apiError {
	return badParam(param, "收到未知参数: "+param+"。", "Received unknown parameter: "+param)
}

func notFound(what, id, param string) *apiError {
	return &apiError{status: http.StatusNotFound, kind: invalidRequest, param: param,
		zh: fmt.Sprintf("未找到 %s : %s。", what, id), en: fmt.Sprintf("No such %s: %s", what, id)}
}

// channelRefusal is what Ping++ makes of the channel's own error text.
func channelRefusal(channel, text string) *apiError {
	return &apiError{status: http.StatusPaymentRequired, kind: channelError, code: "channel_request_error",
		zh: "对支付渠道的请求未能成功。来自 " + channel + " 渠道的错误信息：" + text,
		en: "The request for channel was unsuccessful. Error message from channel " + channel + ": " + text}
}

// body renders the error in the language that the request prefers.
func (e *apiError) body(r *http.Request) []byte {
	message := e.zh
	if english(r.Header.Get("Accept-Language")) {
		message = e.en
	}
	return rawjson.Encode(struct {
		Error any `json:"error"`
	}{struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Code    string `json:"code,omitempty"`
		Param   string `json:"param,omitempty"`
	}{e.kind, message, e.code, e.param}})
}

// english reports whether an Accept-Language header prefers English to Chinese, the default.
func english(accept string) bool {
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
