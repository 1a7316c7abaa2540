package intake

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// paidEvent is the event that Ping++ would have sent, made of what it answered.
func paidEvent(c *pingpp.Charge, now time.Time) *pingpp.Event {
	created := c.TimePaid
	if created == 0 {
		created = now.Unix()
	}
	id := "evt_q_" + c.ID + "_charge_succeeded"
	raw := fmt.Appendf(nil, `{"id":%q,"object":"event","created":%d,"livemode":%t,"type":"charge.succeeded","data":{"object":%s},"pending_webhooks":0,"request":null}`,
		id, created, c.Livemode, c.Raw)
	return &pingpp.Event{
		ID: id, Type: "charge.succeeded", Created: created, Livemode: c.Livemode,
		ObjectType: "charge", ObjectID: c.ID, App: c.App, ChargeID: c.ID, OrderNo: c.OrderNo,
		Object: json.RawMessage(c.Raw), Charge: c, Raw: raw,
	}
}

// refundEvent is the event that Ping++ would have sent, made of what it answered. For a refund that failed it sends none.
func refundEvent(re *pingpp.Refund, live bool, now time.Time) *pingpp.Event {
	outcome, created := "failed", now.Unix()
	if re.Succeed {
		outcome = "succeeded"
		if re.TimeSucceeded != 0 {
			created = re.TimeSucceeded
		}
	}
	return queriedEvent("evt_q_"+re.ID+"_refund_"+outcome, "refund."+outcome, re.ID, re, live, created)
}

func queriedEvent(id, typ, objectID string, re *pingpp.Refund, live bool, created int64) *pingpp.Event {
	raw := fmt.Appendf(nil, `{"id":%q,"object":"event","created":%d,"livemode":%t,"type":%q,"data":{"object":%s},"pending_webhooks":0,"request":null}`,
		id, created, live, typ, re.Raw)
	return &pingpp.Event{
		ID: id, Type: typ, Created: created, Livemode: live, ObjectType: "refund", ObjectID: objectID, ChargeID: re.ChargeID, OrderNo: re.OrderNo,
		Object: re.Raw, Refund: re, Raw: raw,
	}
}

// refusedEvent is the event of a refund that Ping++ never made.
func refusedEvent(re *ledger.Refund, code, message string, live bool, now time.Time) *pingpp.Event {
	object := map[string]any{
		"id": nil, "object": "refund", "amount": re.Amount, "created": re.Created.Unix(), "succeed": false, "status": "failed", "time_succeed": nil,
		"description": re.Description, "failure_code": code, "failure_msg": message, "metadata": map[string]string{MetaRefundNo: re.RefundNo},
		"charge": re.ChargeID,
	}
	if re.FundingSource != "" {
		object["funding_source"] = re.FundingSource
	}
	raw, err := json.Marshal(object)
	if err != nil { // texts and numbers always encode
		panic(err)
	}
	refused := &pingpp.Refund{ChargeID: re.ChargeID, Status: "failed", Amount: re.Amount, Created: re.Created.Unix(), FailureCode: code,
		FailureMsg: message, Metadata: map[string]string{MetaRefundNo: re.RefundNo}, Raw: raw}
	return queriedEvent("evt_q_"+re.ChargeID+"_"+re.RefundNo+"_refund_failed", "refund.failed", re.RefundNo, refused, live, now.Unix())
}

// refundChange is what an event says about its refund.
func refundChange(ev *pingpp.Event) *ledger.RefundChange {
	re := ev.Refund
	if re == nil {
		return nil
	}
	c := &ledger.RefundChange{ID: re.ID, RefundNo: re.Metadata[MetaRefundNo], Amount: re.Amount, FailureCode: re.FailureCode, FailureMsg: re.FailureMsg}
	switch {
	case ev.Type == "refund.succeeded" && (re.Succeed || re.Status == "succeeded"):
		c.State, c.TimeSucceeded = ledger.RefundSucceeded, time.Unix(ev.Created, 0)
		if re.TimeSucceeded != 0 {
			c.TimeSucceeded = time.Unix(re.TimeSucceeded, 0)
		}
	case ev.Type == "refund.failed":
		c.State = ledger.RefundFailed
	default:
		return nil
	}
	return c
}
