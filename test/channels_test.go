package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/pingpp/channel"
	"github.com/caddypay/caddypay/sandbox"
)

// fullSite takes payments through every channel.
const fullSite = `
https://localhost:<port> {
	pay {` + fullBlock + `}
	reverse_proxy <backend>
}
`

const fullBlock = accounts + events + merchantAPI + `
	wechat wx_pub {
		app_id   <pub>
		secret   <pubsecret>
		endpoint <outside>
	}
	success_url https://shop.example.com/paid/{order_no}
	cancel_url  https://shop.example.com/orders/{order_no}
	fail_url    https://shop.example.com/failed/{order_no}
	result_url  https://shop.example.com/paid/{order_no}
`

// startFull runs a site with the official account and all channels.
func (s *stage) startFull(site string) *stage {
	s.t.Helper()
	s.keepSecret(s.box.WxPub().Secret, "the official account's AppSecret")
	return s.start(strings.NewReplacer("<pub>", s.box.WxPub().AppID, "<pubsecret>", s.box.WxPub().Secret,
		"timeout     5s", "timeout     5s\n\t\tchannels    "+strings.Join(channel.Names(), " ")).Replace(site))
}

// Texts of extra that several channels want.
const (
	goods = `{"goods_list":[{"goods_name":"茶","goods_num":"1"}]}`
	page  = "appId timeStamp nonceStr package signType paySign"
	form  = "app_id method biz_content sign channel_url"
	union = "version merId orderId txnTime signature"
)

// channelRuns names every channel, with what the backend and the client have to say of it, and what its credential is made of: a
// URL, another string, the members of an object, or nothing where it is the shop that has read the payer's code.
var channelRuns = []struct{ channel, quoted, client, credential string }{
	{"wx_lite", "", "", page},
	{"wx_pub", "", "", page},
	{"wx_pub_qr", "", "", "URL"},
	{"wx_pub_scan", "", `{"scan_code":"130000000000000001"}`, ""},
	{"wx", "", "", "appId partnerId prepayId nonceStr timeStamp packageValue sign"},
	{"wx_wap", "", "", "URL"},
	{"alipay", "", "", "orderInfo"},
	{"alipay_wap", "", `{"app_pay":true}`, form},
	{"alipay_pc_direct", "", "", form},
	{"alipay_qr", "", "", "URL"},
	{"alipay_scan", `{"terminal_id":"T1"}`, `{"scan_code":"280000000000000001"}`, ""},
	{"upacp", "", "", "tn mode"},
	{"upacp_wap", "", "", union},
	{"upacp_pc", "", "", union},
	{"applepay_upacp", "", "", "tn mode merchant_id"},
	{"cp_b2b", "", "", union},
	{"bfb", "", "", "orderInfo"},
	{"bfb_wap", `{"bfb_login":false}`, "", "url"},
	{"jdpay_wap", "", `{"is_mobile":true}`, "merchant tradeNum sign"},
	{"yeepay_wap", `{"product_category":"1","identity_id":"u1","identity_type":2,"terminal_type":3,"terminal_id":"t1","user_ua":"Mozilla/5.0"}`, "", "merchantaccount encryptkey data"},
	{"qpay", "", `{"device":"ios"}`, "orderInfo"},
	{"cmb_wallet", `{"p_no":"1","seq":"2","m_uid":"3","mobile":"13800000000"}`, "", "ChannelUrl"},
	{"isv_scan", `{"terminal_id":"T1"}`, `{"scan_code":"130000000000000002"}`, ""},
	{"isv_qr", `{"terminal_id":"T1"}`, `{"pay_channel":"wx"}`, "URL"},
	{"isv_wap", `{"terminal_id":"T1"}`, `{"pay_channel":"alipay"}`, "URL"},
	{"cb_alipay", "", "", "orderInfo"},
	{"cb_wx", goods, "", "appId partnerId prepayId sign"},
	{"cb_wx_pub", goods, "", page},
	{"cb_wx_pub_qr", goods, "", "URL"},
	{"cb_wx_pub_scan", goods, `{"scan_code":"130000000000000003"}`, ""},
	{"balance", `{"user":"u1"}`, "", ""},
	{"fqlpay_wap", `{"c_merch_id":"1"}`, "", "channel_url"},
	{"qgbc_wap", `{"phone":"13800000000"}`, "", "channel_url"},
	{"mmdpay_wap", `{"phone":"13800000000","id_no":"110101199001010000","name":"王"}`, "", "channel_url"},
	{"alipay_lite", `{"buyer_user_id":"2088000000000000"}`, "", "string"},
	{"isv_lite", `{"terminal_id":"T1"}`, "", page},
	{"upacp_b2b", `{"result_url":"https://shop.example.com/paid"}`, "", union + " channel_url"},
	{"paypal", "", "", "URL"},
	{"ccb_qr", "", "", "URL"},
	{"qpay_pub", "", "", "token_id"},
	{"wx_lite_pab", "", "", page},
	{"wx_pub_pab", "", "", page},
	{"yeepay_wx_lite", "", "", page},
	{"yeepay_wx_pub", "", "", page},
	{"chinaums_wx_pub", "", "", "URL"},
	{"chinaums_wx_wap", "", "", "URL"},
	{"chinaums_alipay_pub", "", "", "URL"},
	{"chinaums_alipay_wap", "", "", "URL"},
	{"chinaums_upacp_wap", "", "", "URL"},
}

