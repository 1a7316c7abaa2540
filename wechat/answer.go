package wechat

import (
	"encoding/json"
	"strconv"
)

const maxID = 64 // bytes; openids have 28

// parseAnswer judges an answer of jscode2session by its body alone: WeChat sends errors with HTTP 200, and JSON as text/plain.
// The members are looked up by their exact names, since the session_key and the openid decide over money.
func parseAnswer(status int, body []byte, hide redactor) (Identity, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return Identity{}, unavailable("the answer is not a JSON object (HTTP %d)", status)
	}
	errcode, ok := number(members["errcode"])
	if !ok {
		return Identity{}, unavailable("the answer's errcode is not a number (HTTP %d)", status)
	}
	openID, okOpenID := text(members["openid"])
	unionID, okUnionID := text(members["unionid"])
	if errcode != 0 {
		errmsg, _ := text(members["errmsg"])
		key, _ := text(members["session_key"])
		hide = append(hide[:len(hide):len(hide)], openID, unionID, key)
		return Identity{}, &Error{Kind: kindOf(errcode), Code: errcode, Message: hide.clean(withoutTrace(errmsg))}
	}
	switch {
	case !okOpenID || openID != "" && !validID(openID):
		return Identity{}, unavailable("the answer's openid has a form that no openid has (HTTP %d)", status)
	case openID == "":
		return Identity{}, unavailable("the answer holds no openid (HTTP %d)", status)
	case !okUnionID || unionID != "" && !validID(unionID):
		return Identity{}, unavailable("the answer's unionid has a form that no unionid has (HTTP %d)", status)
	}
	return Identity{OpenID: openID, UnionID: unionID}, nil
}

// number reads an errcode, which one of WeChat's platforms sends as a string. Absent and null are 0.
func number(raw json.RawMessage) (n int, ok bool) {
	if len(raw) > 0 && raw[0] == '"' {
		s, _ := text(raw)
		raw = json.RawMessage(s)
	} else if raw == nil || string(raw) == "null" {
		return 0, true
	}
	n, err := strconv.Atoi(string(raw))
	return n, err == nil
}

// text reads a string. Absent and null are the empty one.
func text(raw json.RawMessage) (s string, ok bool) {
	if raw == nil {
		return "", true
	}
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// validID reports whether s looks like an openid, a unionid or an AppID. They go into headers and keys later.
func validID(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxID
}
