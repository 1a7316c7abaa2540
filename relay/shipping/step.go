package shipping

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

const (
	settleTime  = 5 * time.Second        // for one try to read or write the ledger
	settlePause = 100 * time.Millisecond // between tries to record an answer
	lastSettles = 3                      // tries once the reporter has been told to stop

	strange = time.Hour       // after a payment, WeChat knows it, or never will
	byHand  = 5 * time.Minute // after a payment, somebody may have entered its shipping at WeChat before it was reported here
)

// Codes of problems that WeChat does not have a number for.
const (
	problemProgram     = "program"     // no site with shipping has the mini program that was paid in
	problemTransaction = "transaction" // Ping++ has not told WeChat's number of the payment
	problemUnanswered  = "unanswered"  // WeChat was not reached, or its answer was lost
	problemUnmanaged   = "unmanaged"   // WeChat keeps no money of the program, or of the payment
)

// step does what is next for a shipment, and records what came of it. The end of ctx breaks neither off.
func (r *Reporter) step(ctx context.Context, s *ledger.Shipment) {
	p, now := r.programOf(s), r.cfg.Now()
	if p != nil && p.paused(now) {
		return // one of several programs is; nobody is asked about it before the lease has ended
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
	defer cancel()
	asking, end := r.cfg.Span(asking, s)
	lease := ledger.ShipmentLease{Scope: s.Scope, ChargeID: s.ChargeID, Owner: r.cfg.Owner, Epoch: s.Epoch}
	answer, ok := r.answer(asking, p, s, lease, now)
	end(answer.Problem.Text)
	if !ok {
		return
	}
	answer.Took = max(r.cfg.Now().Sub(answer.At), 0)
	if after := r.settle(ctx, lease, answer); after != nil {
		r.cfg.Observe(answer.Result)
		r.log(s, after, answer)
		if s.State == ledger.ShipmentUnmanaged && after.State == ledger.ShipmentWaiting {
			r.tellLate(context.WithoutCancel(ctx), after)
		}
		if answer.Result == ledger.ShippingTold {
			r.auto(context.WithoutCancel(ctx), after)
		}
		if s.Stage == ledger.ReportOpen && after.Stage == ledger.ReportFailed && after.State == ledger.ShipmentReported {
			r.cfg.Failed(after) // a correction: what WeChat has stays, so that the payment itself has not failed
		}
	}
}

// answer asks WeChat, or knows the answer; ok is false where nothing was to be asked, or somebody else does it.
func (r *Reporter) answer(ctx context.Context, p *program, s *ledger.Shipment, lease ledger.ShipmentLease, now time.Time) (a ledger.ShippingAnswer, ok bool) {
	a = ledger.ShippingAnswer{Step: s.Step(), At: now}
	undecided := s.Stage == ledger.ReportOpen // else it is the daily round's, whose next look is soon enough
	doubted := s.State == ledger.ShipmentUnmanaged
	switch {
	case p == nil:
		a.Result, a.Problem = ledger.ShippingNotFound, ledger.ShippingProblem{Code: problemProgram,
			Text: "it was paid in the mini program " + s.PayerAppID + ", which no site of this app with shipping has; write it into wechat wx_lite, and shipping, of one",
			ZH:   "支付发生在小程序 " + s.PayerAppID + " 中，而该应用没有任何配置了 shipping 的站点使用它；请写入某个站点的 wechat wx_lite，并加上 shipping"}
		switch {
		case undecided:
			a.Result = ledger.ShippingTransient
		case doubted:
			a.Result = ledger.ShippingUnknown
		}
		return a, true
	case s.TransactionNo == "":
		a.Result, a.Problem = ledger.ShippingNotFound, ledger.ShippingProblem{Code: problemTransaction,
			Text: "Ping++ has not told WeChat's number of the payment (transaction_no), without which WeChat cannot be asked",
			ZH:   "Ping++ 没有给出微信的交易单号（transaction_no），因此无法询问微信"}
		if doubted && !undecided {
			a.Result = ledger.ShippingUnknown
		}
		return a, true
	}
	managed, err := p.isManaged(ctx, r.cfg.Now)
	switch {
	case err != nil:
		a.Result, a.Problem = ledger.ShippingTransient, problemOf(err)
		return a, true
	case !managed:
		a.Result, a.Problem = ledger.ShippingUnmanaged, ledger.ShippingProblem{Code: problemUnmanaged, Text: "WeChat does not manage the mini program, so it keeps none of its money",
			ZH: "微信没有对该小程序启用发货管理，不冻结其资金"}
		return a, true
	case a.Step == ledger.ShippingAsk:
		return r.ask(ctx, p, s, a), true
	}
	if s.Uploads == 0 && s.Reported.IsZero() && now.Sub(s.TimePaid) >= byHand {
		if first := r.ask(ctx, p, s, a); first.Result == ledger.ShippingTransient || first.Result == ledger.ShippingNotFound || isThere(&first) {
			return first, true
		}
	}
	return r.post(ctx, p, lease, a)
}

// isThere says that WeChat has a complete report, or takes none any more.
func isThere(a *ledger.ShippingAnswer) bool {
	state := wechat.OrderState(a.OrderState)
	return a.Result == ledger.ShippingTold && state != wechat.OrderStateUnknown && state != wechat.OrderToShip && (state != wechat.OrderShipped || a.Finished > 0)
}

// post tells WeChat what was shipped, once it is on the disk that WeChat may have accepted it.
func (r *Reporter) post(ctx context.Context, p *program, lease ledger.ShipmentLease, a ledger.ShippingAnswer) (ledger.ShippingAnswer, bool) {
	now := r.cfg.Now()
	began := time.Now()
	s, err := r.cfg.Ledger.PostShipping(ctx, lease, now, now.Add(leaseTime))
	if err != nil {
		if !errors.Is(err, ledger.ErrNotFound) && !errors.Is(err, ledger.ErrState) {
			r.cfg.Logger.Warn("cannot record that WeChat is about to be told, so it is not", zap.String("charge", lease.ChargeID), zap.Error(err))
		}
		return a, false
	}
	a.At = now
	report := told(s, s.Posted)
	if err := report.Check(); err != nil {
		a.Result, a.Problem = ledger.ShippingFinal, ledger.ShippingProblem{Code: ledger.ProblemInvalid, Text: err.Error(), ZH: "发货信息有误：" + err.Error()}
		return a, true
	}
	if r.cfg.Now().Sub(now) > startTime || time.Since(began) > startTime { // the lease could end before WeChat has answered
		a.Result, a.Problem = ledger.ShippingTransient, ledger.ShippingProblem{Code: problemUnanswered, Text: "the disk was too slow: WeChat was not told, and is later",
			ZH: "磁盘过慢：尚未告知微信，稍后再告知"}
		return a, true
	}
	err = p.orders.UploadShipping(ctx, report)
	p.heard(a.Step, err, r.cfg.Now())
	oerr, _ := errors.AsType[*wechat.OrderError](err)
	if a.Had = oerr != nil && oerr.Kind == wechat.OrderDone; a.Had || err == nil {
		p.knew()
		a.Result = ledger.ShippingAccepted
		return a, true
	}
	a.Result, a.Problem = resultOf(ledger.ShippingPost, err), problemOf(err)
	return a, true
}

// ask asks what WeChat has of a payment.
func (r *Reporter) ask(ctx context.Context, p *program, s *ledger.Shipment, a ledger.ShippingAnswer) ledger.ShippingAnswer {
	a.Step = ledger.ShippingAsk
	order, err := p.orders.Order(ctx, s.TransactionNo)
	p.heard(a.Step, err, r.cfg.Now())
	if err == nil {
		p.knew()
		a.Result, a.OrderState, a.Finished = ledger.ShippingTold, int(order.State), order.Reports
		report := s.Posted
		if report == nil && s.Stage == ledger.ReportOpen {
			report, a.Of = s.Shipping, s.Shipping
		}
		a.Has = report != nil && order.Has(told(s, report))
		return a
	}
	a.Result, a.Problem = resultOf(ledger.ShippingAsk, err), problemOf(err)
	unheard := s.Stage == ledger.ReportNone || s.Stage == ledger.ReportFailed && s.Problem.Code == notFound
	if a.Result == ledger.ShippingNotFound && unheard && a.At.Sub(s.TimePaid) > strange && p.knows() {
		// It was paid before the merchant's number was authorised, for example, or in a test build. Where WeChat knows no payment at all the numbers may
		// be another's, like a bank's, and its money frozen: then it stays what it is.
		a.Result, a.Problem = ledger.ShippingUnmanaged, ledger.ShippingProblem{Code: problemUnmanaged, Text: "WeChat does not know the payment, so it keeps none of its money",
			ZH: "微信查不到这笔支付，不冻结其资金"}
	}
	return a
}

// settle records an answer: as long as the reporter runs until the ledger takes it, and after that a few times more. One that is not recorded is asked
// for when the lease has ended. It returns the shipment after it; nil: it is another's by now, or was not recorded.
func (r *Reporter) settle(ctx context.Context, lease ledger.ShipmentLease, a ledger.ShippingAnswer) *ledger.Shipment {
	for last := 0; ; {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
		after, err := r.cfg.Ledger.ShippingAnswered(within, lease, a)
		cancel()
		if err == nil {
			return after
		}
		if ctx.Err() != nil {
			last++
		}
		fields := []zap.Field{zap.String("charge", lease.ChargeID), zap.String("result", string(a.Result)), zap.Error(err)}
		if last >= lastSettles || errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrState) {
			r.cfg.Logger.Error("what WeChat answered about shipping could not be recorded; it is asked again", fields...)
			return nil
		}
		r.cfg.Logger.Warn("cannot record what WeChat answered about shipping, trying again", fields...)
		time.Sleep(settlePause)
	}
}

