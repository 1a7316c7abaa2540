package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay"
)

// paid is a charge.succeeded of an order, in the form in which Ping++ sends it. It is learned by query, as it were: no webhook of Ping++ can be
// signed here.
func (t *trial) paid(id, orderNo string, amount int64, more map[string]any) *ledger.Event {
	now := t.Now()
	charge := map[string]any{
		"id": "ch_" + id, "object": "charge", "created": now.Unix() - 5, "livemode": false, "paid": true, "refunded": false, "reversed": false,
		"app": t.Scope.App, "channel": "wx_lite", "order_no": orderNo, "client_ip": "127.0.0.1", "amount": amount, "amount_settle": amount, "currency": t.currency,
		"subject": t.subject, "body": t.subject, "extra": map[string]any{}, "time_paid": now.Unix(), "time_expire": now.Unix() + 7200, "time_settle": nil,
		"transaction_no": "42000000" + digits(id), "amount_refunded": 0, "failure_code": nil, "failure_msg": nil,
		"metadata": t.metadata(orderNo), "credential": map[string]any{}, "description": nil,
	}
	event := map[string]any{
		"id": "evt_" + id, "object": "event", "type": "charge.succeeded", "created": now.Unix(), "livemode": false, "pending_webhooks": 0, "request": "",
		"data": map[string]any{"object": charge},
	}
	for name, value := range more {
		event[name], charge[name] = value, value
	}
	ev := t.carrying(event)
	ev.ObjectID, ev.ChargeID, ev.Number, ev.OrderNo = "ch_"+id, "ch_"+id, orderNo, orderNo
	return ev
}

func (t *trial) metadata(orderNo string) map[string]string {
	m := map[string]string{"pay_order_no": orderNo}
	if t.Ask == nil {
		m["pay_amount_by"] = "client"
	}
	return m
}

// carrying is an event with a body.
func (t *trial) carrying(event map[string]any) *ledger.Event {
	body, err := json.Marshal(event)
	if err != nil { // of texts and numbers, which always encode
		panic(err)
	}
	return &ledger.Event{Scope: t.Scope, ID: event["id"].(string), Type: event["type"].(string), Source: ledger.Query, Created: t.Now(), Received: t.Now(),
		Host: t.Host, Body: body, State: ledger.Pending}
}

func digits(id string) string {
	return strings.Map(func(c rune) rune { return '0' + c%10 }, id)
}

// tell sends an event; false: there was no answer.
func (t *trial) tell(ev *ledger.Event, change func(http.Header)) (relay.Receipt, bool) {
	rc := t.Tell(t.ctx, ev, change)
	t.slowest = max(t.slowest, rc.Took)
	if !rc.OK && (!rc.Reached || rc.Late) {
		t.unanswered(rc.Late, rc.Why)
		return rc, false
	}
	return rc, true
}

