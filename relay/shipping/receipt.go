package shipping

import (
	"bytes"
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// Receipts says what is reported to WeChat once the backend has acknowledged a payment.
type Receipts struct {
	Type  ledger.ShippingType // of what is reported of each payment; empty: nothing is by itself
	Items string              // with it; {subject} is what the payment was for, {order_no} its order's number
}

// member is what the backend's answer to a payment's event may have, in the form of the merchant API.
const member = "pay_shipping"

// Of returns what is reported of a payment: what the answer says, or else what is reported of all. A problem says that this is no report.
func (r *Receipts) Of(ev *ledger.Event, answer []byte) (*ledger.Shipping, ledger.ShippingProblem) {
	if bytes.Contains(answer, []byte(`"`+member+`"`)) {
		answer = bytes.TrimPrefix(answer, []byte("\xef\xbb\xbf"))
		if !gjson.ValidBytes(answer) {
			return invalid("the backend's answer has "+member+" but is no JSON, or too long to be read whole: answer with JSON of at most 4 KiB, in UTF-8",
				"后端的响应中有 "+member+"，但不是 JSON，或过长而无法完整读取：请返回不超过 4 KiB 的 JSON，UTF-8 编码")
		}
		if said := gjson.GetBytes(answer, member); said.Exists() && said.Type != gjson.Null {
			s, err := shipping.Parse([]byte(said.Raw))
			if wrong, ok := errors.AsType[*shipping.Error](err); ok {
				return invalid(member+" of the backend's answer: "+wrong.EN, "后端响应中的 "+member+"："+wrong.ZH)
			}
			return s, ledger.ShippingProblem{}
		}
	}
	if r.Type == "" {
		return nil, ledger.ShippingProblem{}
	}
	subject := gjson.GetBytes(ev.Body, "data.object.subject").String()
	items := wechat.CutItems(strings.NewReplacer("{subject}", subject, "{order_no}", ev.OrderNo).Replace(r.Items))
	if items == "" {
		return invalid("the text of auto is empty: the payment has no subject; write some words into it", "auto 的文字为空：支付没有商品名，请在其中写上文字")
	}
	return &ledger.Shipping{Type: r.Type, Items: items, Complete: true}, ledger.ShippingProblem{}
}

func invalid(text, zh string) (*ledger.Shipping, ledger.ShippingProblem) {
	return nil, ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: text, ZH: zh}
}