// log writes the one line of a step. Of the daily round only what is new is said aloud.
func (r *Reporter) log(before, after *ledger.Shipment, a ledger.ShippingAnswer) {
	level, msg := zapcore.InfoLevel, "shipping told to WeChat"
	fields := []zap.Field{zap.String("order_no", after.OrderNo), zap.String("charge", after.ChargeID), zap.String("step", string(a.Step)),
		zap.String("result", string(a.Result)), zap.String("state", string(after.State)), zap.Duration("took", a.Took)}
	switch {
	case a.Result == ledger.ShippingAccepted:
	case before.Stage == ledger.ReportOpen && after.Stage == ledger.ReportDone && before.Posted == nil:
		msg = "WeChat has the shipping of a payment already, entered elsewhere; nothing is told"
	case after.Stage == ledger.ReportFailed && before.Stage == ledger.ReportOpen && a.Result == ledger.ShippingNotFound:
		level, msg = zapcore.WarnLevel, "WeChat does not know a payment whose shipping is reported; it is asked once more tomorrow"
	case after.Stage == ledger.ReportFailed && before.Stage == ledger.ReportOpen && a.Result != ledger.ShippingUnmanaged:
		level, msg = zapcore.ErrorLevel, "WeChat does not take a report of shipping; a person has to look: caddy pay shipping show"
	case after.Stage == ledger.ReportOpen:
		level, msg = zapcore.WarnLevel, "shipping is not with WeChat yet, will try again"
		fields = append(fields, zap.Time("next", after.Due))
	case before.State == after.State:
		level, msg = zapcore.DebugLevel, "WeChat was asked about frozen money"
	default:
		msg = "WeChat was asked about frozen money"
	}
	if a.Problem.Code != "" {
		fields = append(fields, zap.String("code", a.Problem.Code), zap.String("why", a.Problem.Text))
	}
	r.cfg.Logger.Log(level, msg, fields...)
}

