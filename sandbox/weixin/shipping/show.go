package shipping

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const maxPage = 100 // orders

// shownOrder is WeChat's order object; the fields stand in the order of its JSON.
type shownOrder struct {
	TransactionID   string `json:"transaction_id"`
	MerchantID      string `json:"merchant_id"`
	SubMerchantID   string `json:"sub_merchant_id"`
	MerchantTradeNo string `json:"merchant_trade_no"`
	Description     string `json:"description"`
	PaidAmount      int64  `json:"paid_amount"` // fen
	OpenID          string `json:"openid"`
	Created         int64  `json:"trade_create_time"` // Unix seconds
	PayTime         int64  `json:"pay_time"`          // Unix seconds
	State           int    `json:"order_state"`
	InComplaint     bool   `json:"in_complaint"`
	Shipping        any    `json:"shipping"`
}

type shownShipping struct {
	Mode     int      `json:"delivery_mode"`
	Kind     int      `json:"logistics_type"`
	Finished bool     `json:"finish_shipping"`
	Goods    string   `json:"goods_desc"`
	Count    int      `json:"finish_shipping_count"`
	List     []parcel `json:"shipping_list"`
}

func (b *Book) shown(o *order) shownOrder {
	out := shownOrder{o.TransactionNo, b.cfg.Merchant, "", o.OrderNo, cut(o.Description), o.Amount, o.OpenID, o.Created.Unix(), o.Paid.Unix(),
		o.state, o.complaint, struct{}{}}
	if o.uploads == 0 {
		return out
	}
	sh := shownShipping{Mode: o.mode, Kind: o.kind, Finished: o.complete, List: append([]parcel{}, o.parcels...)}
	if o.complete {
		sh.Count = 1
	}
	if o.complete && o.corrected {
		sh.Count = 2
	}
	var items []string
	for _, p := range o.parcels {
		items = append(items, p.Items)
	}
	out.Description, out.Shipping = cut(strings.Join(items, ";")), sh
	return out
}

// cut shortens a description as WeChat does.
func cut(s string) string {
	if utf8.RuneCountInString(s) <= maxItems {
		return s
	}
	return string([]rune(s)[:maxItems]) + "..."
}

// Order is get_order.
func (b *Book) Order(body []byte) (order any, errcode int) {
	var in struct {
		TransactionID string `json:"transaction_id"`
		MerchantID    string `json:"merchant_id"`
		TradeNo       string `json:"merchant_trade_no"`
	}
	if json.Unmarshal(body, &in) != nil {
		return nil, 47001
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	found, errcode := b.byTransaction(in.TransactionID)
	if in.TransactionID == "" {
		if in.MerchantID == "" || in.TradeNo == "" {
			return nil, 10060014
		}
		found, errcode = b.byNumber(in.MerchantID, in.TradeNo)
	}
	if errcode != 0 {
		return nil, errcode
	}
	return struct {
		ok
		Order shownOrder `json:"order"`
	}{fine, b.shown(found)}, 0
}

// List is get_order_list, the newest first.
func (b *Book) List(body []byte) (orders any, errcode int) {
	in := struct {
		Range struct {
			Begin int64 `json:"begin_time"`
			End   int64 `json:"end_time"`
		} `json:"pay_time_range"`
		State  int    `json:"order_state"`
		OpenID string `json:"openid"`
		Last   string `json:"last_index"`
		Size   int    `json:"page_size"`
	}{Size: maxPage}
	in.Range.End = 1<<32 - 1
	if json.Unmarshal(body, &in) != nil {
		return nil, 47001
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	last, err := hex.DecodeString(in.Last)
	if err != nil || in.Last != "" && !b.orders.Has(string(last)) {
		return nil, 10060011
	}
	out := struct {
		ok
		Orders []shownOrder `json:"order_list"`
		Last   string       `json:"last_index"`
		More   bool         `json:"has_more"`
	}{ok: fine, Orders: []shownOrder{}}
	for o := range b.orders.Older(string(last)) {
		o, errcode := b.find(o, true)
		if errcode != 0 {
			continue
		}
		if paid := o.Paid.Unix(); paid < in.Range.Begin || paid > in.Range.End || in.State != 0 && o.state != in.State || in.OpenID != "" && o.OpenID != in.OpenID {
			continue
		}
		if len(out.Orders) >= min(max(in.Size, 1), maxPage) {
			out.More = true
			break
		}
		out.Orders, out.Last = append(out.Orders, b.shown(o)), hex.EncodeToString([]byte(o.TransactionNo))
	}
	return out, 0
}

// ok begins every answer that is no error.
type ok struct {
	Code    int    `json:"errcode"`
	Message string `json:"errmsg"`
}

var fine = ok{0, "ok"}
