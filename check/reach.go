package check

import (
	"context"
	"net/http"
	"strings"

	"github.com/caddypay/caddypay/handlers/payment"
)

// backend asks the merchant's backend for the price of an order that cannot exist: it is there, knows us, and answers as it should.
func (s *Site) backend(ctx context.Context) []Finding {
	const nobodys = "caddypaycheck0"
	a := s.Shop.Ask(ctx, payment.Question{OrderNo: nobodys, Host: s.Shop.Host})
	said := a.Why
	switch {
	case a.Status == 0 || Unreachable(a.Status):
		return []Finding{of("backend-reach", Fail, say("the backend cannot be reached, or does not answer in time: %s", "无法连接后端，或后端未及时响应：%s", said),
			say("start it, and compare the address after upstream with what it listens on; php-fpm needs transport fastcgi",
				"请启动后端，并核对 upstream 后的地址与其监听地址；php-fpm 需要 transport fastcgi"))}
	case a.Status >= 300 && a.Status < 400:
		return []Finding{of("backend-redirect", Fail, say("the backend redirects instead of answering: %s", "后端以重定向代替响应：%s", said),
			say("let %s answer without a login and without a redirect to https or www: it is called with X-Forwarded-Proto: https", "请让 %s 无需登录、也不跳转到 https 或 www 即可响应：调用时带有 X-Forwarded-Proto: https", s.Shop.Orders))}
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden && refusesUs(string(a.Raw)):
		return []Finding{of("backend-refuses", Fail, say("the backend refuses us: %s", "后端拒绝了我方：%s", said),
			say("compare backend_token here with the token in the backend (php-fpm: env PAY_BACKEND_TOKEN in transport fastcgi), and the mode that it expects with %s",
				"请核对此处的 backend_token 与后端中的令牌（php-fpm：transport fastcgi 中的 env PAY_BACKEND_TOKEN），以及后端期望的模式是否为 %s", s.Scope.Mode))}
	case a.Code == "order_not_found":
		return []Finding{of("backend-quote", OK, say("the backend answers, and says of an order that it does not have that there is none", "后端响应正常，并说明不存在的订单不存在"), Words{})}
	case a.Code == "":
		return []Finding{of("backend-quote", Fail, say("the backend has a price for an order that cannot exist", "后端给不可能存在的订单报了价"), Words{EN: unknownFix.EN, ZH: unknownFix.ZH})}
	}
	return []Finding{of("backend-quote", Fail, say("the backend does not answer as orders needs it: %s", "后端的响应不符合 orders 的要求：%s", said), unknownFix)}
}

var unknownFix = say("answer 404 to an order that is not in the database, and 200 with JSON to one that is; see docs/backend.md",
	"对数据库中没有的订单返回 404，对存在的订单返回 200 和 JSON；见 docs/backend.zh-CN.md")

// refusesUs reports whether a refusal is of who asks rather than of the order.
func refusesUs(body string) bool {
	body = strings.ToLower(body)
	for _, word := range []string{"x-pay-", "token", "mode", "令牌", "口令"} {
		if strings.Contains(body, word) {
			return true
		}
	}
	return false
}
