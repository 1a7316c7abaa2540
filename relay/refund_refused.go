package relay

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
)

// notAskedError is a failure on the way to asking for a refund: whatever is unknown about it, there is no refund.
type notAskedError struct{ error }

func (e notAskedError) Unwrap() error { return e.error }

// notMade records why Ping++ did not answer with a refund. What was promised before is not taken back for a failure that may pass.
func (r *Reconciler) notMade(ctx context.Context, l ledger.Ledger, re *ledger.Refund, lease ledger.RefundLease, fresh bool, err error) error {
	perr, ok := errors.AsType[*pingpp.Error](err)
	now := r.cfg.Now()
	_, notAsked := errors.AsType[notAskedError](err)
	refused := ok && !notAsked && (perr.Kind == pingpp.Channel || perr.Kind == pingpp.InvalidRequest || perr.Kind == pingpp.NotFound)
	switch {
	case ok && perr.Unknown() && !notAsked:
		r.logRefund(re, "the outcome of a refund is not known; it is looked for at Ping++ before it is asked for again", err)
		return r.pauseRefund(ctx, l, re, lease, now.Add(refundLost))
	case fresh && !(refused && perr.Kind == pingpp.Channel):
		return errors.Join(err, l.ReleaseRefund(ctx, lease, ledger.RefundPause{}))
	case !fresh:
		re.Asks-- // nothing came of this time
	}
	if !refused {
		r.logRefund(re, "a refund could not be asked for", err)
		return r.pauseRefund(ctx, l, re, lease, now.Add(r.gap(now.Sub(re.Created))))
	}
	if !fresh { // it may be refused because the time before it was made after all
		if settled, err := r.settleUnknown(ctx, l, re, lease); settled || err != nil {
			return err
		}
	}
	r.logRefund(re, "a refund was refused", err)
	return r.refuseRefund(ctx, l, re, RefusalCode(perr), perr.Message)
}

// RefusalCode is the failure code of a refund that Ping++, or the channel, refused: Ping++'s where it gives one.
func RefusalCode(refused *pingpp.Error) string {
	switch {
	case refused.Code != "":
		return refused.Code
	case refused.Param == "Refund_time":
		return "refund_time" // too late for the channel
	}
	return "refund_refused"
}

// refuseRefund records that a refund will not be made.
func (r *Reconciler) refuseRefund(ctx context.Context, l ledger.Ledger, re *ledger.Refund, code, message string) error {
	return r.acceptRefund(ctx, l, re, refusedEvent(re, code, message, r.live(), r.cfg.Now()))
}

// refusedEvent is the event of a refund that Ping++ never made.
func refusedEvent(re *ledger.Refund, code, message string, live bool, now time.Time) *pingpp.Event {
	object := map[string]any{
		"id": nil, "object": "refund", "amount": re.Amount, "created": re.Created.Unix(), "succeed": false, "status": "failed", "time_succeed": nil,
		"description": re.Description, "failure_code": code, "failure_msg": message, "metadata": map[string]string{metaRefundNo: re.RefundNo},
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
		FailureMsg: message, Metadata: map[string]string{metaRefundNo: re.RefundNo}, Raw: raw}
	return queriedEvent("evt_q_"+re.ChargeID+"_"+re.RefundNo+"_refund_failed", "refund.failed", re.RefundNo, refused, live, now.Unix())
}
