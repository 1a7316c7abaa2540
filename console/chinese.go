package console

import (
	"cmp"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

// inChinese says an entry of a timeline, whose own sentence is English, from what that was made of. What a backend or Ping++ said stays as it is.
func inChinese(o *adminapi.OrderLife, e *adminapi.Entry) string {
	var charge adminapi.ChargeView
	if i := slices.IndexFunc(o.Charges, func(c adminapi.ChargeView) bool { return c.ID == e.Charge }); i >= 0 {
		charge = o.Charges[i]
	}
	var event adminapi.ToldView
	if i := slices.IndexFunc(o.Events, func(t adminapi.ToldView) bool { return t.ID == e.Event }); i >= 0 {
		event = o.Events[i]
	}
	zh := func(text string) string { return say("zh", text) }
	var said []string
	add := func(text, value string) {
		if value != "" {
			said = append(said, text+value)
		}
	}
	switch e.Kind {
	case "quote":
		if o.Quote != nil && o.Quote.Closed {
			return "后端表示该订单不能再支付"
		}
		return "后端给出的价格"
	case "login":
		add("支付者 ", charge.Payer)
	case "attempt":
		add("渠道 ", charge.Channel)
		add("支付者 ", charge.Payer)
		add("Ping++ 单号 ", charge.Number)
		if charge.Superseded {
			said = append(said, "已被另一次支付尝试取代")
		}
	case "client":
		add("客户端上报：", charge.Said)
		said = append(said, "不作为付款凭证")
	case "paid":
		add("交易号 ", charge.TransactionNo)
		if charge.Foreign {
			said = append(said, "不是本系统创建的支付单")
		}
	case "event":
		add("", event.Type)
		add("来源 ", zh(event.Source))
	case "check":
		if len(event.Reasons) == 0 {
			said = append(said, "金额与币种相符")
		}
		for _, reason := range event.Reasons {
			add("", zh("reason "+reason))
		}
		if event.Late != "" {
			add("", zh("reason "+event.Late))
		}
	case "delivery":
		if e.Delivery != nil {
			return e.Delivery.Error
		}
	case "decision":
		if d := e.Decision; d != nil {
			add("", zh("action "+d.Action))
			add("操作者 ", adminapi.Who(d.By, d.Said))
			add("原因 ", d.Reason)
		}
	case "refund":
		i := slices.IndexFunc(o.Refunds, func(r adminapi.RefundView) bool { return cmp.Or(r.RefundNo, r.ID) == e.Refund })
		if i >= 0 {
			r := &o.Refunds[i]
			add("", zh(r.State))
			add("待人工确认：", r.Unclear)
			add("", strings.TrimSpace(r.FailureCode+" "+r.FailureMsg))
		}
	case "refunded":
		return "退款已到账"
	case "shipping":
		switch i := shipmentOf(o, e); {
		case i < 0:
		case o.Shipments[i].Shipping != nil:
			add("", shippedInChinese(o.Shipments[i].Shipping))
		default:
			add("发货信息有误：", inLanguage("zh", o.Shipments[i].Error, o.Shipments[i].ErrorZH))
		}
	case "wechat":
		i := shipmentOf(o, e)
		telling := i >= 0 && o.Shipments[i].Stage == "open"
		if a := e.Asked; a != nil {
			telling = a.Step == "post"
			add("", map[bool]string{true: "告知微信发货信息", false: "询问微信订单状态"}[telling])
			if a.Shipping != nil && (i < 0 || !a.Shipping.Same(o.Shipments[i].Shipping)) { // else that stands where it was reported
				add("", shippedInChinese(a.Shipping))
			}
			add("", inLanguage("zh", a.Error, a.ErrorZH))
			break
		}
		add("将", map[bool]string{true: "告知微信发货信息", false: "询问微信订单状态"}[telling])
	case "deadline":
		if e.Ahead {
			return "微信要求在此之前录入发货信息"
		}
		return "微信的 48 小时发货期限已过"
	case "pause":
		if o.Paused != nil {
			add("操作者 ", adminapi.Who(o.Paused.By, o.Paused.Said))
			add("原因 ", o.Paused.Reason)
		}
	case "next":
		if e.Event != "" {
			return "将投递该事件"
		}
		return "将向 Ping++ 查询"
	case "expiry":
		if e.Ahead {
			return "届时不能再支付"
		}
		return "已不能再支付"
	default:
		return e.Text
	}
	return strings.Join(said, "，")
}

// shippedInChinese says what was reported, in a line.
func shippedInChinese(s *ledger.Shipping) string {
	said := []string{say("zh", "by "+string(s.Type)), s.Items}
	for _, p := range s.Parcels {
		said = append(said, p.Company+" "+p.TrackingNo)
	}
	if !s.Complete {
		said = append(said, say("zh", "more is to follow"))
	}
	return strings.Join(said, "，")
}

// shipmentOf is the place of the shipment that an entry is about; below 0: none.
func shipmentOf(o *adminapi.OrderLife, e *adminapi.Entry) int {
	return slices.IndexFunc(o.Shipments, func(s adminapi.ShipmentWhole) bool { return s.Charge == e.Charge })
}
