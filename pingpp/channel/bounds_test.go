package channel

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a quote gives as nothing is not sent to Ping++.
func TestExtraOfNothing(t *testing.T) {
	extra, err := Of("wx_lite").Extra(Given{OpenID: "o1", Quote: map[string]json.RawMessage{"limit_pay": json.RawMessage(`""`), "goods_tag": json.RawMessage(`"tea"`)}})
	if _, ok := extra["limit_pay"]; ok || err != nil || len(extra) != 2 {
		t.Errorf("%v, %v", extra, err)
	}
}

// The last character that WeChat takes stays, and a text without any above is left as it is; what makes an emoji of a letter goes with emoji.
func TestLastCharacters(t *testing.T) {
	c := Of("wx_lite")
	for text, want := range map[string]string{" \uffff ": " \uffff ", "a\uffffb😀": "a\uffffb", "☎\ufe0e tea 😀": "☎ tea", "☎\ufe0e": "☎\ufe0e"} {
		if got := c.WithoutRefused(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// Numbers and lists have their bounds, both included; a channel that takes any currency names none.
func TestBoundsOfForms(t *testing.T) {
	most := whole(1, 20)
	for raw, want := range map[string]bool{"0": false, "1": true, "20": true, "21": false, `"1"`: true, `"0"`: false} {
		if most.valid(json.RawMessage(raw)) != want {
			t.Errorf("%s: %t", raw, !want)
		}
	}
	goods := `[{"a":"` + strings.Repeat("茶", 8000-len(`[{"a":""}]`)) + `"}]`
	for raw, want := range map[string]bool{goods: true, goods[:len(goods)-1] + " ]": false} {
		if goodsList.valid(json.RawMessage(raw)) != want {
			t.Errorf("%d bytes: %t", len(raw), !want)
		}
	}
	if got := Of("paypal").currencies(); got != nil {
		t.Errorf("%q", got)
	}
}