// strangers sends the payment as somebody would who reaches the backend by himself. Each is the payment itself, but for one thing: a backend that takes
// one of them has then had the payment. false: there was no answer.
func (t *trial) strangers() bool {
	t.event = t.paid("check"+t.Random(), t.OrderNo, t.amount, nil)
	if t.Token {
		forged := func(token func(http.Header)) func(http.Header) {
			return func(h http.Header) { token(h); wrongSignature(h) }
		}
		ok := t.refuses("backend-token", Fail, []*ledger.Event{t.event, t.event}, []func(http.Header){forged(noToken), forged(wrongToken)},
			say("events without the right X-Pay-Token are refused", "X-Pay-Token 不正确的事件被拒绝"),
			say("your backend accepts events without X-Pay-Token: anyone who reaches it can announce a payment", "后端接受没有 X-Pay-Token 的事件：任何能访问它的人都能谎报付款"),
			say("compare X-Pay-Token before anything else; in PHP begin the script at %s with: $token = (string) getenv('PAY_BACKEND_TOKEN'); and, after making sure that it has 32 characters or more: %s",
				"请首先比较 X-Pay-Token；PHP 请在 %s 的脚本开头写：$token = (string) getenv('PAY_BACKEND_TOKEN');，确认其不少于 32 个字符后再写：%s", t.Events, guard))
		if !ok {
			return false
		}
	}
	if t.Secrets > 0 {
		worst, accepted, fix := Fail,
			say("your backend accepts events whose signature is wrong: anyone who reaches it can announce a payment", "后端接受签名错误的事件：任何能访问它的人都能谎报付款"),
			say("verify webhook-signature with a Standard Webhooks library and the secret of events, over the body as it came, before anything else",
				"请先用 Standard Webhooks 库和 events 的 secret 校验 webhook-signature（针对原始请求体），再做其他处理")
		if t.Token {
			worst = Warn
			accepted = say("your backend does not verify webhook-signature; X-Pay-Token alone protects it", "后端不校验 webhook-signature，只靠 X-Pay-Token 保护")
			fix = say("verify it, or leave secret out of events", "请校验签名，或从 events 中删去 secret")
		}
		if !t.refuses("backend-signature", worst, []*ledger.Event{t.event}, []func(http.Header){wrongSignature},
			say("events with a wrong signature are refused", "签名错误的事件被拒绝"), accepted, fix) {
			return false
		}
	}
	other := func(h http.Header) { h.Set("X-Pay-Mode", string(ledger.Live)) }
	if !t.refuses("backend-mode", Fail, []*ledger.Event{t.event}, []func(http.Header){other},
		say("events of the other mode are refused", "另一模式的事件被拒绝"),
		say("your backend does not compare X-Pay-Mode: in the live shop a free test payment would buy something", "后端不核对 X-Pay-Mode：在正式商城里，免费的测试付款也能买到东西"),
		say("refuse what is not of the shop's own mode: if ($_SERVER['HTTP_X_PAY_MODE'] !== getenv('PAY_MODE')) { http_response_code(403); exit; }",
			"请拒绝其他模式：if ($_SERVER['HTTP_X_PAY_MODE'] !== getenv('PAY_MODE')) { http_response_code(403); exit; }")) {
		return false
	}
	if t.Ask == nil {
		return true
	}
	wrong := int64(1)
	if t.amount == wrong {
		wrong = 2
	}
	worst := Warn
	if t.Deliver {
		worst = Fail
	}
	id := "check" + t.Random() // a backend that knows an id need not look again
	ok := t.refuses("backend-amount", worst, []*ledger.Event{t.paid(id, t.OrderNo, wrong, nil)}, []func(http.Header){nil},
		say("a payment of another amount is refused", "金额不符的付款被拒绝"),
		say("your backend takes %d fen for an order that costs %d; caddypay holds such payments, and whoever releases one sends it", "后端把 %d 分当作一笔 %d 分订单的付款；caddypay 会挂起这类付款，但人工放行后就会投递", wrong, t.amount),
		say("compare data.object.amount with the order's total before it is fulfilled: UPDATE orders SET state = 'paid' WHERE order_no = ? AND total = ?",
			"发货前请核对 data.object.amount 与订单金额：UPDATE orders SET state = 'paid' WHERE order_no = ? AND total = ?"))
	last := &t.found[len(t.found)-1]
	if !ok || last.Result == OK {
		return ok
	}
	a, ok := t.ask(payment.Question{OrderNo: t.OrderNo, OpenID: t.OpenID})
	if ok && a.Code == "" && a.Said == "payable" { // it says yes to whatever comes
		last.Result, last.Text, last.Fix = OK, say("a payment of another amount does not pay the order", "金额不符的付款不会使订单变为已付款"), Words{}
		return true
	}
	t.event = t.paid(id, t.OrderNo, t.amount, nil) // it has had this payment
	return ok
}

// refuses sends events that the backend must not take. false: there was no answer.
func (t *trial) refuses(id string, worst Result, events []*ledger.Event, changes []func(http.Header), well, accepted, fix Words) bool {
	for i, ev := range events {
		rc, ok := t.tell(ev, changes[i])
		if !ok {
			return false
		}
		if rc.OK {
			if rc.Said != "" && !t.Expects { // perhaps it says no in words
				accepted = Words{fmt.Sprintf("%s (it answered %d %q)", accepted.EN, rc.Status, rc.Said), fmt.Sprintf("%s（响应为 %d %q）", accepted.ZH, rc.Status, rc.Said)}
			}
			t.add(id, worst, accepted, fix)
			return true
		}
	}
	t.add(id, OK, well, Words{})
	return true
}

// payment sends the payment itself, twice, and looks whether the order is paid then. false: the backend does not take it.
func (t *trial) payment() bool {
	rc, ok := t.tell(t.event, nil)
	if !ok {
		return false
	}
	if !rc.OK {
		fix := say("make %s answer 2xx, and what expect names, as soon as the order is marked as paid; nothing else, and no page", "订单标记为已付款后，请让 %s 立即返回 2xx 及 expect 所要求的内容，不要返回其他内容或页面", t.Events)
		if rc.Status == http.StatusForbidden || rc.Status == http.StatusUnauthorized {
			fix = t.tokens()
		}
		t.add("backend-event", Fail, say("the backend does not take a payment: %s", "后端没有接收付款：%s", rc.Why), fix)
		t.unsure()
		return false
	}
	t.add("backend-event", OK, say("a payment is taken", "付款被接收"), Words{})
	return t.again() && t.isPaid()
}

