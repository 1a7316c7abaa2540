package pingpp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
)

// refundPage is a list of refunds.
func refundPage(more bool, refunds ...string) string {
	return fmt.Sprintf(`{"object":"list","url":"/v1/charges/ch_1/refunds","has_more":%v,"data":[%s]}`, more, strings.Join(refunds, ","))
}

// wantOfCalls is the id that each call below answers with, when it answers.
var wantOfCalls = map[string]string{
	"get charge": "ch_1", "reverse charge": "ch_1", "get event": "evt_1", "get refund": "re_1", "list refunds": "list", "create refund": "re_1",
	"create order": orderID, "get order": orderID, "pay order": orderID, "cancel order": orderID, "list orders": "list", "list order charges": "list",
	"refund order": "re_1", "get order refund": "re_1", "list order refunds": "list",
}

// changes are the calls that change something at Ping++.
var changes = map[string]bool{"reverse charge": true, "create refund": true, "create order": true, "pay order": true, "cancel order": true, "refund order": true}

// otherCalls are the calls besides CreateCharge; each returns the id of what it got.
func otherCalls(cl *Client) map[string]func(context.Context) (string, error) {
	return map[string]func(context.Context) (string, error){
		"get charge": func(ctx context.Context) (string, error) { ch, err := cl.GetCharge(ctx, "ch_1"); return idOf(ch, err) },
		"reverse charge": func(ctx context.Context) (string, error) {
			ch, err := cl.ReverseCharge(ctx, "ch_1")
			return idOf(ch, err)
		},
		"get event": func(ctx context.Context) (string, error) { e, err := cl.GetEvent(ctx, "evt_1"); return idOf(e, err) },
		"get refund": func(ctx context.Context) (string, error) {
			re, err := cl.GetRefund(ctx, "ch_1", "re_1")
			return idOf(re, err)
		},
		"list refunds": func(ctx context.Context) (string, error) {
			list, err := cl.ListRefunds(ctx, "ch_1", ListRefundsParams{})
			return idOf(list, err)
		},
		"create refund": func(ctx context.Context) (string, error) {
			re, err := cl.CreateRefund(ctx, "ch_1", &RefundParams{Description: "d"})
			return idOf(re, err)
		},
		"create order": func(ctx context.Context) (string, error) {
			or, err := cl.CreateOrder(ctx, orderParams())
			return idOf(or, err)
		},
		"get order": func(ctx context.Context) (string, error) { or, err := cl.GetOrder(ctx, orderID); return idOf(or, err) },
		"pay order": func(ctx context.Context) (string, error) {
			or, err := cl.PayOrder(ctx, orderID, &PayOrderParams{Channel: "wx_lite", ChargeAmount: 1})
			return idOf(or, err)
		},
		"cancel order": func(ctx context.Context) (string, error) {
			or, err := cl.CancelOrder(ctx, orderID)
			return idOf(or, err)
		},
		"list orders": func(ctx context.Context) (string, error) {
			list, err := cl.ListOrders(ctx, ListOrdersParams{})
			return idOf(list, err)
		},
		"list order charges": func(ctx context.Context) (string, error) {
			list, err := cl.ListOrderCharges(ctx, orderID, OrderPage{})
			return idOf(list, err)
		},
		"refund order": func(ctx context.Context) (string, error) {
			res, err := cl.RefundOrder(ctx, orderID, &OrderRefundParams{ChargeID: "ch_1", Description: "d"})
			if err != nil || len(res) != 1 {
				return "", err
			}
			return idOf(res[0], err)
		},
		"get order refund": func(ctx context.Context) (string, error) {
			re, err := cl.GetOrderRefund(ctx, orderID, "re_1")
			return idOf(re, err)
		},
		"list order refunds": func(ctx context.Context) (string, error) {
			list, err := cl.ListOrderRefunds(ctx, orderID, OrderPage{})
			return idOf(list, err)
		},
	}
}

func idOf(v any, err error) (string, error) {
	if reflect.ValueOf(v).IsNil() {
		return "", err
	}
	switch v := v.(type) {
	case *Charge:
		return v.ID, err
	case *Event:
		return v.ID, err
	case *Refund:
		return v.ID, err
	case *Order:
		return v.ID, err
	}
	return "list", err
}

