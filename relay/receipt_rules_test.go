package relay

import (
	"net/http"
	"testing"
)

// Words, JSON and XML that are the receipt that is asked for, or look like it.
func TestReceiptRules(t *testing.T) {
	for body, ok := range map[string]bool{
		"success": true, `"success"`: true, `" Success "`: true, `"fail"`: false, `"success`: false, "null": false, "fail": false,
		"<xml>success</xml>": true, "<xml> SUCCESS\n</xml>": true, "<xml>fail</xml>": false, "<xml></xml>": false, "<xml>success": false,
		"<?xml version=\"1.0\"?>\n<xml>success</xml>\n":                                              true,
		"<xml>success</xml>success":                                                                  false,
		"<xml>success</xml><xml>success</xml>":                                                       false,
		"<!DOCTYPE xml><xml>success</xml>":                                                           false,
		"<xml><return_code>SUCCESS</return_code></xml>":                                              true,
		"<xml><return_code>FAIL</return_code></xml>":                                                 false,
		"<xml>success<return_code>FAIL</return_code></xml>":                                          false,
		"<xml><return_code>success</return_code><a>x</a></xml>":                                      true,
		"<xml><return_code>SUCCESS</return_code><return_code>SUCCESS</return_code></xml>":            false,
		"<xml><return_code>SUCCESS</return_code><result_code>FAIL</result_code></xml>":               false,
		"<xml><return_code>FAIL</return_code><result_code>SUCCESS</result_code></xml>":               false,
		"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>":            true,
		"<xml><return_code>SUCCESS</return_code><more><return_code>of it</return_code></more></xml>": true,
		"<xml><return_code><b>SUCCESS</b></return_code></xml>":                                       false,
		"<xml><return_code>SUC<!-- -->CESS</return_code></xml>":                                      true,
		"<return_code>success</return_code>":                                                         true,
	} {
		if v := judge(200, nil, []byte(body), Expect{Body: "success"}); v.ok() != ok {
			t.Errorf("%s: %+v", body, v)
		}
	}
	for status, want := range map[int]string{
		99: "the request was broken off before your backend answered", 100: "your backend answered 100", 199: "your backend answered 199",
		300: "your backend answered 300 (a redirect is not a receipt)", 399: "your backend answered 399 (a redirect is not a receipt)", 400: "your backend answered 400",
	} {
		if v := judge(status, nil, nil, Expect{}); v.why != want {
			t.Errorf("%d: %q, want %q", status, v.why, want)
		}
	}
	for encoding, ok := range map[string]bool{"": true, "identity": true, " Identity ": true, "br": false} {
		if v := judge(200, http.Header{"Content-Encoding": {encoding}}, []byte("ok"), Expect{}); v.ok() != ok {
			t.Errorf("encoded as %q: %+v", encoding, v)
		}
	}
	if v := judge(200, http.Header{"Content-Encoding": {"br"}}, nil, Expect{}); !v.ok() {
		t.Errorf("nothing, in whatever encoding: %+v", v)
	}
	if few, many := (Expect{Body: "success"}).limit(), (Expect{Path: "code"}).limit(); few != judged || many != drained {
		t.Errorf("%d bytes are looked at, and %d of JSON", few, many)
	}
}
