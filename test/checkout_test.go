package test

import (
	"net/http"
	"os"
	"testing"
)

// checkoutSite is a shop with the hosted payment page.
const checkoutSite = `
https://localhost:<port> {
	pay {
		pingpp {
			app         <app>
			key         {env.PINGPP_KEY}
			signing_key <dir>/merchant.pem
			webhook_key <dir>/pingpp.pub.pem
			endpoint    <outside>
			channels    wx_lite wx_pub_qr alipay_qr wx_wap
		}
		wechat wx_lite {
			app_id   <appid>
			secret   {env.WX_SECRET}
			endpoint <outside>
		}
		upstream <backend>
		backend_token {env.PAY_BACKEND_TOKEN}
		orders GET /internal/pay/orders/{order_no}
		checkout {
			channels   wx_wap wx_pub_qr alipay_qr
			return_url https://localhost:<port>/orders?from=pay
		}
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
	return http.StatusOK, map[string]any{"order_no": orderNo, "amount": 123456, "subject": "Green tea <&> 绿茶"}
}

// A browser pays on the checkout page, by the code that it shows and by the pages that it opens.
func TestCheckoutPage(t *testing.T) {
	s := newStage(t, false)
	s.backend.script(func() { s.backend.quote = checkoutOrders })
	s.start(checkoutSite)
	checks(t, []string{"SITE=" + s.url(""), "SANDBOX=" + s.outside.URL, "SHOTS=" + os.Getenv("SHOTS")}, "checkout.js")
}