// Every call meets failures in the same way: a query is tried three times, what changes something once.
func TestFailuresOfEveryCall(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  int
		body    string
		kind    ErrorKind
		posts   int
		gets    int
		unknown bool
	}{
		{"400", 400, `{"error":{"type":"invalid_request_error"}}`, InvalidRequest, 1, 1, false},
		{"401", 401, `{"error":{"message":"bad key ` + testKey + `"}}`, Authentication, 1, 1, false},
		{"402", 402, `{"error":{"type":"channel_error"}}`, Channel, 1, 1, false},
		{"403", 403, ``, RateLimit, 3, 3, false},
		{"404", 404, `{"error":{"message":"未找到","param":"id"}}`, NotFound, 1, 1, false},
		{"404 of a proxy", 404, `<html>`, Malformed, 1, 1, true},
		{"408", 408, ``, Timeout, 1, 1, true},
		{"502", 502, `<html>`, Server, 1, 3, true},
		{"307", 307, ``, Malformed, 1, 1, true},
		{"200 with error", 200, `{"error":{"type":"api_error"}}`, Malformed, 1, 1, true},
		{"200 null", 200, `null`, Malformed, 1, 1, true},
		{"200 empty", 200, ``, Malformed, 1, 1, true},
		{"200 of nothing", 200, `{}`, Malformed, 1, 1, true},
		{"200 another object", 200, `{"object":"user","id":"2001"}`, Malformed, 1, 1, true},
		{"200 too large", 200, strings.Repeat(" ", maxAnswer) + `{}`, Malformed, 1, 1, true},
	} {
		var n atomic.Int64
		cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			answer(c.status, c.body)(w, r)
		})
		for name, ask := range otherCalls(cl) {
			got, err := ask(t.Context())
			e := wantKind(t, err, c.kind, c.unknown)
			want := c.gets
			if changes[name] {
				want = c.posts
			}
			if requests := int(n.Swap(0)); got != "" || e.Op != name || requests != want {
				t.Errorf("%s, %s: got %q, %d requests of %q, want %d", name, c.name, got, requests, e.Op, want)
			}
		}
	}
}

func TestEveryCallRecovers(t *testing.T) {
	good := map[string]string{
		"get charge": string(charge(nil)), "reverse charge": string(charge(map[string]any{"reversed": true})),
		"get event": event("refund.succeeded", refund), "get refund": refund, "list refunds": refundPage(false), "create refund": refund,
		"create order": order(nil), "get order": order(nil), "pay order": order(map[string]any{"charge": "ch_1"}), "cancel order": order(map[string]any{"status": "canceled"}),
		"list orders": orderPage(false), "list order charges": refundPage(false, string(charge(nil))), "refund order": refundPage(false, refund),
		"get order refund": refund, "list order refunds": refundPage(false, refund),
	}
	for name, body := range good {
		var n atomic.Int64
		cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				w.WriteHeader(429) // which both kinds of calls try again
				return
			}
			_, _ = w.Write([]byte(body))
		})
		if got, err := otherCalls(cl)[name](t.Context()); err != nil || got != wantOfCalls[name] {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := otherCalls(cl)[name](ctx)
		if wantKind(t, err, Canceled, false); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefund(t *testing.T) {
	re, err := parseRefund([]byte(refund))
	want := &Refund{
		ID: "re_1", ChargeID: "ch_1", OrderNo: "T20261123001", Status: "succeeded", Amount: 300, Succeed: true,
		Created: 1795420900, TimeSucceeded: 1795420950, Description: "d", Metadata: map[string]string{"pay_refund_no": "R1"}, Raw: []byte(refund),
	}
	if err != nil || !reflect.DeepEqual(re, want) {
		t.Errorf("got %+v, %v, want %+v", re, err, want)
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"metadata []", `{"pay_refund_no":"R1"}`, `[]`, ""},
		{"expanded charge", `"charge":"ch_1"`, `"charge":{"object":"charge","id":"ch_1"}`, ""},
		{"not yet", `"time_succeed":1795420950`, `"time_succeed":null`, ""},
		{"a message of another type", `"failure_msg":null`, `"failure_msg":{}`, ""},

		{"not JSON", `{"id"`, `"id"`, "not JSON"},
		{"a charge", `"object":"refund"`, `"object":"charge"`, "refund.object"},
		{"object missing", `"object":`, `"o":`, "no object"},
		{"id twice", `{`, `{"id":"re_2",`, `"id" appears twice`},
		{"id a path", `"re_1"`, `"re/1"`, "refund.id"},
		{"charge missing", `"charge":"ch_1"`, `"charge":null`, "no charge"},
		{"amount a text", `300`, `"300"`, ""},
		{"amount a word", `300`, `"all"`, "refund.amount"},
		{"amount missing", `"amount"`, `"amt"`, "no amount"},
		{"succeed missing", `"succeed"`, `"s"`, "no succeed"},
		{"status empty", `"succeeded"`, `""`, "refund.status"},
	} {
		changed := strings.Replace(refund, c.from, c.to, 1)
		re, err := parseRefund([]byte(changed))
		if c.want == "" {
			if err != nil || re.ChargeID != "ch_1" || string(re.Raw) != changed {
				t.Errorf("%s: got %+v, %v", c.name, re, err)
			}
			continue
		}
		if re != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want …%s…", c.name, re, err, c.want)
		}
	}
}

