package relay

import (
	"strings"
	"testing"
)

func TestExpectBody(t *testing.T) {
	const xmlHead = `<?xml version="1.0" encoding="GBK"?>`
	for body, want := range map[string]bool{
		"success":                  true,
		" SUCCESS\r\n":             true,
		"\xef\xbb\xbfsuccess":      true,
		`"success"`:                true,
		` "Success" `:              true,
		`"\u0073uccess"`:           true,
		"<xml>success</xml>":       true,
		"<r> SUCCESS </r>":         true,
		xmlHead + "<r>success</r>": true,
		"<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>":                                               true,
		"<xml>\n<return_code>success</return_code>\n<return_msg><![CDATA[OK]]></return_msg>\n</xml>\n":            true,
		"<xml><return_code><![CDATA[SUCCESS]]></return_code><result_code><![CDATA[SUCCESS]]></result_code></xml>": true,
		"<xml><return_code><![CDATA[SUCCESS]]></return_code><result_code><![CDATA[FAIL]]></result_code></xml>":    false,
		"<xml><return_code><![CDATA[FAIL]]></return_code><return_msg>success</return_msg></xml>":                  false,
		"<xml><return_code>SUCCESS</return_code><return_code>FAIL</return_code></xml>":                            false,
		"<xml><return_code>SUCCESS</return_code>":                                                                 false,
		"<xml><return_code>SUCCESS</return_code></xml><xml/>":                                                     false,
		"<xml><a><return_code>SUCCESS</return_code></a></xml>":                                                    false,
		"<xml><return_msg>SUCCESS</return_msg></xml>":                                                             false,
		"<!DOCTYPE xml [<!ENTITY e \"success\">]><xml>&e;</xml>":                                                  false,
		"<xml>success":            false,
		"<b>success</b> and more": false,
		`"success`:                false,
		`["success"]`:             false,
		`{"status":"success"}`:    false,
		"'success'":               false,
		"success!":                false,
		"":                        false,
		"null":                    false,
	} {
		if v := judge(200, nil, []byte(body), Expect{Body: " success "}); v.ok() != want {
			t.Errorf("%q: %+v", body, v)
		}
	}
}

// A backend that answers 200 to everything says in its JSON whether it took the event; a mistake there is a failed delivery.
func TestExpectJSON(t *testing.T) {
	long := `{"pad":"` + strings.Repeat("x", 8<<10) + `","code":0}`
	for _, c := range []struct {
		path, body string
		want       bool
		why        string // part of the diagnosis
	}{
		{"code", `{"code":0}`, true, ""},
		{"code", `{"code":"0"}`, true, ""},
		{"code", `{"code":200,"msg":"ok"}`, true, ""},
		{"code", "\xef\xbb\xbf {\"code\":0}\n", true, ""},
		{"code", `{"code":"OK"}`, true, ""},
		{"data.state", `{"data":{"state":"ok"}}`, true, ""},
		{"code", long, true, ""},
		{"code", `{"code":1}`, false, "its code is not 0 or 200 or ok"},
		{"code", `{"code":00}`, false, "not with JSON"},
		{"code", `{"code":"500","data":{"code":0}}`, false, "is not"},
		{"code", `{"code":null}`, false, "is not"},
		{"code", `{"code":[0]}`, false, "is not"},
		{"code", `{"code":false}`, false, "is not"},
		{"code", `{"Code":0}`, false, "without code"},
		{"code", `{}`, false, "without code"},
		{"code", `[]`, false, "without code"},
		{"code", ``, false, "not with JSON"},
		{"code", `success`, false, "not with JSON"},
		{"code", `{"code":0`, false, "not with JSON"},
		{"code", "<br />\n<b>Warning</b>: x\n{\"code\":0}", false, "not with JSON"},
		{"code", "{\"code\":0}\nFatal error: Uncaught Error", false, "PHP error"},
		{"code", `{"code":0,"pad":"` + strings.Repeat("x", drained) + `"}`, false, "too long"},
	} {
		body := []byte(c.body)
		v := judge(200, nil, body[:min(len(body), Expect{Path: c.path}.limit())], Expect{Path: c.path, Values: []string{"0", "200", "ok"}})
		if v.ok() != c.want || !strings.Contains(v.why, c.why) {
			t.Errorf("%.60q at %s: %+v", c.body, c.path, v)
		}
	}
	if v := judge(200, nil, []byte(`{"code":null}`), Expect{Path: "code", Values: []string{"null"}}); !v.ok() {
		t.Errorf("null: %+v", v)
	}
	v := judge(200, nil, []byte(`{"code":"no\nstock \u001b[31m"}`), Expect{Path: "code", Values: []string{"0"}})
	if v.detail != `it is "no stock [31m"` || strings.Contains(v.why, "stock") {
		t.Errorf("the backend's own words: %+v", v)
	}
}
