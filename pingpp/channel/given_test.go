package channel

import (
	"encoding/json"
	"errors"
	"testing"
)

// What a client may send, and that it counts for what is the client's alone.
func TestWhatClientsGive(t *testing.T) {
	found := false
	for _, name := range Names() {
		c := Of(name)
		for _, m := range c.extra {
			null := json.RawMessage("null")
			if err := c.ClientMay(m.name, null); (err == nil) != (m.from == fromClient) {
				t.Errorf("%s: %s of null: %v", name, m.name, err)
			}
			client := Given{Client: map[string]json.RawMessage{m.name: null}}
			if v := client.otherwise(m); v != nil && m.from != fromOrderNo {
				t.Errorf("%s: %s is %v although the client gave null", name, m.name, v)
			}
			client.Client[m.name] = json.RawMessage(`"x"`)
			v := client.otherwise(m)
			if raw, ok := v.(json.RawMessage); ok != (m.from == fromClient) || ok && string(raw) != `"x"` {
				t.Errorf("%s: %s, which comes from %d, is %v", name, m.name, m.from, v)
			}
			found = found || m.from == fromClient
		}
		if err := c.ClientMay("no_such", json.RawMessage("1")); err == nil {
			t.Errorf("%s takes what it does not know", name)
		}
	}
	if !found {
		t.Error("no channel takes anything from a client")
	}
}

// Where payers may be sent back to.
func TestReturnURLs(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://shop.example.com/paid": true, "https://shop.example.com/~me": true, "http://127.0.0.1:8080/": true, "http://[::1]/": true, "http://shop.example.com/": false, "https://localhost/": false, "https:shop": false, "https:": false,
		"https://a.b/#x": false, "https://u@a.b/": false, "https://a.b/ x": false, "https://a.b/\x7f": false, "https://a.b/\u8ba2": false, "/paid": false, "ftp://127.0.0.1/": false, "": false, "https://a.b/!": true, "http://10.0.0.1/": false,
	} {
		if err := CheckReturnURL(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	for raw, want := range map[string]bool{`"a b"`: true, `" "`: true, `"a\tb"`: false, `"a\u001f"`: false, `"a\u007f"`: false, `7`: false, `null`: false, ``: false} {
		if s, ok := plainText(json.RawMessage(raw)); ok != want {
			t.Errorf("%s: %q %t", raw, s, ok)
		}
	}
	var missing *MissingError
	if _, err := Of("wx_lite").Extra(Given{}); !errors.As(err, &missing) {
		t.Error(err)
	}
}
