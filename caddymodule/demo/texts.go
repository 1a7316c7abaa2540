package demo

import (
	"fmt"

	"github.com/caddypay/caddypay/examples/legacyshop"
)

type view struct {
	Lang     string
	T        map[string]string
	Steps    []step
	Products []legacyshop.Product
}

// step is one that lights up.
type step struct {
	Name string
	Who  string // the part that does it: phone, caddypay, pingpp or backend
	Text string
	Note string // what it is good for
}

// Yuan is an amount in fen as a price, for the template.
func (view) Yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }

// describe names the steps of a payment in their order.
func describe(lang string) []step {
	var steps []step
	for _, s := range []struct{ name, who, en, enNote, zh, zhNote string }{
		{"login", "phone", "The phone logs in", "wx.login gives a code that is good once",
			"手机登录", "wx.login 返回一次性的 code"},
		{"openid", "caddypay", "caddypay asks WeChat who it is", "code → openid, and a session for the client",
			"caddypay 向微信确认身份", "code 换 openid，并为客户端签发会话"},
		{"order_quote", "backend", "Your backend names the price", "never the client; who may pay, too",
			"后端报价", "价格和付款人由后端决定，而不是客户端"},
		{"charge_created", "caddypay", "caddypay creates the charge at Ping++", "signed; one order, one charge",
			"caddypay 在 Ping++ 创建支付", "请求带签名；一个订单只创建一笔支付"},
		{"user_paid", "phone", "The user pays", "in WeChat's own sheet",
			"用户付款", "在微信的支付界面完成"},
		{"webhook_verified", "pingpp", "Ping++ sends its webhook", "verified before anything else",
			"Ping++ 发送 Webhook", "先验签，再处理"},
		{"event_stored", "caddypay", "The event is on disk", "only then is it answered 200",
			"事件写入磁盘", "落盘之后才返回 200"},
		{"event_delivered", "backend", "Your backend hears of it", "again and again until it says yes",
			"后端收到通知", "直到后端确认为止，不会丢失"},
		{"client_confirmed", "phone", "The phone sees the result", "from the record, not from what the client believes",
			"手机看到结果", "以服务器的记录为准"},
	} {
		text, note := s.zh, s.zhNote
		if lang == "en" {
			text, note = s.en, s.enNote
		}
		steps = append(steps, step{s.name, s.who, text, note})
	}
	return steps
}

