package merchant

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/body"
	"github.com/caddypay/caddypay/handlers/charge"
	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/handlers/reply"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/intake"
	"github.com/caddypay/caddypay/relay/refunds"
)

const (
	maxRefundBody        = 16 << 10 // bytes
	maxRefundDescription = 255      // characters; Ping++'s

	// How long a request waits for others that are busy with the same charge, and how often it looks again by itself, for one in another process.
	reservationWait = 10 * time.Second
	reservationPoll = 200 * time.Millisecond
)

// No dot and no slash: the number becomes part of an event's id and of a path.
var refundNoSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// refundRequest is what the merchant asks to give back. Of OrderNo and Charge one is set.
type refundRequest struct {
	OrderNo     string
	Charge      string
	RefundNo    string
	Amount      int64 // fen; 0: everything that is left
	Description string

	FundingSource string // Ping++'s word; empty: its default
}

// refundView is what the merchant sees of a refund.
type refundView struct {
	RefundNo      *string `json:"refund_no"` // null: made elsewhere, as in Ping++'s dashboard
	Refund        *string `json:"refund"`    // re_…; null until Ping++ has answered
	Charge        string  `json:"charge"`
	OrderNo       string  `json:"order_no"` // the merchant's
	Amount        int64   `json:"amount"`   // fen
	Status        string  `json:"status"`   // pending, succeeded or failed
	FailureCode   *string `json:"failure_code"`
	FailureMsg    *string `json:"failure_msg"`
	Created       int64   `json:"created"`        // Unix seconds
	TimeSucceeded *int64  `json:"time_succeeded"` // Unix seconds
}

func viewRefund(re *ledger.Refund) refundView {
	v := refundView{
		RefundNo: charge.Optional(re.RefundNo), Refund: charge.Optional(re.ID), Charge: re.ChargeID, OrderNo: re.OrderNo, Amount: re.Amount,
		Status: string(re.State), FailureCode: charge.Optional(re.FailureCode), FailureMsg: charge.Optional(re.FailureMsg), Created: re.Created.Unix(),
	}
	if re.State == ledger.RefundAsked { // it will be made, or looked for: to the merchant that is the same
		v.Status = string(ledger.RefundPending)
	}
	if re.State == ledger.RefundSucceeded {
		v.TimeSucceeded = charge.Unix(re.TimeSucceeded)
	}
	return v
}

// CreateRefund serves POST /pay/refunds: 201 when Ping++ has the refund, 202 when that is not known yet and we go on with it, 200 when the number
// was used before for the same refund.
func (a *API) CreateRefund(w http.ResponseWriter, r *http.Request) error {
	req, err := a.readRefundRequest(r)
	if err != nil {
		a.Count(problem.As(err).Code)
		return err
	}
	// What has begun is brought to its end even when the client goes away: its next try then finds the refund.
	re, fresh, err := a.makeRefund(context.WithoutCancel(r.Context()), req)
	if err != nil {
		a.Count(problem.As(err).Code)
		return err
	}
	w.Header().Set("X-Pay-Order-No", re.OrderNo)
	status, result := http.StatusOK, "repeated"
	switch {
	case re.State == ledger.RefundAsked:
		status, result = http.StatusAccepted, "unknown"
	case fresh:
		w.Header().Set("Location", a.Prefix+"/refunds/"+re.RefundNo)
		status, result = http.StatusCreated, "made"
	}
	if fresh && re.State == ledger.RefundFailed {
		result = "failed"
	}
	a.Count(result)
	if re.State == ledger.RefundFailed && re.ID == "" {
		return rejectedRefund(re)
	}
	reply.JSON(w, status, viewRefund(re))
	return nil
}

// Refund serves GET /pay/refunds/{refund_no}.
func (a *API) Refund(w http.ResponseWriter, r *http.Request, refundNo string) error {
	l, err := a.Ledger(r.Context())
	if err != nil {
		return err
	}
	re, err := l.Refund(r.Context(), a.Scope, refundNo)
	if errors.Is(err, ledger.ErrNotFound) {
		return &problem.Problem{Code: "not_found", EN: "There is no refund with this refund_no.", ZH: "没有该 refund_no 对应的退款。"}
	}
	if err != nil {
		return err
	}
	w.Header().Set("X-Pay-Order-No", re.OrderNo)
	reply.JSON(w, http.StatusOK, viewRefund(re))
	return nil
}

