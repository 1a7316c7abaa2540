package wechat

import (
	"encoding/json"
	"slices"
	"time"
)

// OrderState is how far WeChat is with an order.
type OrderState int

// The states of orders. WeChat's other numbers, and none, are OrderStateUnknown.
const (
	OrderStateUnknown OrderState = iota
	OrderToShip                  // shipping was not reported, or not completely
	OrderShipped                 // the buyer has not received it yet, for all that WeChat knows
	OrderConfirmed               // the buyer has, or WeChat's time for it is over
	OrderSettled                 // the merchant has the money
	OrderRefunded                // WeChat shows it a day late
	OrderToSettle                // the money is about to be the merchant's
)

var orderStates = []string{"unknown", "to_ship", "shipped", "confirmed", "settled", "refunded", "to_settle"}

// String names the state in one word.
func (s OrderState) String() string {
	if s < 0 || int(s) >= len(orderStates) {
		return orderStates[OrderStateUnknown]
	}
	return orderStates[s]
}

// Order is what WeChat has of a payment. What WeChat did not say, or said in a form of its own, is the zero value.
type Order struct {
	TransactionID   string // WeChat's number
	MerchantID      string
	SubMerchantID   string
	MerchantTradeNo string // the merchant's number, as Ping++ told it to WeChat
	Description     string
	PaidAmount      int64 // fen
	OpenID          string
	Created, Paid   time.Time
	InComplaint     bool // an open complaint holds the money up
	State           OrderState

	Type     Logistics // of what was reported; 0: nothing was
	Split    bool      // reported in parts
	Complete bool      // all parts are reported
	Reports  int       // that were complete: 1, and 2 after the one correction that WeChat allows
	Parcels  []ReportedParcel
}

// ReportedParcel is a parcel that WeChat has.
type ReportedParcel struct {
	Company, TrackingNo, Items string
	Uploaded                   time.Time
}

// Has reports whether WeChat has all of a report: whether one whose answer was lost has come. The texts of its parcels count where WeChat shows
// them.
func (o *Order) Has(s Shipping) bool {
	if o.Type != s.Type || o.Split != s.Split || len(o.Parcels) == 0 || !o.Complete && (s.Complete || !s.Split) {
		return false
	}
	has := func(want Parcel) bool {
		company, _ := CompanyCode(want.Company)
		return slices.ContainsFunc(o.Parcels, func(p ReportedParcel) bool {
			same := s.Type != Express || p.TrackingNo == want.TrackingNo && p.Company == company
			return same && (p.Items == "" || p.Items == CutItems(want.Items))
		})
	}
	return !slices.ContainsFunc(s.Parcels, func(p Parcel) bool { return !has(p) })
}

// order reads the answer of get_order.
func (a *answer) order(asked string) (Order, error) {
	var m map[string]json.RawMessage
	if json.Unmarshal(a.members["order"], &m) != nil || m == nil {
		return Order{}, a.unusable("holds no order")
	}
	str := func(name string) string { s, _ := text(m[name]); return s }
	num := func(name string) int { n, _ := number(m[name]); return n }
	o := Order{
		TransactionID: str("transaction_id"), MerchantID: str("merchant_id"), SubMerchantID: str("sub_merchant_id"), MerchantTradeNo: str("merchant_trade_no"),
		Description: str("description"), PaidAmount: int64(num("paid_amount")), OpenID: str("openid"),
		Created: unix(m["trade_create_time"]), Paid: unix(m["pay_time"]),
	}
	if o.TransactionID != asked {
		return Order{}, a.unusable("is of another payment")
	}
	if o.SubMerchantID == "0" {
		o.SubMerchantID = ""
	}
	o.InComplaint, _ = truth(m["in_complaint"])
	if state := OrderState(num("order_state")); state > 0 && int(state) < len(orderStates) {
		o.State = state
	}
	var sh map[string]json.RawMessage
	if json.Unmarshal(m["shipping"], &sh) != nil {
		return o, nil
	}
	o.shipping(sh)
	return o, nil
}

func (o *Order) shipping(m map[string]json.RawMessage) {
	kind, _ := number(m["logistics_type"])
	if Logistics(kind).valid() {
		o.Type = Logistics(kind)
	}
	mode, _ := number(m["delivery_mode"])
	o.Split = mode == split
	o.Complete, _ = truth(m["finish_shipping"])
	o.Reports, _ = number(m["finish_shipping_count"])
	var list []map[string]json.RawMessage
	if json.Unmarshal(m["shipping_list"], &list) != nil {
		return
	}
	for _, entry := range list {
		str := func(name string) string { s, _ := text(entry[name]); return s }
		o.Parcels = append(o.Parcels, ReportedParcel{str("express_company"), str("tracking_no"), str("goods_desc"), unix(entry["upload_time"])})
	}
}

// unix reads a time in Unix seconds; the zero time where there is none.
func unix(raw json.RawMessage) time.Time {
	n, ok := number(raw)
	if !ok || n <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

// truth reads a boolean, which some of WeChat's platforms send as a number or a text.
func truth(raw json.RawMessage) (set, ok bool) {
	switch string(raw) {
	case "true", `"true"`, "1", `"1"`:
		return true, true
	case "false", `"false"`, "0", `"0"`:
		return false, true
	}
	return false, false
}