var texts = map[string]map[string]string{
	"zh": {
		"title": "caddypay 演示", "claim": "给没人敢动的老后端接入微信小程序支付。", "sub": "本页的手机是模拟的，其余都是真的：HTTPS、验签、落盘、投递。全部在本机运行，不会产生真实扣款。",
		"phone": "手机", "shop": "茶铺", "mini": "微信小程序", "buy": "微信支付购买", "confirm": "确认支付", "cancel": "取消", "sheet": "微信支付", "paying": "请稍候…", "done": "支付成功",
		"doneMore": "已记录，后端会收到通知", "again": "再买一次", "canceled": "已取消付款", "failed": "没有成功",
		"steps": "一笔支付的全过程", "idle": "点击手机上的购买按钮，步骤会逐一亮起。", "backend": "后端看到的", "backendMore": "一个老系统：没有 SDK，没有公网回调，没有加密代码。",
		"orders": "订单", "calls": "它收到的请求", "none": "还没有", "paid": "已支付", "unpaid": "未支付", "refunded": "已退款", "desktop": "在电脑上支付", "desktopMore": "托管收银台：扫码支付，付款后回到这里。",
		"open": "打开收银台", "who_phone": "手机", "who_caddypay": "caddypay", "who_pingpp": "Ping++", "who_backend": "后端", "skipped": "网页订单无需登录：由店铺自己的 Cookie 识别",
		"console": "运营控制台", "consoleMore": "订单的全过程、投递记录、风险资金与健康检查。弄坏后端之后再来看看。", "openConsole": "打开控制台",
		"config": "以上全部来自 Caddyfile 中的这一段", "noscript": "本页需要 JavaScript：请启用后刷新页面。",
		"outage": "如果后端坏了", "outageMore": "让后端在 15 秒内不再确认通知，然后付一笔款：事件留在磁盘上，不断重发，直到送达。", "kind_302": "302 跳转到登录页", "kind_500": "500 错误", "kind_nothing": "没有响应",
		"kept": "如果微信冻结资金", "keptMore": "对受管理的小程序，微信冻结每笔正式支付，直到有人上报发货（发货信息管理）。第二家店按正式模式收款，一行 auto pickup \"{subject}\" 就让 caddypay 代为上报。",
		"money_frozen": "已支付，微信冻结资金", "shipping_reported": "caddypay 已向微信上报发货", "money_released": "买家已确认收货，资金解冻", "payLive": "付一笔正式的款", "receive": "买家确认收货",
		"break": "弄坏后端", "mend": "立即修复", "broken": "后端故障中，还剩 {s} 秒", "waits": "第 {n} 次投递：{what}。事件在磁盘上等待重发", "answered": "后端返回 {status}", "silent": "后端没有响应",
	},
	"en": {
		"title": "caddypay demo", "claim": "Take WeChat payments in front of a backend that nobody dares to touch.", "sub": "The phone on this page is played; all the rest is real: HTTPS, signatures, the ledger, the delivery. It runs on this machine alone, and no money moves.",
		"phone": "The phone", "shop": "Tea shop", "mini": "mini program", "buy": "Buy with WeChat Pay", "confirm": "Pay", "cancel": "Cancel", "sheet": "WeChat Pay", "paying": "One moment…", "done": "Paid",
		"doneMore": "It is on record, and the backend hears of it", "again": "Buy another", "canceled": "Canceled: nothing was paid", "failed": "That did not work",
		"steps": "One payment, step by step", "idle": "Press the button on the phone, and watch the steps light up.", "backend": "What your backend sees", "backendMore": "A legacy system: no SDK, no public callback, no crypto.",
		"orders": "Its orders", "calls": "What it was asked", "none": "nothing yet", "paid": "paid", "unpaid": "unpaid", "refunded": "given back", "desktop": "Pay on a desktop", "desktopMore": "The hosted checkout page: scan a QR code, and come back here.",
		"open": "Open the checkout page", "who_phone": "phone", "who_caddypay": "caddypay", "who_pingpp": "Ping++", "who_backend": "backend", "skipped": "no login for an order on the web: the shop knows it by its own cookie",
		"console": "What the operator sees", "consoleMore": "An order's whole life, every delivery, the money at risk, the health of all of it. Break the backend, then look again.", "openConsole": "Open the console",
		"config": "All of this comes from these lines of a Caddyfile", "noscript": "This page needs JavaScript: turn it on and load the page again.",
		"outage": "And when the backend breaks?", "outageMore": "For 15 seconds it acknowledges nothing. Pay meanwhile: the event stays on disk and is sent again until it arrives.", "kind_302": "302 to a login page", "kind_500": "500", "kind_nothing": "no answer",
		"kept": "And when WeChat keeps the money?", "keptMore": "Of a mini program that it manages, WeChat freezes every live payment until it is told how the order is shipped. A second shop takes live payments, and one line, auto pickup \"{subject}\", has caddypay tell it.",
		"money_frozen": "Paid, and WeChat keeps the money", "shipping_reported": "caddypay told WeChat how it is shipped", "money_released": "The buyer confirmed receipt: the money is free", "payLive": "Make a live payment", "receive": "Confirm receipt as the buyer",
		"break": "Break the backend", "mend": "Mend it now", "broken": "The backend is broken for {s} s", "waits": "Attempt {n}: {what}. The event waits on disk and is sent again", "answered": "it answered {status}", "silent": "no answer",
	},
}
