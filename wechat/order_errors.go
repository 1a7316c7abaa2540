package wechat

import (
	"errors"
	"fmt"
	"path"
	"time"
)

// OrderKind is what an error of the order management means for whoever asked.
type OrderKind string

// The kinds of errors.
const (
	OrderRetry         OrderKind = "retry later"     // WeChat is busy, or was not reached: nothing was done, and the same again will do later
	OrderNotFound      OrderKind = "not found yet"   // WeChat does not know the payment: it may for minutes; after that it never will
	OrderUnknown       OrderKind = "unknown outcome" // a report was sent and its answer lost: ask for the order before anything is sent again
	OrderDone          OrderKind = "done"            // WeChat has exactly this already
	OrderAsk           OrderKind = "ask"             // WeChat takes no (other) report of this payment: the order says what it has
	OrderFinal         OrderKind = "final"           // the same again will never do: a person has to look
	OrderToken         OrderKind = "token"           // WeChat takes the access token no more, not even a fresh one
	OrderConfiguration OrderKind = "configuration"   // the account, its secret, its rights or its IP list are wrong: the merchant has to act
	OrderQuotaMinute   OrderKind = "quota (minute)"  // too many calls in this minute
	OrderQuotaDay      OrderKind = "quota (day)"     // too many calls on this day
)

// OrderError is why the order management did not do what it was asked. None of its texts holds a secret, a token or the payer's openid.
type OrderError struct {
	Kind    OrderKind
	API     string // what was asked: upload_shipping_info, get_order, stable_token, …
	Code    int    // WeChat's errcode; 0 when WeChat did not say one
	Rid     string // WeChat's id of the request, which its support asks for; empty when it said none
	Message string // WeChat's errmsg without the id, or what went wrong on the way

	cause error // context.Canceled, context.DeadlineExceeded or nil
}

func (e *OrderError) Error() string {
	s := "wechat: " + e.API + ": " + string(e.Kind)
	if e.Code != 0 {
		s += fmt.Sprintf(" (errcode %d)", e.Code)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Rid != "" {
		s += " (rid " + e.Rid + ")"
	}
	return s
}

// ZH is what the error says, in Chinese; WeChat's own words are.
func (e *OrderError) ZH() string {
	s := "微信 " + e.API
	if e.Code != 0 {
		s += fmt.Sprintf("（错误码 %d）", e.Code)
	}
	if e.Message != "" {
		s += "：" + e.Message
	}
	if e.Rid != "" {
		s += "（rid " + e.Rid + "）"
	}
	return s
}

// Unwrap returns the context's error when the context ended the call, else nil.
func (e *OrderError) Unwrap() error { return e.cause }

// RetryAfter suggests how long to wait before the same is asked again, at a time: 0 where waiting is not what helps, or, for OrderNotFound and
// OrderUnknown, something else is done first.
func (e *OrderError) RetryAfter(now time.Time) time.Duration {
	switch e.Kind {
	case OrderRetry:
		return 10 * time.Second
	case OrderToken, OrderQuotaMinute:
		return time.Minute
	case OrderQuotaDay: // WeChat's day is Beijing's
		year, month, day := now.In(beijing).Date()
		return time.Date(year, month, day+1, 0, 10, 0, 0, beijing).Sub(now)
	}
	return 0
}

// orderKinds are the errcodes that mean something of their own. Of the others the negative ones are WeChat's own trouble, and the rest are final.
var orderKinds = map[int]OrderKind{
	-1:       OrderRetry,
	10060012: OrderRetry,
	10060019: OrderRetry,
	// Not after the last upload, or not WeChat's form of a time. Nothing was done, and the next report has a later time.
	268485216: OrderRetry,

	10060001: OrderNotFound,
	10060023: OrderDone,
	10060002: OrderAsk,
	10060003: OrderAsk,
	10060004: OrderAsk,

	40001: OrderToken,
	40014: OrderToken,
	42001: OrderToken,
	41001: OrderToken,

	40013: OrderConfiguration,
	40125: OrderConfiguration,
	40164: OrderConfiguration,
	40243: OrderConfiguration,
	41002: OrderConfiguration,
	41004: OrderConfiguration,
	48001: OrderConfiguration,
	50004: OrderConfiguration,
	50007: OrderConfiguration,
	61003: OrderConfiguration,
	61004: OrderConfiguration,
	89503: OrderConfiguration,
	89506: OrderConfiguration,
	89507: OrderConfiguration,

	44990: OrderQuotaMinute,
	45011: OrderQuotaMinute,
	45009: OrderQuotaDay,
}

func orderKindOf(errcode int) OrderKind {
	if kind, ok := orderKinds[errcode]; ok {
		return kind
	}
	if errcode < 0 {
		return OrderRetry
	}
	return OrderFinal
}

// isLost reports whether a request may have been done although there was no usable answer.
func isLost(err error) bool {
	werr, ok := errors.AsType[*Error](err)
	return ok && werr.Code == 0 && !werr.unsent
}

// orderError is what an error of a call means here; lost says that a report was sent and its answer is not known.
func orderError(err error, lost bool) *OrderError {
	werr, ok := errors.AsType[*Error](err)
	if !ok { // of the storage that the token is kept in
		return &OrderError{Kind: OrderRetry, API: "stable_token", Message: redactor{}.clean(err.Error())}
	}
	e := &OrderError{Kind: OrderRetry, API: path.Base(werr.API), Code: werr.Code, Rid: werr.Rid, Message: werr.Message, cause: werr.cause}
	switch {
	case werr.Code != 0:
		e.Kind = orderKindOf(werr.Code)
	case lost:
		e.Kind = OrderUnknown
	}
	return e
}
