package pingpp

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestChargeIsKeptByteForByte(t *testing.T) {
	body := " \n" + strings.Replace(string(charge(nil)), `"subject":"s"`, `"subject" : "<&>\u4e2d中",  "x":1.50`, 1) + "\r\n"
	cl := serve(t, answer(201, body))
	ch, err := cl.CreateCharge(t.Context(), params())
	if err != nil {
		t.Fatal(err)
	}
	if string(ch.Raw) != body || ch.Subject != "<&>中中" {
		t.Errorf("subject %q, raw\n%q\nwant\n%q", ch.Subject, ch.Raw, body)
	}
}

// A charge that is not the one asked for is never handed out.
func TestAnotherCharge(t *testing.T) {
	for name, value := range map[string]any{
		"app": "app_2", "livemode": true, "order_no": "T2", "channel": "wx_pub", "amount": 1251, "currency": "hkd",
	} {
		cl := serve(t, answer(200, string(charge(map[string]any{name: value}))))
		_, err := cl.CreateCharge(t.Context(), params())
		wantKind(t, err, Malformed, true)
		if !strings.Contains(err.Error(), fmt.Sprintf("its %s is %v, asked was", name, value)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		change map[string]any
		kind   ErrorKind
	}{
		"id":   {map[string]any{"id": "ch_2"}, Malformed},
		"app":  {map[string]any{"app": "app_2"}, Foreign},
		"mode": {map[string]any{"livemode": true}, Foreign},
	} {
		cl := serve(t, answer(200, string(charge(c.change))))
		_, err := cl.GetCharge(t.Context(), "ch_1")
		if e := wantKind(t, err, c.kind, c.kind == Malformed); e.Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing is sent that cannot be right.
func TestRefusedUnsent(t *testing.T) {
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked", r.RequestURI) })
	for _, id := range []string{"", "../apps", "ch_1/reverse", "ch_1?x=1", "ch_ä", "ch 1", strings.Repeat("x", 65)} {
		_, err := cl.GetCharge(t.Context(), id)
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.ListCharges(t.Context(), ListParams{StartingAfter: id + "/"})
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.ReverseCharge(t.Context(), id)
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.GetEvent(t.Context(), id)
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.GetRefund(t.Context(), id, "re_1")
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.GetRefund(t.Context(), "ch_1", id)
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.ListRefunds(t.Context(), id, ListRefundsParams{})
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.ListRefunds(t.Context(), "ch_1", ListRefundsParams{EndingBefore: id + "/"})
		wantKind(t, err, InvalidRequest, false)
	}
	for name, change := range map[string]func(*ChargeParams){
		"order number": func(p *ChargeParams) { p.OrderNo = "" }, "channel": func(p *ChargeParams) { p.Channel = "" },
		"currency": func(p *ChargeParams) { p.Currency = "" }, "client address": func(p *ChargeParams) { p.ClientIP = "" },
		"subject": func(p *ChargeParams) { p.Subject = "" }, "body": func(p *ChargeParams) { p.Body = "" },
		"amount": func(p *ChargeParams) { p.Amount = 0 }, "expiry": func(p *ChargeParams) { p.TimeExpire = -1 },
		"json": func(p *ChargeParams) { p.Metadata = map[string]any{"f": func() {}} },
	} {
		p := params()
		change(p)
		_, err := cl.CreateCharge(t.Context(), p)
		wantKind(t, err, InvalidRequest, false)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := cl.CreateCharge(t.Context(), nil)
	wantKind(t, err, InvalidRequest, false)
	for _, limit := range []int{-1, 101} {
		_, err = cl.ListCharges(t.Context(), ListParams{Limit: limit})
		wantKind(t, err, InvalidRequest, false)
		_, err = cl.ListRefunds(t.Context(), "ch_1", ListRefundsParams{Limit: limit})
		wantKind(t, err, InvalidRequest, false)
	}
	_, err = cl.ListCharges(t.Context(), ListParams{Channel: "wx lite"})
	wantKind(t, err, InvalidRequest, false)
}

func TestReverseCharge(t *testing.T) {
	body := string(charge(map[string]any{"reversed": true})) + " "
	ch, err := serve(t, answer(200, body)).ReverseCharge(t.Context(), "ch_1")
	if err != nil || !ch.Reversed || string(ch.Raw) != body {
		t.Fatalf("got %+v, %v", ch, err)
	}
	for _, c := range []struct {
		name    string
		status  int
		body    string
		kind    ErrorKind
		unknown bool
		code    string
	}{
		{"not reversed", 200, string(charge(map[string]any{"reversed": false})), Malformed, true, ""},
		{"does not say", 200, string(charge(nil)), Malformed, true, ""},
		{"another charge", 200, string(charge(map[string]any{"reversed": true, "id": "ch_2"})), Malformed, true, ""},
		{"another app's", 200, string(charge(map[string]any{"reversed": true, "app": "app_2"})), Foreign, false, ""},
		{"paid", 400, `{"error":{"type":"invalid_request_error","code":"charge_unexpected_status"}}`, InvalidRequest, false, "charge_unexpected_status"},
		{"paid, says the channel", 402, `{"error":{"type":"channel_error","code":"charge_unexpected_status"}}`, Channel, false, "charge_unexpected_status"},
	} {
		ch, err := serve(t, answer(c.status, c.body)).ReverseCharge(t.Context(), "ch_1")
		if e := wantKind(t, err, c.kind, c.unknown); ch != nil || e.Code != c.code {
			t.Errorf("%s: got %+v, code %q", c.name, ch, e.Code)
		}
	}
}

func TestParseCharge(t *testing.T) {
	raw := charge(map[string]any{
		"paid": true, "time_paid": 1795420799, "amount_settle": 1240, "amount_refunded": 10, "refunded": true, "reversed": true,
		"transaction_no": "4200", "failure_code": "c", "failure_msg": "m",
		"metadata": map[string]any{"s": "x", "n": 1.50, "b": true, "o": map[string]any{"k": 1}, "a": []int{1}},
	})
	ch, err := ParseCharge(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := &Charge{
		ID: "ch_1", App: testApp, Channel: "wx_lite", OrderNo: "T20261123001", ClientIP: "192.0.2.7", Currency: "cny", Subject: "s", Body: "b",
		Created: 1795420790, Paid: true, Refunded: true, Reversed: true, Amount: 1250, AmountSettle: 1240, AmountRefunded: 10,
		TimePaid: 1795420799, TimeExpire: 1795427990, TransactionNo: "4200", FailureCode: "c", FailureMsg: "m",
		Metadata:   map[string]string{"s": "x", "n": "1.5", "b": "true", "o": `{"k":1}`, "a": "[1]"},
		Credential: []byte(`{"object":"credential"}`), Extra: []byte("{}"), Raw: raw,
	}
	if !reflect.DeepEqual(ch, want) {
		t.Errorf("got\n%+v\nwant\n%+v", ch, want)
	}

	for _, c := range []struct {
		name, from, to string // a replacement in the charge above
		want           string // part of the error; empty: none
	}{
		{"expanded app", `"app":"` + testApp + `"`, `"app":{"object":"app","id":"` + testApp + `"}`, ""},
		{"php's empty objects", `"extra":{}`, `"extra":[]`, ""},
		{"metadata []", `"metadata":{`, `"metadata":[],"old":{`, ""},
		{"credential []", `"credential":{"object":"credential"}`, `"credential":[]`, ""},
		{"metadata null", `"metadata":{`, `"metadata":null,"old":{`, ""},
		{"transaction number a number", `"transaction_no":"4200"`, `"transaction_no":4200`, ""},
		{"failure an object", `"failure_msg":"m"`, `"failure_msg":{}`, ""},
		{"time_paid null", `"time_paid":1795420799`, `"time_paid":null`, ""},
		{"time_paid a word", `"time_paid":1795420799`, `"time_paid":"soon"`, ""},
		{"amount a text", `"amount":1250`, `"amount":"1250"`, ""},
		{"amount with a fraction of zero", `"amount":1250`, `"amount":1250.00`, ""},
		{"amount a text with a fraction of zero", `"amount":1250`, `"amount":"1250.0"`, ""},
		{"amount an exponent", `"amount":1250`, `"amount":1.25e3`, ""},
		{"paid a text", `"paid":true`, `"paid":"true"`, ""},
		{"paid 1", `"paid":true`, `"paid":1`, ""},
		{"refunded empty", `"refunded":true`, `"refunded":""`, ""},
		{"amount_refunded empty", `"amount_refunded":10`, `"amount_refunded":""`, ""},
		{"order number a number", `"order_no":"T20261123001"`, `"order_no":20261123001`, ""},
		{"metadata key twice", `"metadata":{`, `"metadata":{"s":"y",`, ""},
		{"key twice with one value", `"id":"ch_1"`, `"id":"ch_1","id":"ch_1"`, ""},

		{"not JSON", `{`, ``, "not JSON"},
		{"trailing data", `{"amount"`, `{} {"amount"`, "not JSON"},
		{"key twice", `"id":"ch_1"`, `"id":"ch_1","id":"ch_2"`, `"id" appears twice`},
		{"key twice, escaped", `"id":"ch_1"`, `"id":"ch_1","\u0069d":"ch_2"`, `"id" appears twice`},
		{"id in capitals", `"id":`, `"ID":`, "no id"},
		{"app without id", `"app":"` + testApp + `"`, `"app":{}`, "charge.app has no id"},
		{"app null", `"app":"` + testApp + `"`, `"app":null`, "no app"},
		{"app a fraction", `"app":"` + testApp + `"`, `"app":1.5`, "charge.app is not a string"},
		{"app [] ", `"app":"` + testApp + `"`, `"app":[]`, "charge.app is not a string"},
		{"id a fraction", `"id":"ch_1"`, `"id":1.0`, "charge.id"},
		{"amount empty", `"amount":1250`, `"amount":""`, "charge.amount"},
		{"amount a text with a fraction", `"amount":1250`, `"amount":"12.50"`, "whole number"},
		{"amount a text with a blank", `"amount":1250`, `"amount":" 1250"`, "whole number"},
		{"amount with a plus", `"amount":1250`, `"amount":"+1250"`, "whole number"},
		{"amount a list", `"amount":1250`, `"amount":[1250]`, "whole number"},
		{"amount huge", `"amount":1250`, `"amount":1e99`, "whole number"},
		{"paid 2", `"paid":true`, `"paid":2`, "charge.paid"},
		{"paid empty", `"paid":true`, `"paid":""`, "charge.paid"},
		{"amount negative", `"amount":1250`, `"amount":-1250`, "negative"},
		{"amount a fraction", `"amount":1250`, `"amount":1250.5`, "whole number"},
		{"amount too large", `"amount":1250`, `"amount":9223372036854775808`, "whole number"},
		{"amount null", `"amount":1250`, `"amount":null`, "no amount"},
		{"paid a word", `"paid":true`, `"paid":"yes"`, "charge.paid"},
		{"paid missing", `"paid":true`, `"was":true`, "no paid"},
		{"livemode missing", `"livemode":`, `"l":`, "no livemode"},
		{"channel empty", `"channel":"wx_lite"`, `"channel":""`, "charge.channel"},
		{"order number a fraction", `"order_no":"T20261123001"`, `"order_no":7.5`, "charge.order_no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(string(raw), c.from, c.to, 1)
			if changed == string(raw) {
				t.Fatal("nothing was replaced")
			}
			ch, err := ParseCharge([]byte(changed))
			if c.want == "" {
				if err != nil || ch.App != testApp || ch.Amount != 1250 || !ch.Paid || !strings.Contains("T20261123001", ch.OrderNo) || string(ch.Raw) != changed {
					t.Fatalf("got %+v, %v", ch, err)
				}
				return
			}
			if ch != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v, want …%s…", ch, err, c.want)
			}
		})
	}
}

func TestListCharges(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		params ListParams
		query  string
	}{
		{ListParams{}, ""},
		{ListParams{Limit: 100, StartingAfter: "ch_1", Channel: "wx_lite"}, "&channel=wx_lite&limit=100&starting_after=ch_1"},
		{ListParams{EndingBefore: "ch_1", Paid: &yes, Refunded: &no, Reversed: &no}, "&ending_before=ch_1&paid=true&refunded=false&reversed=false"},
		{ListParams{CreatedGT: 1, CreatedGTE: 2, CreatedLT: 3, CreatedLTE: 4}, "&created%5Bgt%5D=1&created%5Bgte%5D=2&created%5Blt%5D=3&created%5Blte%5D=4"},
	} {
		cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if want := "app%5Bid%5D=" + testApp + c.query; r.URL.RawQuery != want {
				t.Errorf("query %s, want %s", r.URL.RawQuery, want)
			}
			fmt.Fprintf(w, `{"object":"list","url":"/v1/charges","has_more":true,"data":[%s,%s]}`, charge(nil), charge(map[string]any{"id": "ch_2"}))
		})
		list, err := cl.ListCharges(t.Context(), c.params)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Data) != 2 || list.Data[1].ID != "ch_2" || !list.HasMore || string(list.Data[0].Raw) != string(charge(nil)) {
			t.Errorf("got %+v", list)
		}
	}
	for body, want := range map[string]string{
		`{"object":"list","has_more":false,"data":[]}`:                                                       "",
		`{"object":"list","has_more":true,"data":[]}`:                                                        "is empty",
		`{"object":"list","has_more":false,"data":{}}`:                                                       "list.data",
		`{"object":"list","has_more":false,"data":null}`:                                                     "no data",
		`{"object":"list","has_more":false}`:                                                                 "no data",
		`{"object":"list","data":[]}`:                                                                        "no has_more",
		`{"has_more":false,"data":[]}`:                                                                       "no object",
		`{"object":"list","has_more":false,"data":[null]}`:                                                   "item 0",
		`{"object":"list","has_more":false,"data":[` + string(charge(map[string]any{"app": "app_2"})) + `]}`: "another app's",
		string(charge(nil)):                                                                                  "list has no has_more",
	} {
		_, err := serve(t, answer(200, body)).ListCharges(t.Context(), ListParams{})
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", body, err)
			}
			continue
		}
		wantKind(t, err, Malformed, true)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", body, err, want)
		}
	}
}

func TestErrorIsNeverNilInDisguise(t *testing.T) {
	_, err := serve(t, answer(200, string(charge(nil)))).GetCharge(t.Context(), "ch_1")
	if err != nil || errors.As(err, new(*Error)) {
		t.Errorf("a success has the error %#v", err)
	}
}