// Every channel: a charge by the right payer, its payment and its refund, and what of it the backend, the payer and the merchant see.
func TestChannels(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	orders := make(map[string]map[string]any)
	for i, run := range channelRuns {
		no := fmt.Sprint("CH202600", 10+i)
		q := map[string]any{"order_no": no, "amount": 1000 + i, "currency": "cny", "subject": "Tea 茶"}
		switch {
		case strings.HasPrefix(run.channel, "cb_"), run.channel == "paypal":
			q["currency"] = "usd"
		case run.channel == "isv_lite":
			q["currency"] = "hkd"
		}
		if run.quoted != "" {
			q["extra"] = json.RawMessage(run.quoted)
		}
		orders[no] = q
	}
	s.backend.quote = func(orderNo string) (int, any) { return http.StatusOK, orders[orderNo] }
	s.startFull(fullSite)
	const webOpenID = "oChannelPayer000000000000001"
	s.box.SetWebUser(sandbox.WebUser{OpenID: webOpenID})
	s.keepSecret(webOpenID, "an openid")
	member := s.browser()
	s.get(member, s.callback(member, "/pay/oauth/start?return=/"))
	openid, session := s.login()

	var tried []string
	for i, run := range channelRuns {
		tried = append(tried, run.channel)
		t.Run(run.channel, func(t *testing.T) {
			t.Parallel()
			p := payment{stage: s.in(t), browser: s.browser(), orderNo: fmt.Sprint("CH202600", 10+i), amount: 1000 + i}
			p.currency = orders[p.orderNo]["currency"].(string)
			switch channel.Of(run.channel).Payer {
			case "wx_lite":
				p.openid, p.headers = openid, []string{"X-Pay-Session", session}
			case "wx_pub":
				p.openid, p.browser = webOpenID, member
				p.headers = []string{"Origin", s.url("")}
			default: // a browser that nobody knows
				p.headers = []string{"Origin", s.url("")}
			}
			p.create(run.channel, run.client, run.credential)
			p.pay()
			p.refund()
		})
	}
	slices.Sort(tried)
	if all := channel.Names(); !slices.Equal(tried, all) {
		t.Errorf("the table has the channels %q, the product %q", tried, all)
	}
}

// payment is an order on its way through one channel.
type payment struct {
	*stage
	browser  *http.Client
	headers  []string // who the payer is, unless the browser's cookies say
	openid   string
	orderNo  string
	amount   int
	currency string
	id       string // of the charge
}

