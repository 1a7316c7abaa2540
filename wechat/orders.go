package wechat

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"time"
)

const maxList = 1 << 20 // bytes of an answer that is a list; that of all express companies has about 100 KiB

// Orders is WeChat's order and shipping management of one mini program (小程序发货信息管理). WeChat holds the money of a managed program's
// payments until their shipping was reported here and their buyers have received it. Every error is an *OrderError. It is safe for concurrent
// use; but WeChat knows no key by which to tell a repeated report, so the reports of one payment are sent one after the other.
type Orders struct {
	program *MiniProgram
	token   *Shared
	now     func() time.Time
}

// NewOrders returns the order management of a mini program, whose access token is shared. now is the clock that reports are dated by.
func NewOrders(m *MiniProgram, token *Shared, now func() time.Time) *Orders {
	return &Orders{program: m, token: token, now: now}
}

// TokensTakenBack says how many access tokens WeChat took no more before their end, since this process was started: other code ends them.
func (o *Orders) TokensTakenBack() int { return o.token.TakenBack() }

const ordersPath = "wxa/sec/order/"

// UploadShipping reports the shipping of a payment. The error's Kind is [OrderDone] where WeChat had exactly this before. A report is sent once:
// where the answer is lost it is [OrderUnknown], and [Orders.Order] tells whether it came (see [Order.Has]).
func (o *Orders) UploadShipping(ctx context.Context, s Shipping) error {
	report, err := s.report(o.now())
	if err != nil {
		return &OrderError{Kind: OrderFinal, API: "upload_shipping_info", Message: err.Error()}
	}
	_, err = o.ask(ctx, call{api: ordersPath + "upload_shipping_info", body: report, writes: true, hide: []string{s.OpenID}})
	return err
}

// Order returns what WeChat has of a payment.
func (o *Orders) Order(ctx context.Context, transactionID string) (Order, error) {
	if !validID(transactionID) {
		return Order{}, &OrderError{Kind: OrderFinal, API: "get_order", Message: "transaction_id is missing or not WeChat's number of a payment"}
	}
	answer, err := o.ask(ctx, call{api: ordersPath + "get_order", body: map[string]string{"transaction_id": transactionID}})
	if err != nil {
		return Order{}, err
	}
	order, err := answer.order(transactionID)
	if err != nil {
		return Order{}, orderError(err, false)
	}
	return order, nil
}

// TradeManaged reports whether WeChat holds the program's payments until their shipping is reported.
func (o *Orders) TradeManaged(ctx context.Context) (bool, error) {
	return o.flag(ctx, "is_trade_managed", "is_trade_managed")
}

// TradeManagementConfirmed reports whether each merchant number that is linked to the program is authorised or unlinked. Until then WeChat may
// refuse payments.
func (o *Orders) TradeManagementConfirmed(ctx context.Context) (bool, error) {
	return o.flag(ctx, "is_trade_management_confirmation_completed", "completed")
}

func (o *Orders) flag(ctx context.Context, api, name string) (bool, error) {
	answer, err := o.ask(ctx, call{api: ordersPath + api, body: map[string]string{"appid": o.program.appID}})
	if err != nil {
		return false, err
	}
	set, ok := truth(answer.members[name])
	if !ok {
		return false, orderError(answer.unusable("does not say "+name), false)
	}
	return set, nil
}

// OrderDetailPath returns the path of the program's page that shows an order, in which WeChat puts the merchant's order number in the place of
// ${商品订单号}; empty when none is set, which WeChat may take as a reason to refuse payments.
func (o *Orders) OrderDetailPath(ctx context.Context) (string, error) {
	answer, err := o.ask(ctx, call{api: ordersPath + "get_order_detail_path", body: struct{}{}})
	if err != nil {
		return "", err
	}
	path, ok := text(answer.members["path"])
	if !ok {
		return "", orderError(answer.unusable("has a path that is not text"), false)
	}
	return path, nil
}

// DeliveryList returns all express companies that WeChat knows, more than a thousand.
func (o *Orders) DeliveryList(ctx context.Context) ([]Company, error) {
	answer, err := o.ask(ctx, call{api: "cgi-bin/express/delivery/open_msg/get_delivery_list", body: struct{}{}, limit: maxList})
	if err != nil {
		return nil, err
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(answer.members["delivery_list"], &list) != nil {
		return nil, orderError(answer.unusable("holds no delivery_list"), false)
	}
	companies := make([]Company, 0, len(list))
	for _, entry := range list {
		code, _ := text(entry["delivery_id"])
		name, _ := text(entry["delivery_name"])
		if code != "" {
			companies = append(companies, Company{code, name})
		}
	}
	return companies, nil
}

// call is a call of the order management.
type call struct {
	api    string
	body   any
	writes bool     // a lost answer leaves open whether it was done
	limit  int64    // bytes of the answer; 0: as for any
	hide   []string // what no error may show, beside the secret and the token
}

// ask calls WeChat with the shared token, and once more with another one where WeChat refuses that.
func (o *Orders) ask(ctx context.Context, c call) (got *answer, err error) {
	body, err := json.Marshal(c.body)
	if err != nil {
		return nil, &OrderError{Kind: OrderFinal, API: path.Base(c.api), Message: err.Error()} // of texts and numbers, which always encode
	}
	limit := c.limit
	if limit == 0 {
		limit = maxAnswer
	}
	lost := false
	err = o.token.Use(ctx, func(token string) (err error) {
		hide := append(redactor{o.program.secret.Reveal(), token}, c.hide...)
		got, err = o.program.callUpTo(limit, ctx, c.api, http.MethodPost, url.Values{"access_token": {token}}, body, hide)
		if err == nil && got.members["errcode"] == nil {
			err = got.unusable("holds no errcode")
		}
		lost = c.writes && isLost(err)
		return err
	})
	if err != nil {
		return nil, orderError(err, lost)
	}
	return got, nil
}
