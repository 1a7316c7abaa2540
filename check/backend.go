package check

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
)

// Trial says how a backend is to be tried.
type Trial struct {
	// OrderNo is an order of the shop that can be paid. It counts as paid there afterwards. Default: TEST1.
	OrderNo string
	// OpenID is who would pay it. Default: whoever the backend says may.
	OpenID string
	// Fulfilled is where in the backend's answer about an order it says how often that was fulfilled, in gjson's syntax. Default: fulfilled.
	Fulfilled string
	// Slow is how long an answer may take before somebody should look into it. Default: 3s.
	Slow time.Duration
	// Random makes the ids of a trial: letters and digits.
	Random func() string
}

// TryBackend tries a merchant's backend: it asks for prices and sends events, right ones and wrong ones, as caddypay and as strangers would. Only in
// test mode: the events are of payments that nobody made. It takes about thirty calls, one after the other.
func TryBackend(ctx context.Context, s Shop, t Trial) []Finding {
	if s.Scope.Mode != ledger.Test {
		return []Finding{{ID: "backend-test-mode", Site: s.Site, Result: Unknown,
			Text: say("the backend was not tried: this site takes real payments, and the trial announces one that nobody made",
				"未测试后端：本站收取真实付款，而测试会通知一笔无人支付的付款"),
			Fix: say("run it against a site with an sk_test_ key, whose backend is a copy of the shop", "请对使用 sk_test_ 密钥、后端为商城副本的站点运行"),
		}}
	}
	if t.OrderNo == "" {
		t.OrderNo = "TEST1"
	}
	if t.Fulfilled == "" {
		t.Fulfilled = "fulfilled"
	}
	if t.Slow == 0 {
		t.Slow = 3 * time.Second
	}
	tr := &trial{Shop: s, Trial: t, ctx: ctx, nobodys: "no" + strings.ToLower(t.Random())[:12]}
	if !tr.quotes() {
		return tr.found
	}
	if tr.Tell != nil && tr.strangers() && tr.payment() {
		tr.others()
	}
	if !tr.over {
		tr.login()
		tr.pace()
	}
	return tr.found
}

// trial is one that is under way.
type trial struct {
	Shop
	Trial
	ctx     context.Context
	nobodys string // an order that the shop does not have

	amount   int64
	currency string
	subject  string
	event    *ledger.Event // of the payment
	found    []Finding
	slowest  time.Duration
	once     bool // the backend refuses an event that it has had
	over     bool // the backend does not answer: nothing more can be found out
}

func (t *trial) add(id string, r Result, text, fix Words) {
	t.found = append(t.found, Finding{ID: id, Site: t.Site, Result: r, Text: text, Fix: fix})
}

// unanswered ends the trial where the backend gave no answer.
func (t *trial) unanswered(late bool, why string) {
	t.over = true
	if late {
		t.add("backend-slow", Fail, say("the backend is too slow: %s", "后端太慢：%s", why),
			say("answer first and work afterwards: note the event in a table, answer, and let a cron job do what takes long (mail, stock, ERP)",
				"先响应、后处理：把事件写入一张表后立即响应，耗时的工作（邮件、库存、ERP）交给定时任务"))
		return
	}
	t.add("backend-reach", Fail, say("the backend cannot be reached: %s", "无法连接后端：%s", why),
		say("start it, and compare the address after upstream with what it listens on; php-fpm needs transport fastcgi",
			"请启动后端，并核对 upstream 后的地址与其监听地址；php-fpm 需要 transport fastcgi"))
}

// ask asks what an order costs; false: there was no answer.
func (t *trial) ask(q payment.Question) (payment.Asked, bool) {
	q.Host = t.Host
	a := t.Ask(t.ctx, q)
	t.slowest = max(t.slowest, a.Took)
	if a.Status == 0 || Unreachable(a.Status) {
		t.unanswered(a.Late, a.Why)
		return a, false
	}
	return a, true
}