// unsure takes back what a backend seems to do well that refuses whatever comes.
func (t *trial) unsure() {
	for i, f := range t.found {
		if f.Result == OK && slices.Contains([]string{"backend-token", "backend-signature", "backend-mode", "backend-amount"}, f.ID) {
			t.found[i].Result = Unknown
			t.found[i].Text = say("the backend refuses this, and the right event too", "后端拒绝了它，但也拒绝了正确的事件")
		}
	}
}

// again sends the same event once more, as after a crash; then as a person who replays it does; then the same payment as it is learned by asking
// Ping++, whose event has another id.
func (t *trial) again() bool {
	replayed, asked := *t.event, *t.event
	t.event.Attempts, replayed.Attempts = 1, 1
	asked.ID = "evt_q_" + t.event.ObjectID + "_charge_succeeded"
	asked.Body = bytes.Replace(asked.Body, []byte(strconv.Quote(t.event.ID)), []byte(strconv.Quote(asked.ID)), 1)
	told := false
	for _, ev := range []*ledger.Event{t.event, &replayed, &asked} {
		rc, ok := t.tell(ev, func(h http.Header) {
			if ev == &replayed {
				h.Set("X-Pay-Replay", "1")
			}
		})
		if !ok {
			return false
		}
		if !rc.OK && ev == &asked {
			t.add("backend-repeat", Warn, say("the backend does not take the same payment in an event of another id: %s; after a loss of the ledger it would come for days",
				"后端不接收以另一事件 id 通知的同一笔付款：%s；账本丢失后它会连续多天重发", rc.Why), sameAgain)
			return true
		}
		if !rc.OK {
			t.once = true
			t.add("backend-repeat", Fail, say("the backend does not take the same event again: %s; it would come for days", "后端不接收重复的同一事件：%s；该事件会连续多天重发", rc.Why), sameAgain)
			return true
		}
		var n int64
		if n, told, ok = t.count(); !ok {
			return false
		}
		if told && n > 1 {
			t.add("backend-repeat", Fail, say("your backend fulfilled order %s %d times: every event that comes again ships the goods again", "后端把订单 %s 发货了 %d 次：事件每重发一次，就多发一次货", t.OrderNo, n),
				say("mark the order and make the shipment in one transaction, and only where it was not paid yet: UPDATE … WHERE order_no = ? AND state <> 'paid', then look at rowCount()",
					"请在同一事务中标记订单并建立发货记录，且仅在尚未付款时执行：UPDATE … WHERE order_no = ? AND state <> 'paid'，再看 rowCount()"))
			return true
		}
	}
	if told {
		t.add("backend-repeat", OK, say("the same event again is taken, and the order was fulfilled once", "重复的同一事件被接收，订单只发货一次"), Words{})
		return true
	}
	t.add("backend-repeat", OK, say("the same event again is taken; see in the shop that order %s was fulfilled once", "重复的同一事件被接收；请在商城中确认订单 %s 只发货一次", t.OrderNo), Words{})
	return true
}

var sameAgain = say("answer a payment that you know by its charge as you did the first time", "对已处理过的同一笔付款（按 charge 识别），请给出与首次相同的响应")

// count asks how often the order was fulfilled. told: the backend says so; ok: it answered.
func (t *trial) count() (n int64, told, ok bool) {
	if t.Ask == nil {
		return 0, false, true
	}
	a, ok := t.ask(payment.Question{OrderNo: t.OrderNo, OpenID: t.OpenID})
	n, told = t.fulfilled(a.Raw)
	return n, told, ok
}

