package sandbox

import (
	"regexp"
	"time"
)

// channel is one row of the table of what the sandbox can charge through.
type channel struct {
	name       string
	family     *family
	currencies []string // default: cny

	orderNo *regexp.Regexp
	extra   []extraRule

	subjectBytes int // longest subject in bytes, where the channel counts so; 0: Ping++'s own limit
	bodyText     int // longest body in characters, where it is below Ping++'s own limit

	maxExpire, defaultExpire time.Duration

	life    time.Duration // of its credential; 0: as long as the charge
	repeats time.Duration // how long a repeated creation is answered with the first charge; default: its family's

	reversible bool // while it is unpaid
	credential func(s *Sandbox, c *charge, base string) any
}

// family is channels of one payment service: they share their order numbers.
type family struct {
	orderNoBad    string // the channel's own words for a number it does not take
	usedBad       string // for one that it has seen with other parameters,
	paidBad       string // that is paid,
	closedBad     string // that is closed
	repeats       time.Duration
	renews        bool // makes a new charge of a number it has seen with the same parameters, once repeats is over
	emoji         bool // takes characters outside the BMP
	paidExtra     func(c *charge)
	transactionNo func(s *Sandbox, live bool, now time.Time) string
}

const minExpire = time.Minute // of every channel

var (
	wechatFamily = &family{orderNoBad: "invalid out_trade_no", usedBad: "商户订单号重复", paidBad: "该订单已支付", closedBad: "该订单已关闭",
		repeats: 2 * time.Hour, paidExtra: wechatPaidExtra, transactionNo: (*Sandbox).wechatTransactionNo}
	alipayFamily = &family{orderNoBad: "INVALID_PARAMETER", usedBad: "ACQ.CONTEXT_INCONSISTENT", paidBad: "ACQ.TRADE_HAS_SUCCESS", closedBad: "ACQ.TRADE_HAS_CLOSE",
		repeats: time.Minute, renews: true, emoji: true, paidExtra: alipayPaidExtra, transactionNo: (*Sandbox).alipayTransactionNo}
	unionFamily = other("Format error[orderId]")
	isvFamily   = other(noBad)
)

// other is a service of which no more is known than what it says of a number that it does not take.
func other(orderNoBad string) *family {
	return &family{orderNoBad: orderNoBad, usedBad: "商户订单号重复", paidBad: "该订单已支付", closedBad: "该订单已关闭",
		repeats: time.Minute, renews: true, emoji: true, paidExtra: nothingPaid, transactionNo: (*Sandbox).datedTransactionNo}
}

func nothingPaid(*charge) {}

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

