package sandboxtest

import (
	"fmt"
	"net/http"
	"net/url"
)

// The members of Ping++'s objects, in their order.
const (
	ChargeFields = "id object created livemode paid refunded reversed app channel order_no client_ip amount amount_settle currency subject body extra " +
		"time_paid time_expire time_settle transaction_no refunds amount_refunded failure_code failure_msg metadata credential description"
	RefundFields = "id object order_no amount currency created succeed status time_succeed description failure_code failure_msg metadata charge charge_order_no transaction_no extra"
)

// NewOrder makes an order.
func (b *Bench) NewOrder(no string) Answer {
	b.T.Helper()
	a := b.API("POST", "/v1/orders", fmt.Sprintf(`{"app":%q,"merchant_order_no":%q,"amount":100,"currency":"cny","client_ip":"192.0.2.1","subject":"s","body":"b","metadata":{"k":"v"}}`, b.App(), no))
	if a.Status != 200 {
		b.T.Fatalf("creating the order answered %d %s", a.Status, a.Body)
	}
	return a
}

// PayLite pays an order through the mini program.
const PayLite = `{"channel":"wx_lite","charge_amount":100,"extra":{"open_id":"oUser"}}`

// PaidOrder returns an order that is paid, and its charge's id.
func (b *Bench) PaidOrder(no string) (id, charge string) {
	b.T.Helper()
	id = b.NewOrder(no).ID()
	a := b.API("POST", "/v1/orders/"+id+"/pay", PayLite)
	charge, _ = a.Field("charge").(string)
	if err := b.Pay(charge); err != nil {
		b.T.Fatalf("%v after %s", err, a.Body)
	}
	return id, charge
}

// Refund asks for one and wants success.
func (b *Bench) Refund(charge, body string) Answer {
	b.T.Helper()
	a := b.API("POST", "/v1/charges/"+charge+"/refunds", body)
	if a.Status != 200 {
		b.T.Fatalf("refunding answered %d %s", a.Status, a.Body)
	}
	return a
}

// Charge reads one.
func (b *Bench) Charge(id string) Answer {
	b.T.Helper()
	return b.API("GET", "/v1/charges/"+id, "")
}

// Form posts the tester's decision, without following where it leads.
func (b *Bench) Form(chargeID, action string) Answer {
	b.T.Helper()
	r := b.Request("POST", "/mock.php", url.Values{"ch_id": {chargeID}, "action": {action}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	client := *b.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(r)
	if err != nil {
		b.T.Fatal(err)
	}
	defer res.Body.Close()
	return Answer{res.StatusCode, res.Header, nil}
}

// Page opens one, in a language.
func (b *Bench) Page(path, language string) Answer {
	b.T.Helper()
	return b.Do(b.Request("GET", path, "", "Accept-Language", language))
}
