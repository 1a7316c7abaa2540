package channel

import "time"

const day = 24 * time.Hour

// The families of channels: what their members have in common.
var (
	general = Channel{
		NumberMin: 8, NumberMax: 20, // what Ping++ recommends where it names no bounds
		Currency: "cny", Subject: Limit{Most: 32}, Body: Limit{Most: 128},
		ExpireMin: time.Minute, ExpireMax: 15 * day, ExpireDefault: day,
	}
	weChat      = general.numbers(2, 32).expires(7*day, 2*time.Hour).lives(2 * time.Hour).withoutEmoji()
	alipay      = general.numbers(1, 64)
	unionPay    = general.numbers(8, 40).expires(time.Hour, time.Hour).subjectBytes(32) // and ChinaPay
	baidu       = general.numbers(1, 20)
	aggregated  = general.numbers(8, 32).withoutEmoji() // wallets of several kinds, WeChat's among them
	umsPage     = aggregated.guessed()                  // pages of China UMS
	weChatCross = weChat.numbers(1, 32).anyCurrency()
)

const maxProductID = 32 // characters

// Members of extra that several channels have.
var (
	openID      = need("open_id", fromSession, anyText)
	productID   = need("product_id", fromOrderNo, text(1, maxProductID))
	scanCode    = need("scan_code", fromClient, alnum(1, 64))
	goods       = need("goods_list", fromQuote, goodsList)
	maybeGoods  = may("goods_list", fromQuote, goodsList)
	limitPay    = may("limit_pay", fromQuote, oneOf("no_credit"))
	goodsTag    = may("goods_tag", fromQuote, text(1, 32))
	provider    = may("sys_service_provider_id", fromQuote, anyText)
	successURL  = need("success_url", fromConfig, address)
	resultURL   = need("result_url", fromConfig, address)
	returnURL   = may("return_url", fromQuote, address)
	isvTerminal = need("terminal_id", fromQuote, alnum(1, 8))
	isvWallet   = need("pay_channel", fromClient, oneOf("alipay", "wx", "bfb"))
)

