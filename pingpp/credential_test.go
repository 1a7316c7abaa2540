package pingpp

import (
	"encoding/json"
	"testing"
)

func TestHasCredential(t *testing.T) {
	for credential, want := range map[string]bool{
		`{"object":"credential","wx_lite":{"appId":"wx1","package":"prepay_id=1"}}`: true,
		`{"object":"credential","wx_lite":"weixin://wxpay/bizpayurl?pr=1"}`:         true,
		`{"object":"credential","wx_pub":{"appId":"wx1"}}`:                          false, // another channel's
		`{"object":"credential","wx_lite":{}}`:                                      false,
		`{"object":"credential","wx_lite":""}`:                                      false,
		`{"object":"credential","wx_lite":[]}`:                                      false,
		`{"object":"credential","wx_lite":null}`:                                    false,
		`{"object":"credential","wx_lite":1}`:                                       false,
		`{"object":"credential"}`:                                                   false,
		`{}`:                                                                        false,
		`[]`:                                                                        false,
		`null`:                                                                      false,
		``:                                                                          false,
	} {
		c := &Charge{Channel: "wx_lite", Credential: json.RawMessage(credential)}
		if c.HasCredential() != want {
			t.Errorf("%s: %t", credential, !want)
		}
	}
}
