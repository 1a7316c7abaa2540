package test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// checkoutSite is a shop with the hosted payment page.
const checkoutSite = `
https://localhost:<port>, https://127.0.0.1:<port> {
	pay {
		pingpp {
			app         <app>
			key         {env.PINGPP_KEY}
			signing_key <dir>/merchant.pem
			webhook_key <dir>/pingpp.pub.pem
			endpoint    <outside>
			channels    wx_lite wx_pub wx_pub_qr alipay_qr wx_wap alipay_wap upacp_wap
		}
		wechat wx_lite {
			app_id   <appid>
			secret   {env.WX_SECRET}
			endpoint <outside>
		}
		wechat wx_pub {
			app_id   <pubid>
			secret   <pubsecret>
			endpoint <outside>
		}
		success_url https://127.0.0.1:<port>/pay/checkout?order_no={order_no}
		cancel_url  https://127.0.0.1:<port>/pay/checkout?order_no={order_no}
		result_url  https://127.0.0.1:<port>/pay/checkout?order_no={order_no}
		upstream <backend>
		backend_token {env.PAY_BACKEND_TOKEN}
		orders GET /internal/pay/orders/{order_no}
		checkout {
			channels   wx_pub wx_wap alipay_wap upacp_wap wx_pub_qr alipay_qr
			return_url https://127.0.0.1:<port>/orders?from=pay
		}
		shop_name "Tea house"
		accent "#0a7d4b"
		` + events + `
	}
	reverse_proxy <backend>
}
`

// checkoutOrders answers by what an order's number begins with.
func checkoutOrders(orderNo string) (int, any) {
	switch orderNo[:4] {
	case "NONE":
		return http.StatusNotFound, nil
	case "PAID":
		return http.StatusConflict, nil
	case "GONE":
		return http.StatusGone, nil
	case "DOWN":
		return http.StatusInternalServerError, nil
	}
	return http.StatusOK, map[string]any{"order_no": orderNo, "amount": 123456, "subject": "绿茶 Tea <&>"}
}

// A browser pays on the checkout page, by the code that it shows and by the pages that it opens.
func TestCheckoutPage(t *testing.T) {
	s := newStage(t, false)
	s.backend.script(func() { s.backend.quote = checkoutOrders })
	s.keepSecret(s.box.WxPub().Secret, "the official account's AppSecret")
	s.start(strings.NewReplacer("<pubid>", s.box.WxPub().AppID, "<pubsecret>", s.box.WxPub().Secret).Replace(checkoutSite))
	checks(t, []string{fmt.Sprintf("SITE=https://127.0.0.1:%d", s.port), "SANDBOX=" + s.outside.URL, "SHOTS=" + os.Getenv("SHOTS")}, "checkout.js")
}