// makeRefund finds the charge, reserves the refund and carries it out. fresh says that the number was not used before.
func (a *API) makeRefund(ctx context.Context, req *refundRequest) (re *ledger.Refund, fresh bool, err error) {
	l, err := a.Ledger(ctx)
	if err != nil {
		return nil, false, err
	}
	res := ledger.RefundReservation{Scope: a.Scope, RefundNo: req.RefundNo, Amount: req.Amount, Description: req.Description, FundingSource: req.FundingSource, Owner: rand.Text()}
	re, err = l.Refund(ctx, a.Scope, req.RefundNo)
	earlier := false // Ping++ has refunds of the charge
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		found, orderNo, err := a.refundable(ctx, l, req)
		if err != nil {
			return nil, false, err
		}
		res.ChargeID, res.OrderNo, res.Paid = found.ID, orderNo, found.Amount
		earlier = found.Refunded || found.AmountRefunded > 0
	case err != nil:
		return nil, false, err
	case req.Charge != "" && req.Charge != re.ChargeID || req.OrderNo != "" && req.OrderNo != re.OrderNo:
		return nil, false, refundNoUsed()
	default:
		res.ChargeID, res.OrderNo = re.ChargeID, re.OrderNo
	}
	re, fresh, ours, err := a.reserveRefund(ctx, l, res)
	if res.Paid == 0 && problem.CodeOf(err) == "refund_exceeds" { // the record of whoever asked first went while we waited for it: begin anew
		return a.makeRefund(ctx, req)
	}
	if err != nil || !ours {
		return re, fresh, err
	}
	lease := ledger.RefundLease{Scope: a.Scope, RefundNo: res.RefundNo, Owner: res.Owner}
	made := false
	if fresh && earlier {
		if made, err = a.Reconciler.Refunds.Find(ctx, l, re, lease); errors.Is(err, ledger.ErrRefundDiffers) {
			return nil, false, refundNoUsed()
		}
		fresh = !made
	}
	if err == nil && !made {
		err = a.Reconciler.Refunds.Make(ctx, l, re, lease, fresh)
	}
	if err != nil {
		return nil, fresh, refundProblem(req.RefundNo, err)
	}
	re, err = l.Refund(ctx, a.Scope, req.RefundNo)
	return re, fresh, err
}

// refundable returns the charge to refund as Ping++ has it, and the merchant's number of its order.
func (a *API) refundable(ctx context.Context, l ledger.Ledger, req *refundRequest) (*pingpp.Charge, string, error) {
	chargeID, orderNo := req.Charge, req.OrderNo
	if chargeID == "" {
		paid, err := a.paidCharge(ctx, l, orderNo)
		if err != nil {
			return nil, "", err
		}
		chargeID = paid
	}
	found, err := a.Pingpp.GetCharge(ctx, chargeID)
	if err != nil {
		return nil, "", lookUpProblem(err)
	}
	if !found.Paid {
		return nil, "", problem.New("charge_not_paid", nil)
	}
	ours, err := l.Charge(ctx, a.Scope, chargeID)
	if errors.Is(err, ledger.ErrNotFound) {
		ours, err = &ledger.Charge{}, nil
	}
	if err != nil {
		return nil, "", err
	}
	orderNo = cmp.Or(orderNo, ours.OrderNo, found.Metadata[intake.MetaOrderNo], found.OrderNo)
	if found.AmountRefunded > ours.AmountRefunded {
		if err := a.Reconciler.Learner.Refunds(ctx, l, chargeID, orderNo); err != nil { // Ping++ itself still refuses what is too much
			a.Logger.Warn("earlier refunds of a charge could not be looked up", zap.String("order_no", orderNo), zap.String("charge", chargeID), zap.Error(err))
		}
	}
	return found, orderNo, nil
}

// lookUpProblem is why a charge that the merchant named cannot be had from Ping++.
func lookUpProblem(err error) *problem.Problem {
	perr, ok := errors.AsType[*pingpp.Error](err)
	malformed := ok && perr.Kind == pingpp.InvalidRequest && perr.Status == 0 // what was named has not the form of an id
	if ok && (malformed || perr.Kind == pingpp.NotFound || perr.Kind == pingpp.Foreign) {
		return &problem.Problem{Code: "charge_not_found", Cause: err, EN: "This app has no such charge in this mode.", ZH: "该应用在当前模式下没有此支付单。"}
	}
	return problem.OfPingpp(err)
}

// paidCharge returns the id of the charge that paid an order. While none is known, Ping++ is asked about those that may have.
func (a *API) paidCharge(ctx context.Context, l ledger.Ledger, orderNo string) (string, error) {
	for asked := false; ; asked = true {
		attempts, err := l.Attempts(ctx, a.Scope, orderNo)
		if err != nil {
			return "", err
		}
		if len(attempts) == 0 {
			return "", neverBegun()
		}
		var paid []string
		for i := range attempts {
			if attempts[i].Paid {
				paid = append(paid, attempts[i].ID)
			}
		}
		switch {
		case len(paid) == 1:
			return paid[0], nil
		case len(paid) > 1:
			p := invalidRefund("order_no", "The order was paid more than once: name one of its charges as charge.", "该订单被支付了多次，请用 charge 指定要退款的支付单。")
			p.Members["charges"] = paid
			return "", p
		case asked:
			return "", problem.New("charge_not_paid", nil)
		}
		for i := range attempts {
			if attempts[i].State == ledger.Open && !attempts[i].Reversed {
				charge.Ask(ctx, a.Reconciler, a.Logger, &attempts[i])
			}
		}
	}
}

