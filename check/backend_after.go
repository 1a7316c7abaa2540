package check

import (
	"net/http"

	"github.com/caddypay/caddypay/handlers/payment"
	"github.com/caddypay/caddypay/ledger"
)

// What comes of an order after its payment: a second one, the other event about it, and its refund.

// result is what was found under an id; empty: nothing.
func (t *trial) result(id string) Result {
	for _, f := range t.found {
		if f.ID == id {
			return f.Result
		}
	}
	return ""
}

// second pays the order once more, with another charge. A backend that takes any event, or ships each time, was named for that already.
func (t *trial) second() bool {
	if t.Ask == nil || t.result("backend-repeat") != OK || t.result("backend-other-order") != OK || t.result("backend-paid") == Fail {
		return true
	}
	worst := Warn
	if t.Deliver {
		worst = Fail
	}
	return t.refuses("backend-second-payment", worst, []*ledger.Event{t.paid("check"+t.Random(), t.OrderNo, t.amount, nil)}, []func(http.Header){nil},
		say("a second payment of the order is refused", "同一订单的第二笔付款被拒绝"),
		say("your backend acknowledges a second payment of order %s: nobody would give that money back; caddypay holds such payments, and whoever releases one sends it",
			"后端确认了订单 %s 的第二笔付款：这笔钱不会有人退回；caddypay 会挂起这类付款，但人工放行后就会投递", t.OrderNo),
		say("keep the charge's id (data.object.id) with the order, and answer 409 to the payment of an order that was paid with another",
			"请把 charge 的 id（data.object.id）与订单一起保存；若订单已由另一笔 charge 付款，请返回 409"))
}

// orderSucceeded sends the other event that Ping++ has about a payment that was made through its orders.
func (t *trial) orderSucceeded() bool {
	const kind = "order.succeeded"
	if !t.wanted(kind) {
		return true
	}
	id, charge := "check"+t.Random(), t.event.ObjectID
	now := t.Now().Unix()
	ev := t.carrying(map[string]any{
		"id": "evt_" + id, "object": "event", "type": kind, "created": now, "livemode": false, "pending_webhooks": 0,
		"data": map[string]any{"object": map[string]any{
			"id": "o_" + id, "object": "order", "created": now - 5, "livemode": false, "paid": true, "refunded": false, "status": "paid", "app": t.Scope.App, "uid": "",
			"merchant_order_no": t.OrderNo, "amount": t.amount, "actual_amount": t.amount, "amount_paid": t.amount, "amount_refunded": 0, "currency": t.currency,
			"subject": t.subject, "body": t.subject, "client_ip": "127.0.0.1", "time_paid": now, "time_expire": now + 7200, "charge": charge,
			"metadata": t.metadata(t.OrderNo),
		}},
	})
	ev.ObjectID, ev.ChargeID, ev.Number, ev.OrderNo = "o_"+id, charge, t.OrderNo, t.OrderNo
	return t.changesNothing("backend-order-succeeded", []*ledger.Event{ev},
		say("order.succeeded of the same payment is taken, and fulfils nothing again", "同一笔付款的 order.succeeded 被接收，且未再次发货"),
		say("the backend does not take an event of the type "+kind, "后端不接收类型为 "+kind+" 的事件"),
		say("your backend fulfils order %s again at order.succeeded: one payment can be told by charge.succeeded and by order.succeeded", "后端在收到 order.succeeded 时把订单 %s 又发货一次：同一笔付款会由 charge.succeeded 和 order.succeeded 各通知一次", t.OrderNo),
		say("fulfil on one of the two, or only where the order was not paid yet, and answer 2xx to the other; or name the types that you want in events",
			"请只按其中一种发货，或仅在订单尚未付款时发货，并对另一种返回 2xx；也可在 events 中写明需要的 types"))
}

// refund gives the money back, and tells it twice.
func (t *trial) refund() {
	const kind = "refund.succeeded"
	if !t.wanted(kind) {
		return
	}
	id, charge, now := "check"+t.Random(), t.event.ObjectID, t.Now().Unix()
	ev := t.carrying(map[string]any{
		"id": "evt_" + id, "object": "event", "type": kind, "created": now, "livemode": false, "pending_webhooks": 0, "request": "",
		"data": map[string]any{"object": map[string]any{
			"id": "re_" + id, "object": "refund", "order_no": id, "amount": t.amount, "currency": t.currency, "created": now - 5, "succeed": true, "status": "succeeded",
			"time_succeed": now, "description": "caddypay check", "failure_code": nil, "failure_msg": nil, "metadata": map[string]any{}, "charge": charge,
			"charge_order_no": t.OrderNo, "transaction_no": "50000000" + digits(id), "extra": map[string]any{},
		}},
	})
	ev.ObjectID, ev.ChargeID, ev.Number, ev.OrderNo = "re_"+id, charge, t.OrderNo, t.OrderNo
	again := *ev
	again.Attempts = 1
	ok := t.changesNothing("backend-refund", []*ledger.Event{ev, &again},
		say("a refund is taken, also when it is told again", "退款被接收，重复通知也被接收"),
		say("the backend does not take a refund", "后端不接收退款"),
		say("your backend fulfils order %s when its money goes back", "后端在订单 %s 退款时又发货一次", t.OrderNo),
		say("look at X-Pay-Event before anything is fulfilled: refund.succeeded is money that went back; note data.object.id and data.object.amount, and answer 2xx",
			"发货前请先看 X-Pay-Event：refund.succeeded 表示钱已退回；请记下 data.object.id 和 data.object.amount，并返回 2xx"))
	if !ok || t.result("backend-refund") != OK || t.result("backend-paid") != OK {
		return
	}
	a, ok := t.ask(payment.Question{OrderNo: t.OrderNo, OpenID: t.OpenID})
	if last := &t.found[len(t.found)-1]; ok && a.Code == "" && a.Said == "payable" {
		last.Result = Warn
		last.Text = say("your backend says that order %s can be paid again after all of it was given back", "订单 %s 全额退款后，后端仍说它可以支付", t.OrderNo)
		last.Fix = say("answer status closed to an order that was given back, unless it may be bought again under its number", "对已全额退款的订单请返回 status 为 closed，除非允许以同一订单号再次购买")
	}
}

// changesNothing sends events that the backend has to take, and of which nothing may be fulfilled. false: there was no answer.
func (t *trial) changesNothing(id string, events []*ledger.Event, well, refused, again, fix Words) bool {
	before, _, ok := t.count()
	if !ok {
		return false
	}
	for _, ev := range events {
		rc, ok := t.tell(ev, nil)
		if !ok {
			return false
		}
		if !rc.OK {
			t.add(id, Fail, Words{refused.EN + ": " + rc.Why, refused.ZH + "：" + rc.Why}, fix)
			return true
		}
	}
	n, told, ok := t.count()
	switch {
	case !ok:
		return false
	case told && n > before:
		t.add(id, Fail, again, fix)
	default:
		t.add(id, OK, well, Words{})
	}
	return true
}