func tableOfChannels() map[string]*channel {
	table := map[string]*channel{}
	add := func(f *family, no *regexp.Regexp, max, normal time.Duration, rows ...channel) {
		for _, row := range rows {
			row.family, row.maxExpire, row.defaultExpire = f, max, normal
			if row.repeats == 0 {
				row.repeats = f.repeats
			}
			if row.orderNo == nil {
				row.orderNo = no
			}
			if row.currencies == nil {
				row.currencies = []string{"cny"}
			}
			table[row.name] = &row
		}
	}
	limits := []extraRule{opt("limit_pay", oneOf("no_credit")), opt("goods_tag", upTo(32))}
	openID, productID, scanCode := req("open_id", anyText), req("product_id", upTo(32)), req("scan_code", upTo(32))
	terminal, isvTerminal, count := orNumber(upTo(8)), orNumber(shortAlnum), orNumber(anyText)
	abroad := []string{"cny", "hkd", "usd"}

	add(wechatFamily, wechatNo, 7*day, 2*time.Hour,
		channel{name: "wx_lite", life: 2 * time.Hour, extra: rules(limits, openID), reversible: true, credential: wechatCredential},
		channel{name: "wx_pub", life: 2 * time.Hour, extra: rules(limits, openID), reversible: true, credential: wechatCredential},
		channel{name: "wx_pub_qr", life: 2 * time.Hour, extra: rules(limits, productID), reversible: true, credential: wechatQRCode},
		channel{name: "wx_pub_scan", repeats: time.Minute, orderNo: no1to32, extra: rules(limits, scanCode, opt("terminal_id", terminal)), reversible: true, credential: noCredential},
		channel{name: "wx", life: 2 * time.Hour, extra: limits, reversible: true, credential: wechatAppCredential},
		channel{name: "wx_wap", life: 5 * time.Minute, repeats: 5 * time.Minute, extra: rules(limits[1:], opt("result_url", webURL)), reversible: true, credential: wechatPage},
	)
	crossBorder := *wechatFamily // its order numbers are its own
	add(&crossBorder, no1to32, 7*day, 2*time.Hour,
		channel{name: "cb_wx", life: 2 * time.Hour, currencies: abroad, extra: rules(limits[:1], req("goods_list", array)), credential: wechatAppCredential},
		channel{name: "cb_wx_pub", life: 2 * time.Hour, currencies: abroad, extra: rules(limits[:1], openID, req("goods_list", array)), credential: wechatCredential},
		channel{name: "cb_wx_pub_qr", life: 2 * time.Hour, currencies: abroad, extra: rules(limits[:1], productID, req("goods_list", array)), credential: wechatQRCode},
		channel{name: "cb_wx_pub_scan", repeats: time.Minute, currencies: abroad, extra: rules(limits[:1], scanCode, opt("terminal_id", terminal), req("goods_list", array)), reversible: true, credential: noCredential},
	)
	bank, yeepayWeChat := *wechatFamily, *wechatFamily // numbers of their own as well
	for _, row := range []struct {
		family *family
		name   string
	}{{&bank, "wx_lite_pab"}, {&bank, "wx_pub_pab"}, {&yeepayWeChat, "yeepay_wx_lite"}, {&yeepayWeChat, "yeepay_wx_pub"}} {
		add(row.family, wechatNo, 7*day, 2*time.Hour,
			channel{name: row.name, life: 2 * time.Hour, extra: rules(limits, openID), credential: wechatCredential})
	}
	ums := other(noBad)
	ums.emoji = false
	add(ums, no8to32, 15*day, day,
		channel{name: "chinaums_wx_pub", life: 2 * time.Hour, credential: webPage},
		channel{name: "chinaums_wx_wap", life: 5 * time.Minute, credential: webPage},
		channel{name: "chinaums_alipay_pub", credential: webPage},
		channel{name: "chinaums_alipay_wap", credential: webPage},
		channel{name: "chinaums_upacp_wap", credential: webPage},
	)
	add(alipayFamily, no1to64, 15*day, day,
		channel{name: "alipay", extra: []extraRule{opt("extern_token", upTo(32)), opt("rn_check", oneOf("T", "F"))}, reversible: true, credential: alipayOrderInfo},
		channel{name: "alipay_wap", extra: []extraRule{req("success_url", webURL), opt("cancel_url", webURL), opt("new_version", boolean), opt("app_pay", boolean)}, credential: alipayForm("alipay.trade.wap.pay")},
		channel{name: "alipay_pc_direct", extra: []extraRule{req("success_url", webURL), opt("enable_anti_phishing_key", boolean), opt("exter_invoke_ip", anyText), opt("qr_pay_mode", count), opt("qrcode_width", count)}, credential: alipayForm("alipay.trade.page.pay")},
		channel{name: "alipay_qr", extra: []extraRule{opt("hb_fq_num", count), opt("hb_fq_seller_percent", count), opt("sys_service_provider_id", anyText)}, reversible: true, credential: alipayQRCode},
		channel{name: "alipay_scan", extra: []extraRule{scanCode, req("terminal_id", orNumber(upTo(32))), opt("goods_list", array), opt("operator_id", anyText), opt("store_id", anyText), opt("sys_service_provider_id", anyText)}, reversible: true, credential: noCredential},
		channel{name: "alipay_lite", extra: []extraRule{opt("buyer_user_id", anyText)}, reversible: true, credential: alipayTradeNo},
		channel{name: "cb_alipay", currencies: abroad, extra: []extraRule{opt("payment_type", count), opt("split_fund_info", array)}, credential: alipayOrderInfo},
	)
	add(unionFamily, no8to40, time.Hour, time.Hour,
		channel{name: "upacp", subjectBytes: 32, reversible: true, credential: unionNumber},
		channel{name: "applepay_upacp", subjectBytes: 32, credential: unionApplePay},
		channel{name: "upacp_wap", subjectBytes: 32, extra: []extraRule{req("result_url", webURL)}, reversible: true, credential: unionForm},
		channel{name: "upacp_pc", subjectBytes: 32, extra: []extraRule{req("result_url", webURL)}, reversible: true, credential: unionForm},
		channel{name: "cp_b2b", subjectBytes: 32, credential: unionForm},
	)
	add(unionFamily, no8to40, day, day,
		channel{name: "upacp_b2b", subjectBytes: 32, extra: []extraRule{opt("result_url", webURL)}, credential: unionForm})
	add(unionFamily, no8to40, 30*day, day,
		channel{name: "upacp_qr", subjectBytes: 32, credential: webPage},
		channel{name: "upacp_scan", subjectBytes: 32, extra: []extraRule{scanCode, opt("terminal_id", terminal)}, reversible: true, credential: noCredential})
	add(isvFamily, no8to32, day, day,
		channel{name: "isv_scan", extra: []extraRule{req("terminal_id", isvTerminal), scanCode, opt("goods_list", array)}, reversible: true, credential: noCredential},
		channel{name: "isv_qr", extra: []extraRule{req("terminal_id", isvTerminal), req("pay_channel", oneOf("alipay", "wx", "bfb")), opt("goods_list", array)}, reversible: true, credential: webPage},
		channel{name: "isv_wap", extra: []extraRule{req("terminal_id", isvTerminal), req("pay_channel", oneOf("alipay", "wx", "bfb")), req("result_url", webURL), opt("goods_list", array)}, reversible: true, credential: webPage},
		channel{name: "isv_lite", life: 2 * time.Hour, currencies: []string{"cny", "hkd"}, extra: []extraRule{openID, opt("terminal_id", isvTerminal), opt("pay_channel", anyText)}, reversible: true, credential: wechatCredential},
	)
	bfb, jdpay, ccb, qq := other(noBad), other(noBad), other(noBad), other(noBad)
	for _, row := range []struct {
		family *family
		no     *regexp.Regexp
		channel
	}{
		{bfb, no1to20, channel{name: "bfb", credential: orderInfo}},
		{bfb, no1to20, channel{name: "bfb_wap", extra: []extraRule{req("result_url", webURL), req("bfb_login", boolean)}, credential: formWithURL}},
		{jdpay, no1to30, channel{name: "jdpay_wap", extra: []extraRule{req("success_url", webURL), req("fail_url", webURL), opt("token", anyText), opt("order_type", orNumber(oneOf("0", "1"))),
			opt("is_mobile", boolean), opt("user_type", anyText), opt("user_id", anyText)}, credential: formWithURL}},
		{other(noBad), no1to50, channel{name: "yeepay_wap", bodyText: 100, extra: []extraRule{req("product_category", anyText), req("identity_id", upTo(50)), req("identity_type", number),
			req("terminal_type", number), req("terminal_id", count), req("user_ua", anyText), req("result_url", webURL)}, credential: yeepay}},
		{qq, no1to30, channel{name: "qpay_pub", credential: qqToken}},
		{qq, no1to30, channel{name: "qpay", extra: []extraRule{req("device", oneOf("ios", "android"))}, credential: orderInfo}},
		{other(noBad), no6to32, channel{name: "cmb_wallet", extra: []extraRule{req("result_url", webURL), req("p_no", digitsUpTo(30)), req("seq", digitsUpTo(20)),
			req("m_uid", digitsUpTo(20)), req("mobile", digitsUpTo(11))}, credential: formWithURL}},
		{ccb, no1to30, channel{name: "ccb_pay", credential: orderInfo}},
		{ccb, no1to30, channel{name: "ccb_qr", credential: webPage}},
		{other(noBad), no1to50, channel{name: "cmpay", credential: orderInfo}},
		{other(noBad), no1to64, channel{name: "balance", extra: []extraRule{req("user", anyText)}, credential: noCredential}},
		{other(noBad), no1to64, channel{name: "fqlpay_wap", extra: []extraRule{req("c_merch_id", anyText), opt("return_url", webURL)}, credential: formWithURL}},
		{other(noBad), no1to64, channel{name: "qgbc_wap", extra: []extraRule{req("phone", anyText), opt("return_url", webURL), opt("term", number), opt("activate_url", webURL), opt("has_header", boolean)}, credential: formWithURL}},
		{other(noBad), no1to64, channel{name: "mmdpay_wap", extra: []extraRule{req("phone", anyText), req("id_no", anyText), req("name", anyText)}, credential: formWithURL}},
		{other(noBad), no1to32, channel{name: "paypal", currencies: abroad, credential: webPage}},
	} {
		add(row.family, row.no, 15*day, day, row.channel)
	}
	return table
}
