package refunds

import (
	"context"
	"errors"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/asking"
)

// notAskedError is a failure on the way to asking for a refund: whatever is unknown about it, there is no refund.
type notAskedError struct{ error }

func (e notAskedError) Unwrap() error { return e.error }

// notMade records why Ping++ did not answer with a refund. What was promised before is not taken back for a failure that may pass.
func (h *held) notMade(ctx context.Context, err error) error {
	perr, ok := errors.AsType[*pingpp.Error](err)
	now := h.Now()
	_, notAsked := errors.AsType[notAskedError](err)
	refused := ok && !notAsked && (perr.Kind == pingpp.Channel || perr.Kind == pingpp.InvalidRequest || perr.Kind == pingpp.NotFound)
	switch {
	case ok && perr.Unknown() && !notAsked:
		h.log(h.re, "the outcome of a refund is not known; it is looked for at Ping++ before it is asked for again", err)
		return h.pause(ctx, now.Add(refundLost))
	case h.fresh && !(refused && perr.Kind == pingpp.Channel):
		return errors.Join(err, h.l.ReleaseRefund(ctx, h.lease, ledger.RefundPause{}))
	case !h.fresh:
		h.re.Asks-- // nothing came of this time
	}
	if !refused {
		h.log(h.re, "a refund could not be asked for", err)
		return h.pause(ctx, now.Add(asking.Gap(now.Sub(h.re.Created), h.Rand())))
	}
	if !h.fresh { // it may be refused because the time before it was made after all
		if settled, err := h.settle(ctx); settled || err != nil {
			return err
		}
	}
	h.log(h.re, "a refund was refused", err)
	return h.Learner.Refused(ctx, h.l, h.re, RefusalCode(perr), perr.Message)
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
