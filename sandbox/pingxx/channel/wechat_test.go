package channel

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox/dice"
)

// The credential of a mini program's charge is signed with the merchant's key, over what it holds.
func TestWeChatCredential(t *testing.T) {
	m := &Merchant{AppID: "wx0123456789abcdef", Key: "qazwsxedcrfvtgbyhnujmikolp111111", Dice: dice.New(rand.Reader)}
	for _, live := range []bool{false, true} {
		c := Find("wx_lite").Credential(m, &Sale{Created: time.Unix(1_800_000_000, 0), Livemode: live}).(wxCredential)
		if c.TimeStamp != "1800000000" || c.SignType != "MD5" || (c.AppID == m.AppID) != live || c.PaySign != paySign(c, m.Key) {
			t.Errorf("%+v", c)
		}
	}
}

func TestPaySignOfWeChatsExample(t *testing.T) {
	got := paySign(wxCredential{AppID: "wxd678efh567hg6787", NonceStr: "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
		Package: "prepay_id=wx2017033010242291fcfe0db70013231072", TimeStamp: "1490840662", SignType: "MD5"}, "qazwsxedcrfvtgbyhnujmikolp111111")
	if got != "22D9B4E54AB1950F51E0649E8810ACD6" {
		t.Error(got)
	}
}