// reserveRefund takes the right to make a refund, waiting for others of the same charge. It says whether the refund is ours to carry out.
func (a *API) reserveRefund(ctx context.Context, l ledger.Ledger, res ledger.RefundReservation) (re *ledger.Refund, fresh, ours bool, err error) {
	changed, stop := l.Watch(ledger.ChargeTopic(a.Scope, res.ChargeID))
	defer stop()
	deadline := time.NewTimer(reservationWait)
	defer deadline.Stop()
	for {
		res.Now = a.Now()
		res.Until = res.Now.Add(refunds.Lease)
		re, fresh, err = l.ReserveRefund(ctx, res)
		switch {
		case err == nil:
			return re, fresh, re.State == ledger.RefundAsked, nil
		case errors.Is(err, ledger.ErrRefundDiffers):
			return nil, false, false, refundNoUsed()
		case errors.Is(err, ledger.ErrRefundExceeds):
			return nil, false, false, problem.New("refund_exceeds", nil)
		case !errors.Is(err, ledger.ErrReserved):
			return nil, false, false, err
		}
		select {
		case <-changed:
		case <-time.After(reservationPoll):
		case <-deadline.C:
			if re, err = l.Refund(ctx, a.Scope, res.RefundNo); err != nil {
				return nil, false, false, problem.Retry("charge_in_progress", time.Second, nil)
			}
			return re, false, false, nil // somebody else carries it out
		}
	}
}

func refundNoUsed() *problem.Problem {
	p := invalidRefund("refund_no", "This refund_no was used for another refund: charge, amount, description or funding_source differ. Take a new one.", "该 refund_no 已用于另一笔退款（支付单、金额、描述或 funding_source 不同），请使用新的 refund_no。")
	p.HTTPStatus = http.StatusConflict
	return p
}

func invalidRefund(field, en, zh string) *problem.Problem {
	return &problem.Problem{Code: "refund_invalid", Members: map[string]any{"field": fmt.Sprintf("%.60s", field)}, EN: en, ZH: zh, Cause: errors.New(en)}
}

// readRefundRequest reads and checks the body. What it does not know is refused, so that no misspelt amount becomes a whole refund.
func (a *API) readRefundRequest(r *http.Request) (*refundRequest, error) {
	fields, err := body.ReadJSON(r, maxRefundBody, a.Bodies)
	if err != nil {
		return nil, err
	}
	req := &refundRequest{}
	texts := map[string]*string{"order_no": &req.OrderNo, "charge": &req.Charge, "refund_no": &req.RefundNo, "description": &req.Description,
		"funding_source": &req.FundingSource}
	for name, raw := range fields {
		if name == "amount" {
			if req.Amount, err = strconv.ParseInt(string(raw), 10, 64); err != nil || req.Amount <= 0 {
				return nil, invalidRefund(name, "amount must be a whole number of fen above 0, without quotes; leave it out to refund everything.", "amount 必须是大于 0 的整数（单位：分，不带引号）；全额退款时请省略该字段。")
			}
			continue
		}
		into, known := texts[name]
		if !known {
			return nil, invalidRefund(name, "There is no such field. Allowed are order_no or charge, refund_no, amount, description and funding_source.", "没有该字段，允许的字段有：order_no 或 charge、refund_no、amount、description、funding_source。")
		}
		if string(raw) == "null" || json.Unmarshal(raw, into) != nil {
			return nil, invalidRefund(name, name+" must be a string.", name+" 必须是字符串。")
		}
		if name == "funding_source" && req.FundingSource != pingpp.UnsettledFunds && req.FundingSource != pingpp.RechargeFunds {
			return nil, invalidRefund(name, "funding_source must be unsettled_funds or recharge_funds; leave it out for Ping++'s default.", "funding_source 只能是 unsettled_funds 或 recharge_funds；使用 Ping++ 默认值时请省略该字段。")
		}
	}
	length := utf8.RuneCountInString(req.Description)
	switch {
	case (req.OrderNo == "") == (req.Charge == ""):
		return nil, invalidRefund("order_no", "Name the payment by either order_no or charge.", "请用 order_no 或 charge 之一指定支付单。")
	case !refundNoSyntax.MatchString(req.RefundNo):
		return nil, invalidRefund("refund_no", "refund_no is your own number for this refund: 1 to 64 letters, digits, - and _.", "refund_no 是商户自己的退款单号：1 到 64 位字母、数字、- 或 _。")
	case length == 0 || length > maxRefundDescription:
		return nil, invalidRefund("description", "description must say why, in 1 to 255 characters.", "description 必须填写退款原因，1 到 255 个字符。")
	}
	return req, nil
}
