package channel

import (
	"regexp"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"
)

var (
	wechatFamily = &Family{orderNoBad: "invalid out_trade_no", UsedBad: "商户订单号重复", PaidBad: "该订单已支付", ClosedBad: "该订单已关闭",
		repeats: 2 * time.Hour, PaidExtra: wechatPaidExtra, TransactionNo: wechatTransactionNo}
	alipayFamily = &Family{orderNoBad: "INVALID_PARAMETER", UsedBad: "ACQ.CONTEXT_INCONSISTENT", PaidBad: "ACQ.TRADE_HAS_SUCCESS", ClosedBad: "ACQ.TRADE_HAS_CLOSE",
		repeats: time.Minute, Renews: true, emoji: true, PaidExtra: alipayPaidExtra, TransactionNo: alipayTransactionNo}
	unionFamily = other("Format error[orderId]")
	isvFamily   = other(noBad)
)

// other is a service of which no more is known than what it says of a number that it does not take.
func other(orderNoBad string) *Family {
	return &Family{orderNoBad: orderNoBad, UsedBad: "商户订单号重复", PaidBad: "该订单已支付", ClosedBad: "该订单已关闭",
		repeats: time.Minute, Renews: true, emoji: true, PaidExtra: nothingPaid, TransactionNo: datedTransactionNo}
}

func nothingPaid(*rawjson.Object, bool, int64) {}

const noBad = "订单号格式错误"

const day = 24 * time.Hour

// The forms of order numbers. WeChat takes _-|* too.
var (
	wechatNo = regexp.MustCompile(`^[0-9A-Za-z_\-|*]{2,32}$`)
	no1to20  = regexp.MustCompile(`^[0-9A-Za-z]{1,20}$`)
	no1to30  = regexp.MustCompile(`^[0-9A-Za-z]{1,30}$`)
	no1to32  = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)
	no1to50  = regexp.MustCompile(`^[0-9A-Za-z]{1,50}$`)
	no1to64  = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
	no6to32  = regexp.MustCompile(`^[0-9A-Za-z]{6,32}$`)
	no8to32  = regexp.MustCompile(`^[0-9A-Za-z]{8,32}$`)
	no8to40  = regexp.MustCompile(`^[0-9A-Za-z]{8,40}$`)
)

var channels = tableOfChannels()