// resultOf says what an error of WeChat's order management means for a shipment.
func resultOf(step ledger.ShippingStep, err error) ledger.ShippingResult {
	oerr, ok := errors.AsType[*wechat.OrderError](err)
	if !ok {
		return ledger.ShippingUnknown // there is no such error
	}
	post := step == ledger.ShippingPost
	switch oerr.Kind {
	case wechat.OrderNotFound:
		return ledger.ShippingNotFound
	case wechat.OrderUnknown, wechat.OrderAsk, wechat.OrderDone:
		return ledger.ShippingUnknown
	case wechat.OrderFinal:
		if !post && oerr.Code == notShipped {
			return ledger.ShippingUnknown
		}
		return ledger.ShippingFinal
	case wechat.OrderRetry:
		if post && oerr.Code == wrongTime {
			return ledger.ShippingAgain
		}
	}
	return ledger.ShippingTransient
}

const (
	notFound   = "10060001"
	wrongTime  = 268485216 // of the upload: the next has a later one, and there is no use in a third
	notShipped = 10060028  // seen from get_order too, of payments that are not shipped
)

// problemOf says in the operator's words what WeChat did not like.
func problemOf(err error) ledger.ShippingProblem {
	oerr, ok := errors.AsType[*wechat.OrderError](err)
	if !ok {
		return ledger.ShippingProblem{Code: problemUnanswered, Text: err.Error(), ZH: err.Error()}
	}
	p := ledger.ShippingProblem{Code: problemUnanswered, Text: strings.TrimPrefix(oerr.Error(), "wechat: ")}
	if oerr.Code != 0 {
		p.Code = strconv.Itoa(oerr.Code)
	} else if oerr.Kind == wechat.OrderFinal {
		p.Code = ledger.ProblemInvalid
	}
	en, zh := oerr.Advice()
	p.Text += ". " + en
	p.ZH = oerr.ZH() + "。" + zh
	return p
}

// told is a report of a shipment as WeChat is told it.
func told(s *ledger.Shipment, n *ledger.Shipping) wechat.Shipping {
	way, _ := wechat.ParseLogistics(string(n.Type)) // the ledger takes no other
	w := wechat.Shipping{TransactionID: s.TransactionNo, OpenID: s.Payer, Type: way, Complete: n.Complete}
	if way != wechat.Express {
		w.Parcels = []wechat.Parcel{{Items: n.Items}}
		return w
	}
	parts := s.Uploads == 0 && !s.Reported.IsZero() // WeChat has some; their mode has to stay
	w.Split = len(n.Parcels) > 1 || !n.Complete || parts
	for _, p := range n.Parcels {
		items := p.Items
		if items == "" {
			items = n.Items
		}
		w.Parcels = append(w.Parcels, wechat.Parcel{Company: p.Company, TrackingNo: p.TrackingNo, Items: items, Contact: p.Contact})
	}
	return w
}