// channels is every channel that a charge can be created for.
var table = map[string]Channel{
	"wx_lite": weChat.paidBy("wx_lite").is("WeChat mini program", "微信小程序支付", openID, limitPay, goodsTag),
	"wx_pub":  weChat.paidBy("wx_pub").is("WeChat official account", "微信公众号支付", openID, limitPay, goodsTag),
	"wx_pub_qr": weChat.is("WeChat, QR code on a screen", "微信扫码支付",
		productID, limitPay, goodsTag),
	"wx_pub_scan": weChat.numbers(1, 32).takesAtOnce().is("WeChat, the payer's code read by the shop", "微信付款码支付",
		scanCode, may("terminal_id", fromQuote, anyText), limitPay, goodsTag),
	"wx": weChat.is("WeChat from an app", "微信 App 支付", limitPay, goodsTag),
	"wx_wap": weChat.lives(5*time.Minute).is("WeChat from a phone's browser", "微信 H5 支付",
		may("result_url", fromConfig, address), goodsTag),

	"alipay": alipay.is("Alipay from an app", "支付宝 App 支付",
		may("extern_token", fromQuote, text(32, 32)), may("rn_check", fromQuote, oneOf("T", "F"))),
	"alipay_wap": alipay.is("Alipay from a phone's browser", "支付宝手机网站支付",
		successURL, may("cancel_url", fromConfig, address), may("new_version", fromQuote, boolean), may("app_pay", fromClient, boolean)),
	"alipay_pc_direct": alipay.is("Alipay from a desktop's browser", "支付宝电脑网站支付",
		successURL, may("enable_anti_phishing_key", fromQuote, boolean), may("exter_invoke_ip", fromQuote, anyText),
		may("qr_pay_mode", fromClient, whole(0, 4)), may("qrcode_width", fromClient, whole(1, 2000))),
	"alipay_qr": alipay.is("Alipay, QR code on a screen", "支付宝扫码支付",
		may("hb_fq_num", fromQuote, anyWhole), may("hb_fq_seller_percent", fromQuote, whole(0, 100)), provider),
	"alipay_scan": alipay.takesAtOnce().is("Alipay, the payer's code read by the shop", "支付宝付款码支付",
		scanCode, need("terminal_id", fromQuote, anyText), maybeGoods, may("operator_id", fromQuote, anyText),
		may("store_id", fromQuote, anyText), provider),

	"upacp":          unionPay.is("UnionPay from an app", "银联 App 支付"),
	"upacp_wap":      unionPay.is("UnionPay from a phone's browser", "银联手机网页支付", resultURL),
	"upacp_pc":       unionPay.is("UnionPay from a desktop's browser", "银联电脑网页支付", resultURL),
	"applepay_upacp": unionPay.is("Apple Pay", "Apple Pay"),
	"cp_b2b":         unionPay.is("ChinaPay between businesses", "银联企业网银支付"),

	"bfb": baidu.is("Baidu Wallet from an app", "百度钱包 App 支付"),
	"bfb_wap": baidu.is("Baidu Wallet from a phone's browser", "百度钱包手机网页支付",
		resultURL, need("bfb_login", fromQuote, boolean)),
	"jdpay_wap": general.numbers(1, 30).is("JD Pay from a phone's browser", "京东手机网页支付",
		successURL, need("fail_url", fromConfig, address), may("token", fromQuote, anyText), may("order_type", fromQuote, whole(0, 1)),
		may("is_mobile", fromClient, boolean), may("user_type", fromQuote, oneOf("BIZ")), may("user_id", fromQuote, anyText)),
	"yeepay_wap": general.numbers(1, 50).bodyCharacters(100).is("Yeepay from a phone's browser", "易宝手机网页支付",
		resultURL, need("product_category", fromQuote, anyText), need("identity_id", fromQuote, text(1, 50)),
		need("identity_type", fromQuote, anyWhole), need("terminal_type", fromQuote, whole(0, 3)),
		need("terminal_id", fromQuote, anyText), need("user_ua", fromQuote, anyText)),
	"qpay": general.numbers(1, 30).is("QQ Wallet from an app", "QQ 钱包 App 支付",
		need("device", fromClient, oneOf("ios", "android"))),
	"cmb_wallet": general.numbers(6, 32).is("China Merchants Bank", "招商银行一网通",
		resultURL, need("p_no", fromQuote, digits(1, 30)), need("seq", fromQuote, digits(1, 20)),
		need("m_uid", fromQuote, digits(1, 20)), need("mobile", fromQuote, digits(11, 11))),

	"isv_scan": aggregated.takesAtOnce().is("any wallet, the payer's code read by the shop", "聚合付款码支付",
		need("scan_code", fromClient, alnum(1, 32)), isvTerminal, maybeGoods),
	"isv_qr":  aggregated.is("any wallet, QR code on a screen", "聚合扫码支付", isvWallet, isvTerminal, maybeGoods),
	"isv_wap": aggregated.is("any wallet, from a phone's browser", "聚合手机网页支付", resultURL, isvWallet, isvTerminal, maybeGoods),

	"cb_alipay": alipay.anyCurrency().is("Alipay across borders", "跨境支付宝",
		may("payment_type", fromQuote, anyWhole), may("split_fund_info", fromQuote, goodsList)),
	"cb_wx":        weChatCross.is("WeChat across borders, from an app", "跨境微信 App 支付", goods, limitPay),
	"cb_wx_pub":    weChatCross.paidBy("wx_pub").is("WeChat across borders, official account", "跨境微信公众号支付", openID, goods, limitPay),
	"cb_wx_pub_qr": weChatCross.is("WeChat across borders, QR code on a screen", "跨境微信扫码支付", productID, goods, limitPay),
	"cb_wx_pub_scan": weChatCross.takesAtOnce().is("WeChat across borders, the payer's code read by the shop", "跨境微信付款码支付",
		scanCode, goods, may("terminal_id", fromQuote, anyText), limitPay),

	"balance":    general.takesAtOnce().is("the user's balance at Ping++", "余额支付", need("user", fromQuote, anyText)),
	"fqlpay_wap": general.is("Fenqile, by instalments", "分期乐支付", need("c_merch_id", fromQuote, anyText), returnURL),
	"qgbc_wap": general.is("QuantGroup, by instalments", "量化派支付",
		need("phone", fromQuote, anyText), returnURL, may("term", fromQuote, whole(0, 4)),
		may("activate_url", fromQuote, address), may("has_header", fromQuote, boolean)),
	"mmdpay_wap": general.is("Memedai, by instalments", "么么贷支付",
		need("phone", fromQuote, anyText), need("id_no", fromQuote, anyText), need("name", fromQuote, anyText)),

	// What pingpp.js pays too. Where a member of extra is a guess, only the quote sends it.
	"alipay_lite": alipay.guessed().is("Alipay mini program", "支付宝小程序支付", may("buyer_user_id", fromQuote, anyText)),
	"upacp_b2b": unionPay.expires(day, day).guessed().is("UnionPay between businesses", "银联企业网银支付（B2B）",
		may("result_url", fromQuote, address)),
	"isv_lite": aggregated.lives(2*time.Hour).alsoTakes("hkd").paidBy("wx_lite").guessed().is("WeChat mini program, through an aggregator", "线下小程序支付",
		openID, may("terminal_id", fromQuote, alnum(1, 8)), may("pay_channel", fromQuote, isvWallet.form)),
	"wx_lite_pab":    weChat.paidBy("wx_lite").guessed().is("WeChat mini program, through Ping An Bank", "平安银行微信小程序支付", openID),
	"wx_pub_pab":     weChat.paidBy("wx_pub").guessed().is("WeChat official account, through Ping An Bank", "平安银行微信公众号支付", openID),
	"yeepay_wx_lite": weChat.paidBy("wx_lite").guessed().is("WeChat mini program, through Yeepay", "易宝微信小程序支付", openID),
	"yeepay_wx_pub":  weChat.paidBy("wx_pub").guessed().is("WeChat official account, through Yeepay", "易宝微信公众号支付", openID),
	"qpay_pub":       general.numbers(1, 30).guessed().is("QQ Wallet from a page inside QQ", "QQ 钱包公众号支付"),
	"ccb_qr":         general.numbers(1, 30).guessed().is("China Construction Bank, QR code", "建行二维码支付"),
	"paypal":         general.numbers(1, 32).anyCurrency().guessed().is("PayPal", "PayPal"),

	"chinaums_wx_pub":     umsPage.lives(2*time.Hour).is("WeChat official account, through China UMS", "银联商务微信公众号支付"),
	"chinaums_wx_wap":     umsPage.lives(5*time.Minute).is("WeChat from a phone's browser, through China UMS", "银联商务微信 H5 支付"),
	"chinaums_alipay_pub": umsPage.is("Alipay from a page inside Alipay, through China UMS", "银联商务支付宝服务窗支付"),
	"chinaums_alipay_wap": umsPage.is("Alipay from a phone's browser, through China UMS", "银联商务支付宝手机网页支付"),
	"chinaums_upacp_wap":  umsPage.is("UnionPay from a phone's browser, through China UMS", "银联商务银联手机网页支付"),
}

func (c Channel) numbers(least, most int) Channel {
	c.NumberMin, c.NumberMax = least, most
	return c
}

func (c Channel) expires(most, unsaid time.Duration) Channel {
	c.ExpireMax, c.ExpireDefault = most, unsaid
	return c
}

func (c Channel) withoutEmoji() Channel            { c.NoEmoji = true; return c }
func (c Channel) lives(life time.Duration) Channel { c.CredentialLife = life; return c }

// takesAtOnce is for channels without a credential.
func (c Channel) takesAtOnce() Channel             { c.AtOnce, c.CredentialLife = true, 0; return c }
func (c Channel) anyCurrency() Channel             { c.Currency = ""; return c }
func (c Channel) alsoTakes(list ...string) Channel { c.others = list; return c }
func (c Channel) guessed() Channel                 { c.inferred = true; return c }
func (c Channel) subjectBytes(most int) Channel    { c.Subject = Limit{most, true}; return c }
func (c Channel) bodyCharacters(most int) Channel  { c.Body = Limit{Most: most}; return c }
func (c Channel) paidBy(kind string) Channel       { c.Payer = kind; return c }
func (c Channel) is(en, zh string, extra ...member) Channel {
	c.EN, c.ZH, c.extra = en, zh, extra
	return c
}