// Unreachable reports whether a status is one with which proxies answer in the backend's place.
func Unreachable(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// quotes tries what the backend says of prices; false: an event cannot be tried.
func (t *trial) quotes() bool {
	if t.Ask == nil {
		t.amount, t.currency, t.subject = max(t.Least, 1), "cny", "caddypay check"
		t.OrderNo = t.Prefix + t.Random()[:min(20-len(t.Prefix), 14)]
		return true
	}
	a, ok := t.ask(payment.Question{OrderNo: t.OrderNo, OpenID: t.OpenID})
	if !ok {
		return false
	}
	if a.Code != "" {
		t.noPrice(a)
		return false
	}
	t.amount, t.currency, t.subject = a.Amount, a.Currency, a.Subject
	t.add("backend-quote", OK, say("order %s costs %d fen", "订单 %s 的价格为 %d 分", t.OrderNo, a.Amount), Words{})
	return t.quoteToken() && t.unknownOrder() && t.oddNumber()
}

// noPrice says why the order cannot be paid.
func (t *trial) noPrice(a payment.Asked) {
	switch a.Code {
	case "order_already_paid", "order_closed":
		t.add("backend-quote", Unknown, say("order %s cannot be paid any more: the backend says %s", "订单 %s 已不能支付：后端返回 %s", t.OrderNo, a.Code),
			say("make another order in the shop, and name it with --order", "请在商城新建一个订单，并用 --order 指定"))
		return
	}
	fix := say("answer 200 with JSON like {\"order_no\": %q, \"amount\": 1999, \"subject\": \"…\", \"status\": \"payable\"} to %s",
		"请对 %[2]s 返回 200 和 JSON：{\"order_no\": %[1]q, \"amount\": 1999, \"subject\": \"…\", \"status\": \"payable\"}", t.OrderNo, t.Orders)
	switch {
	case a.Status == http.StatusForbidden || a.Status == http.StatusUnauthorized:
		fix = t.tokens()
	case a.Status == http.StatusNotFound:
		fix = say("make the order %s in the shop, or name one that can be paid with --order; if it is there, the path %s is not the backend's",
			"请在商城新建订单 %s，或用 --order 指定一个可支付的订单；若订单存在，则后端没有 %s 这一路径", t.OrderNo, t.Orders)
	case a.Code == "order_not_found":
		fix = say("name an order that can be paid with --order, and with --openid whose it is", "请用 --order 指定可支付的订单，并用 --openid 指定其所有者")
	}
	t.add("backend-quote", Fail, say("the backend gives order %s no price: %s", "后端没有给出订单 %s 的价格：%s", t.OrderNo, a.Why), fix)
}

// tokens is what to compare when the backend refuses what comes with the token.
func (t *trial) tokens() Words {
	return say("compare backend_token here with the token in the backend (php-fpm: env PAY_BACKEND_TOKEN in transport fastcgi), and the mode that it expects with %s",
		"请核对此处的 backend_token 与后端中的令牌（php-fpm：transport fastcgi 中的 env PAY_BACKEND_TOKEN），以及后端期望的模式是否为 %s", t.Scope.Mode)
}

// guard is what a PHP script begins with.
const guard = `if (!hash_equals($token, isset($_SERVER['HTTP_X_PAY_TOKEN']) ? $_SERVER['HTTP_X_PAY_TOKEN'] : '')) { http_response_code(403); exit; }`

// quoteToken asks for the price without the token.
func (t *trial) quoteToken() bool {
	if !t.Token {
		return true
	}
	for _, change := range []func(http.Header){noToken, wrongToken} {
		a, ok := t.ask(payment.Question{OrderNo: t.OrderNo, OpenID: t.OpenID, Change: change})
		if !ok {
			return false
		}
		if a.Code == "" {
			t.add("backend-quote-token", Warn, say("your backend tells prices without the right X-Pay-Token: anyone who reaches it learns what an order costs and whose it is",
				"后端在 X-Pay-Token 不正确时也给出价格：任何能访问它的人都能得知订单的价格和所有者"),
				say("where only caddypay asks, compare X-Pay-Token before anything else, in constant time, and answer 403; a page that customers open too needs a path or parameter of its own for caddypay: docs/backend.md, “If pages of your shop need the same path”",
					"若该地址只有 caddypay 访问，请先以固定时间比较 X-Pay-Token，不符则返回 403；若顾客的页面也用它，请给 caddypay 单独的路径或参数：见 docs/backend.zh-CN.md 的「如果商城自己的页面也要用这个路径」"))
			return true
		}
	}
	t.add("backend-quote-token", OK, say("prices are told to nobody without the token", "没有令牌的人得不到价格"), Words{})
	return true
}

// unknownOrder asks for the price of what the shop does not have.
func (t *trial) unknownOrder() bool {
	a, ok := t.ask(payment.Question{OrderNo: t.nobodys, OpenID: t.OpenID})
	if !ok {
		return false
	}
	fix := say("answer 404 to an order that is not in the database; a backend that answers 200 to everything says in orders { not_found code 404 } which value means it",
		"对数据库中没有的订单返回 404；总是返回 200 的后端请在 orders 中写 not_found code 404，说明哪个值表示订单不存在")
	switch {
	case a.Code == "", a.Code == "order_already_paid", a.Code == "order_closed":
		t.add("backend-unknown-order", Fail, say("your backend has an answer for order %s, which cannot exist", "后端对不可能存在的订单 %s 也作了答复", t.nobodys), fix)
	case a.Code == "order_not_found":
		t.add("backend-unknown-order", OK, say("an order that does not exist is not found", "不存在的订单返回未找到"), Words{})
	default:
		t.add("backend-unknown-order", Fail, say("your backend does not say of order %s that it does not exist: %s", "后端没有说明订单 %s 不存在：%s", t.nobodys, a.Why), fix)
	}
	return true
}

// oddNumber asks for an order with quotation marks in its number, as a client may write them. A backend that was named for its answer about unknown
// orders says nothing by this one.
func (t *trial) oddNumber() bool {
	if t.result("backend-unknown-order") != OK {
		return true
	}
	a, ok := t.ask(payment.Question{OrderNo: t.nobodys + `'"`, OpenID: t.OpenID})
	switch {
	case !ok:
		return false
	case a.Status/100 == 4 || a.Code == "order_not_found":
		t.add("backend-odd-number", OK, say("an order number with quotation marks does no harm", "带引号的订单号没有影响"), Words{})
	default:
		t.add("backend-odd-number", Warn, say("your backend fails on an order number with quotation marks (%s): if it puts the number into SQL as it is, whoever asks can read and change the database",
			"后端处理带引号的订单号时出错（%s）：若它把订单号直接拼入 SQL，任何人都能读写数据库", a.Why),
			say("hand the number over as a parameter: $db->prepare('SELECT … WHERE order_no = ?')->execute([$no])", "请以参数传递订单号：$db->prepare('SELECT … WHERE order_no = ?')->execute([$no])"))
	}
	return true
}

func noToken(h http.Header) { h.Del("X-Pay-Token") }
func wrongToken(h http.Header) {
	h.Set("X-Pay-Token", strings.Repeat("x", max(len(h.Get("X-Pay-Token")), 32)))
}

// wrongSignature keeps the form.
func wrongSignature(h http.Header) {
	if h.Get("Webhook-Signature") != "" {
		h.Set("Webhook-Signature", "v1,"+strings.Repeat("A", 43)+"=")
	}
}

// login tells the backend of a login without the token.
func (t *trial) login() {
	if t.Login == nil {
		return
	}
	for _, change := range []func(http.Header){noToken, wrongToken} {
		status, err := t.Login(t.ctx, change)
		switch {
		case err != nil:
			t.add("backend-login-token", Unknown, say("the backend's answer to a login did not come: %s", "后端没有对登录作出响应：%s", err), Words{})
			return
		case status >= 200 && status <= 299:
			t.add("backend-login-token", Fail, say("your backend logs users in without the right X-Pay-Token: anyone who reaches it can log in as anybody",
				"后端在 X-Pay-Token 不正确时也让用户登录：任何能访问它的人都能以他人身份登录"),
				say("compare X-Pay-Token before anything else; in PHP begin the script at %s with: %s", "请首先比较 X-Pay-Token；PHP 请在 %s 的脚本开头写：%s", t.Logins, guard))
			return
		}
	}
	t.add("backend-login-token", OK, say("nobody logs in without the token", "没有令牌的人无法登录"), Words{})
}

// pace says how long answers took.
func (t *trial) pace() {
	took := t.slowest.Round(time.Millisecond)
	if t.slowest < t.Slow {
		t.add("backend-slow", OK, say("the slowest answer took %s", "最慢的响应用了 %s", took), Words{})
		return
	}
	t.add("backend-slow", Warn, say("an answer took %s: payers wait for it, and events queue behind it", "一次响应用了 %s：付款人要等它，事件也要排队", took),
		say("answer first and work afterwards; look for a missing index on the order number", "先响应、后处理；并检查订单号是否缺少索引"))
}

// fulfilled is how often the backend says that an order was fulfilled; false: it does not say.
func (t *trial) fulfilled(raw []byte) (int64, bool) {
	if !gjson.ValidBytes(raw) {
		return 0, false
	}
	n := gjson.GetBytes(raw, t.Fulfilled)
	return n.Int(), n.Type == gjson.Number
}

// wanted reports whether events of a type are delivered.
func (t *trial) wanted(kind string) bool { return len(t.Types) == 0 || slices.Contains(t.Types, kind) }