func (p *payment) create(channel, client, credential string) {
	p.t.Helper()
	body := map[string]any{"order_no": p.orderNo, "channel": channel}
	if client != "" {
		body["extra"] = json.RawMessage(client)
	}
	a, err := p.try(p.browser, "POST", p.url("/pay/charges"), body, p.headers...)
	if err != nil {
		p.t.Fatal(err)
	}
	if a.StatusCode != http.StatusCreated || !p.outside.answered("POST /v1/charges", a.Body) {
		p.t.Fatalf("charge: %s", a)
	}
	var c struct {
		ID, Channel, Currency string
		OrderNo               string `json:"order_no"`
		Amount                int
		Extra                 map[string]any
		Credential            map[string]json.RawMessage
	}
	a.into(p.t, &c)
	p.id = c.ID
	if got, ok := c.Extra["open_id"]; c.Channel != channel || c.OrderNo != p.orderNo || c.Amount != p.amount || c.Currency != p.currency ||
		ok != (p.openid != "") || ok && got != p.openid {
		p.t.Errorf("the charge is %s", a.Body)
	}
	raw := c.Credential[channel]
	var text string
	var members map[string]any
	switch _ = json.Unmarshal(raw, &text); credential {
	case "":
		if len(raw) != 0 && string(raw) != "null" {
			p.t.Errorf("the credential is %s", raw)
		}
	case "string":
		if text == "" {
			p.t.Errorf("the credential is %s, not a string", raw)
		}
	case "URL":
		if !strings.HasPrefix(text, "http") {
			p.t.Errorf("the credential is %s, not a URL", raw)
		}
	default:
		_ = json.Unmarshal(raw, &members)
		for _, name := range strings.Fields(credential) {
			if v, ok := members[name]; !ok || v == "" {
				p.t.Errorf("the credential has no %s: %s", name, raw)
			}
		}
	}
}

// pay pays the charge, and waits for the backend and the payer to know.
func (p *payment) pay() {
	p.t.Helper()
	if err := p.box.Pay(p.id); err != nil {
		p.t.Fatal(err)
	}
	p.hears(p.orderNo, "charge.succeeded")
	p.knows("paid", 0)
}

// refund gives everything back, as the merchant asks, and waits for everybody to know.
func (p *payment) refund() {
	p.t.Helper()
	a := p.merchant("POST", "/pay/refunds", map[string]string{"order_no": p.orderNo, "refund_no": "RF" + p.orderNo, "description": "退货"})
	var re struct {
		Refund, Charge string
		Amount         int
	}
	a.into(p.t, &re)
	if a.StatusCode != http.StatusCreated || re.Charge != p.id || re.Amount != p.amount {
		p.t.Fatalf("refund: %s", a)
	}
	p.hears(p.orderNo, "charge.succeeded", "refund.succeeded")
	p.knows("refunded", p.amount)

	for i, h := range p.backend.ofOrder(p.orderNo) {
		var e struct {
			ID, Type string
			Data     struct {
				Object struct {
					ID, Charge, Currency string
					OrderNo              string `json:"order_no"`
					Amount               int
					Paid, Succeed        bool
				}
			}
		}
		if err := json.Unmarshal(h.Body, &e); err != nil {
			p.t.Fatalf("%v\n%s", err, h.Body)
		}
		o := e.Data.Object
		about := o.Paid && o.ID == p.id && o.OrderNo == p.orderNo
		if i == 1 {
			about = o.Succeed && o.ID == re.Refund && o.Charge == p.id
		}
		if !about || o.Amount != p.amount || o.Currency != p.currency || e.ID != h.ID || e.Type != h.Header.Get("X-Pay-Event") ||
			h.Header.Get("X-Pay-Charge") != p.id || h.Header.Get("X-Pay-Mode") != "test" || h.Header.Get("X-Pay-Token") != p.token ||
			h.Header.Get("X-Pay-Mismatch") != "" || h.Header.Get("X-Pay-Source") != "webhook" {
			p.t.Errorf("the backend heard %s\nwith %v", h.Body, h.Header)
		}
	}
}

// knows waits until the payer and the merchant see the order so.
func (p *payment) knows(status string, refunded int) {
	p.t.Helper()
	eventually(p.t, shortly, func() error {
		a, err := p.try(p.browser, "GET", p.url("/pay/charges/"+p.id), nil, p.headers...)
		if err != nil {
			return err
		}
		var payers struct {
			Status, Currency string
			OrderNo          string `json:"order_no"`
			Amount           int
			AmountRefunded   int `json:"amount_refunded"`
		}
		a.into(p.t, &payers)
		if payers.Status != status || payers.OrderNo != p.orderNo || payers.Amount != p.amount || payers.Currency != p.currency || payers.AmountRefunded != refunded {
			return errorf("the payer sees %s", a)
		}
		var order struct{ Status string }
		m := p.merchant("GET", "/pay/orders/"+p.orderNo, nil)
		if m.into(p.t, &order); order.Status != status {
			return errorf("the merchant sees %s", m)
		}
		return nil
	})
}