func tableOfChannels() map[string]*Channel {
	table := map[string]*Channel{}
	add := func(f *Family, no *regexp.Regexp, max, normal time.Duration, rows ...Channel) {
		for _, row := range rows {
			row.Family, row.MaxExpire, row.DefaultExpire = f, max, normal
			if row.Repeats == 0 {
				row.Repeats = f.repeats
			}
			if row.orderNo == nil {
				row.orderNo = no
			}
			if row.Currencies == nil {
				row.Currencies = []string{"cny"}
			}
			table[row.Name] = &row
		}
	}
	limits := []extraRule{opt("limit_pay", oneOf("no_credit")), opt("goods_tag", upTo(32))}
	openID, productID, scanCode := req("open_id", anyText), req("product_id", upTo(32)), req("scan_code", upTo(32))
	terminal, isvTerminal, count := orNumber(upTo(8)), orNumber(shortAlnum), orNumber(anyText)
	abroad := []string{"cny", "hkd", "usd"}

	add(wechatFamily, wechatNo, 7*day, 2*time.Hour,
		Channel{Name: "wx_lite", Life: 2 * time.Hour, extra: rules(limits, openID), Reversible: true, credential: wechatCredential},
		Channel{Name: "wx_pub", Life: 2 * time.Hour, extra: rules(limits, openID), Reversible: true, credential: wechatCredential},
		Channel{Name: "wx_pub_qr", Life: 2 * time.Hour, extra: rules(limits, productID), Reversible: true, credential: wechatQRCode},
		Channel{Name: "wx_pub_scan", Repeats: time.Minute, orderNo: no1to32, extra: rules(limits, scanCode, opt("terminal_id", terminal)), Reversible: true, credential: noCredential},
		Channel{Name: "wx", Life: 2 * time.Hour, extra: limits, Reversible: true, credential: wechatAppCredential},
		Channel{Name: "wx_wap", Life: 5 * time.Minute, Repeats: 5 * time.Minute, extra: rules(limits[1:], opt("result_url", webURL)), Reversible: true, credential: wechatPage},
	)
	crossBorder := *wechatFamily // its order numbers are its own
	add(&crossBorder, no1to32, 7*day, 2*time.Hour,
		Channel{Name: "cb_wx", Life: 2 * time.Hour, Currencies: abroad, extra: rules(limits[:1], req("goods_list", array)), credential: wechatAppCredential},
		Channel{Name: "cb_wx_pub", Life: 2 * time.Hour, Currencies: abroad, extra: rules(limits[:1], openID, req("goods_list", array)), credential: wechatCredential},
		Channel{Name: "cb_wx_pub_qr", Life: 2 * time.Hour, Currencies: abroad, extra: rules(limits[:1], productID, req("goods_list", array)), credential: wechatQRCode},
		Channel{Name: "cb_wx_pub_scan", Repeats: time.Minute, Currencies: abroad, extra: rules(limits[:1], scanCode, opt("terminal_id", terminal), req("goods_list", array)), Reversible: true, credential: noCredential},
	)
	bank, yeepayWeChat := *wechatFamily, *wechatFamily // numbers of their own as well
	for _, row := range []struct {
		family *Family
		name   string
	}{{&bank, "wx_lite_pab"}, {&bank, "wx_pub_pab"}, {&yeepayWeChat, "yeepay_wx_lite"}, {&yeepayWeChat, "yeepay_wx_pub"}} {
		add(row.family, wechatNo, 7*day, 2*time.Hour,
			Channel{Name: row.name, Life: 2 * time.Hour, extra: rules(limits, openID), credential: wechatCredential})
	}
	ums := other(noBad)
	ums.emoji = false
	add(ums, no8to32, 15*day, day,
		Channel{Name: "chinaums_wx_pub", Life: 2 * time.Hour, credential: webPage},
		Channel{Name: "chinaums_wx_wap", Life: 5 * time.Minute, credential: webPage},
		Channel{Name: "chinaums_alipay_pub", credential: webPage},
		Channel{Name: "chinaums_alipay_wap", credential: webPage},
		Channel{Name: "chinaums_upacp_wap", credential: webPage},
	)
	add(alipayFamily, no1to64, 15*day, day,
		Channel{Name: "alipay", extra: []extraRule{opt("extern_token", upTo(32)), opt("rn_check", oneOf("T", "F"))}, Reversible: true, credential: alipayOrderInfo},
		Channel{Name: "alipay_wap", extra: []extraRule{req("success_url", webURL), opt("cancel_url", webURL), opt("new_version", boolean), opt("app_pay", boolean)}, credential: alipayForm("alipay.trade.wap.pay")},
		Channel{Name: "alipay_pc_direct", extra: []extraRule{req("success_url", webURL), opt("enable_anti_phishing_key", boolean), opt("exter_invoke_ip", anyText), opt("qr_pay_mode", count), opt("qrcode_width", count)}, credential: alipayForm("alipay.trade.page.pay")},
		Channel{Name: "alipay_qr", extra: []extraRule{opt("hb_fq_num", count), opt("hb_fq_seller_percent", count), opt("sys_service_provider_id", anyText)}, Reversible: true, credential: alipayQRCode},
		Channel{Name: "alipay_scan", extra: []extraRule{scanCode, req("terminal_id", orNumber(upTo(32))), opt("goods_list", array), opt("operator_id", anyText), opt("store_id", anyText), opt("sys_service_provider_id", anyText)}, Reversible: true, credential: noCredential},
		Channel{Name: "alipay_lite", extra: []extraRule{opt("buyer_user_id", anyText)}, Reversible: true, credential: alipayTradeNo},
		Channel{Name: "cb_alipay", Currencies: abroad, extra: []extraRule{opt("payment_type", count), opt("split_fund_info", array)}, credential: alipayOrderInfo},
	)
	add(unionFamily, no8to40, time.Hour, time.Hour,
		Channel{Name: "upacp", SubjectBytes: 32, Reversible: true, credential: unionNumber},
		Channel{Name: "applepay_upacp", SubjectBytes: 32, credential: unionApplePay},
		Channel{Name: "upacp_wap", SubjectBytes: 32, extra: []extraRule{req("result_url", webURL)}, Reversible: true, credential: unionForm},
		Channel{Name: "upacp_pc", SubjectBytes: 32, extra: []extraRule{req("result_url", webURL)}, Reversible: true, credential: unionForm},
		Channel{Name: "cp_b2b", SubjectBytes: 32, credential: unionForm},
	)
	add(unionFamily, no8to40, day, day,
		Channel{Name: "upacp_b2b", SubjectBytes: 32, extra: []extraRule{opt("result_url", webURL)}, credential: unionForm})
	add(unionFamily, no8to40, 30*day, day,
		Channel{Name: "upacp_qr", SubjectBytes: 32, credential: webPage},
		Channel{Name: "upacp_scan", SubjectBytes: 32, extra: []extraRule{scanCode, opt("terminal_id", terminal)}, Reversible: true, credential: noCredential})
	add(isvFamily, no8to32, day, day,
		Channel{Name: "isv_scan", extra: []extraRule{req("terminal_id", isvTerminal), scanCode, opt("goods_list", array)}, Reversible: true, credential: noCredential},
		Channel{Name: "isv_qr", extra: []extraRule{req("terminal_id", isvTerminal), req("pay_channel", oneOf("alipay", "wx", "bfb")), opt("goods_list", array)}, Reversible: true, credential: webPage},
		Channel{Name: "isv_wap", extra: []extraRule{req("terminal_id", isvTerminal), req("pay_channel", oneOf("alipay", "wx", "bfb")), req("result_url", webURL), opt("goods_list", array)}, Reversible: true, credential: webPage},
		Channel{Name: "isv_lite", Life: 2 * time.Hour, Currencies: []string{"cny", "hkd"}, extra: []extraRule{openID, opt("terminal_id", isvTerminal), opt("pay_channel", anyText)}, Reversible: true, credential: wechatCredential},
	)
	bfb, jdpay, ccb, qq := other(noBad), other(noBad), other(noBad), other(noBad)
	for _, row := range []struct {
		family *Family
		no     *regexp.Regexp
		Channel
	}{
		{bfb, no1to20, Channel{Name: "bfb", credential: orderInfo}},
		{bfb, no1to20, Channel{Name: "bfb_wap", extra: []extraRule{req("result_url", webURL), req("bfb_login", boolean)}, credential: formWithURL}},
		{jdpay, no1to30, Channel{Name: "jdpay_wap", extra: []extraRule{req("success_url", webURL), req("fail_url", webURL), opt("token", anyText), opt("order_type", orNumber(oneOf("0", "1"))),
			opt("is_mobile", boolean), opt("user_type", anyText), opt("user_id", anyText)}, credential: formWithURL}},
		{other(noBad), no1to50, Channel{Name: "yeepay_wap", BodyText: 100, extra: []extraRule{req("product_category", anyText), req("identity_id", upTo(50)), req("identity_type", number),
			req("terminal_type", number), req("terminal_id", count), req("user_ua", anyText), req("result_url", webURL)}, credential: yeepay}},
		{qq, no1to30, Channel{Name: "qpay_pub", credential: qqToken}},
		{qq, no1to30, Channel{Name: "qpay", extra: []extraRule{req("device", oneOf("ios", "android"))}, credential: orderInfo}},
		{other(noBad), no6to32, Channel{Name: "cmb_wallet", extra: []extraRule{req("result_url", webURL), req("p_no", digitsUpTo(30)), req("seq", digitsUpTo(20)),
			req("m_uid", digitsUpTo(20)), req("mobile", digitsUpTo(11))}, credential: formWithURL}},
		{ccb, no1to30, Channel{Name: "ccb_pay", credential: orderInfo}},
		{ccb, no1to30, Channel{Name: "ccb_qr", credential: webPage}},
		{other(noBad), no1to50, Channel{Name: "cmpay", credential: orderInfo}},
		{other(noBad), no1to64, Channel{Name: "balance", extra: []extraRule{req("user", anyText)}, credential: noCredential}},
		{other(noBad), no1to64, Channel{Name: "fqlpay_wap", extra: []extraRule{req("c_merch_id", anyText), opt("return_url", webURL)}, credential: formWithURL}},
		{other(noBad), no1to64, Channel{Name: "qgbc_wap", extra: []extraRule{req("phone", anyText), opt("return_url", webURL), opt("term", number), opt("activate_url", webURL), opt("has_header", boolean)}, credential: formWithURL}},
		{other(noBad), no1to64, Channel{Name: "mmdpay_wap", extra: []extraRule{req("phone", anyText), req("id_no", anyText), req("name", anyText)}, credential: formWithURL}},
		{other(noBad), no1to32, Channel{Name: "paypal", Currencies: abroad, credential: webPage}},
	} {
		add(row.family, row.no, 15*day, day, row.Channel)
	}
	return table
}