// isPaid asks once more what the order costs.
func (t *trial) isPaid() bool {
	if t.Ask == nil {
		return true
	}
	a, ok := t.ask(payment.Question{OrderNo: t.OrderNo, OpenID: t.OpenID})
	switch {
	case !ok:
		return false
	case (a.Code == "order_already_paid" || a.Code == "order_closed"):
		t.add("backend-paid", OK, say("the order counts as paid then", "此后订单为已付款"), Words{})
	case a.Code == "" && a.Said == "payable":
		t.add("backend-paid", Fail, say("your backend took the payment and still says that order %s can be paid", "后端接收了付款，却仍说订单 %s 可以支付", t.OrderNo),
			say("find the order by X-Pay-Order-No ($_SERVER['HTTP_X_PAY_ORDER_NO']), not by the body's order_no, and mark it as paid before you answer",
				"请用 X-Pay-Order-No（$_SERVER['HTTP_X_PAY_ORDER_NO']）查找订单，而不是请求体中的 order_no，并在响应前标记为已付款"))
	case a.Code == "":
		t.add("backend-paid", Warn, say("the backend does not say of an order whether it is paid", "后端没有说明订单是否已付款"),
			say("answer a member status (payable, paid or closed), or name yours with orders { status … }: nobody pays twice then, also after a loss of the ledger",
				"请返回 status（payable、paid 或 closed），或在 orders 中用 status 指明：这样即使账本丢失也不会重复付款"))
	default:
		t.add("backend-paid", Fail, say("the backend does not say that order %s is paid: %s", "后端没有说明订单 %s 已付款：%s", t.OrderNo, a.Why),
			say("answer status paid, or 409, to an order that is paid", "对已付款的订单请返回 status 为 paid，或返回 409"))
	}
	return true
}

// others sends what a backend meets besides.
func (t *trial) others() {
	if t.Ask != nil && !t.refuses("backend-other-order", Fail, []*ledger.Event{t.paid("check"+t.Random(), t.nobodys, t.amount, nil)}, []func(http.Header){nil},
		say("a payment of an order that does not exist is refused", "不存在的订单的付款被拒绝"),
		say("your backend acknowledges the payment of order %s, which does not exist: nobody would look for such money", "后端确认了不存在的订单 %s 的付款：这样的钱不会有人过问", t.nobodys),
		say("answer 409 where the order is not found: the payment then stays visible in `caddy pay events list`", "找不到订单时请返回 409：该付款会一直显示在 `caddy pay events list` 中")) {
		return
	}
	strange := map[string]any{"caddypay_check": map[string]any{"a": []any{1, "二", nil, true, 1.5e3}}, "time_new": 1790003600}
	if t.once {
		t.add("backend-members", Unknown, say("whether members that it does not know do harm cannot be seen: the backend refuses the same event again", "后端拒绝重复的同一事件，因此看不出未知字段有无影响"), sameAgain)
	} else if !t.takes("backend-members", t.paid(strings.TrimPrefix(t.event.ID, "evt_"), t.OrderNo, t.amount, strange),
		say("members that it does not know do no harm", "未知字段没有影响"),
		say("the backend does not take an event that has members which it does not know", "后端不接收带有未知字段的事件"),
		say("read the members that you need and leave the others alone (Jackson: FAIL_ON_UNKNOWN_PROPERTIES off): Ping++ adds some now and then",
			"只读取需要的字段，忽略其余字段（Jackson：关闭 FAIL_ON_UNKNOWN_PROPERTIES）：Ping++ 会不时增加字段")) {
		return
	}
	const kind = "summary.daily.available"
	if t.wanted(kind) && !t.takes("backend-types", t.carrying(map[string]any{
		"id": "evt_check" + t.Random(), "object": "event", "type": kind, "created": t.Now().Unix(), "livemode": false, "pending_webhooks": 0,
		"data": map[string]any{"object": map[string]any{"object": "app_daily_summary", "app": t.Scope.App, "summary_from": t.Now().Unix()}},
	}),
		say("events of types that it does not need are taken", "不需要的事件类型也被接收"),
		say("the backend does not take an event of the type "+kind, "后端不接收类型为 "+kind+" 的事件"),
		say("answer 2xx to types that you do not need, or name those that you want: events { types charge.succeeded refund.succeeded }",
			"对不需要的类型请返回 2xx，或在 events 中写明需要的类型：types charge.succeeded refund.succeeded")) {
		return
	}
	if t.second() && t.orderSucceeded() {
		t.refund()
	}
}

// takes sends an event that the backend has to take. false: there was no answer.
func (t *trial) takes(id string, ev *ledger.Event, well, refused, fix Words) bool {
	rc, ok := t.tell(ev, nil)
	if !ok {
		return false
	}
	if rc.OK {
		t.add(id, OK, well, Words{})
		return true
	}
	t.add(id, Fail, Words{refused.EN + ": " + rc.Why, refused.ZH + "：" + rc.Why}, fix)
	return true
}