func TestGetRefund(t *testing.T) {
	body := " " + strings.NewReplacer(`"succeed":true`, `"succeed":false`, `"status":"succeeded"`, `"status":"failed"`, `"time_succeed":1795420950`, `"time_succeed":null`,
		`"failure_code":null`, `"failure_code":"refund_refused_msg"`, `"failure_msg":null`, `"failure_msg":"余额不足"`).Replace(refund)
	re, err := serve(t, answer(200, body)).GetRefund(t.Context(), "ch_1", "re_1")
	if err != nil || re.Status != "failed" || re.Succeed || re.FailureCode != "refund_refused_msg" || re.FailureMsg != "余额不足" || string(re.Raw) != body {
		t.Fatalf("got %+v, %v", re, err)
	}
	for change, want := range map[[2]string]string{
		{`"re_1"`, `"re_2"`}:         "its id is re_2, asked was re_1",
		{`"ch_1"`, `"ch_2"`}:         "its charge is ch_2, asked was ch_1",
		{`"ch_1"`, `{"id":"ch_2"}`}:  "its charge is ch_2",
		{`"refund",`, `"charge",`}:   "refund.object",
		{`"amount":`, `"error":"e"`}: "not JSON",
	} {
		re, err := serve(t, answer(200, strings.Replace(refund, change[0], change[1], 1))).GetRefund(t.Context(), "ch_1", "re_1")
		if wantKind(t, err, Malformed, true); re != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %+v, %v", change, re, err)
		}
	}
}

func TestListRefunds(t *testing.T) {
	second := strings.Replace(refund, "re_1", "re_2", 1)
	body := refundPage(true, second, " "+refund)
	list, err := serve(t, answer(200, body)).ListRefunds(t.Context(), "ch_1", ListRefundsParams{Limit: 2, EndingBefore: "re_0"})
	if err != nil || len(list.Data) != 2 || list.Data[0].ID != "re_2" || string(list.Data[1].Raw) != refund || !list.HasMore || string(list.Raw) != body {
		t.Fatalf("got %+v, %v", list, err)
	}
	for body, want := range map[string]string{
		refundPage(false): "",
		refundPage(true):  "is empty",
		refundPage(false, refund, strings.Replace(second, "ch_1", "ch_2", 1)): "item 1: its charge is ch_2",
		refundPage(false, string(charge(nil))):                                "item 0: refund",
		refundPage(false, refund, "7"):                                        "item 1: not a JSON object",
		refund:                                                                "list has no has_more",
		strings.Replace(refundPage(false), "list", "refund", 1):               "list.object",
	} {
		list, err := serve(t, answer(200, body)).ListRefunds(t.Context(), "ch_1", ListRefundsParams{})
		if want == "" {
			if err != nil || len(list.Data) != 0 {
				t.Errorf("%s: %+v, %v", body, list, err)
			}
			continue
		}
		if wantKind(t, err, Malformed, true); list != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", body, err, want)
		}
	}
}
