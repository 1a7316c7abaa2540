package wechat

// advice is what an operator does, in both languages.
type advice struct{ en, zh string }

// Advice says what an operator can do about the error, in English and in Chinese.
func (e *OrderError) Advice() (en, zh string) {
	a, ok := codeAdvice[e.Code]
	if !ok {
		a = kindAdvice[e.Kind]
	}
	return a.en, a.zh
}

var kindAdvice = map[OrderKind]advice{
	OrderRetry: {"Nothing to do: WeChat was busy or not reached, and is asked again by itself.",
		"无需处理：微信繁忙或暂时无法连接，稍后会自动重试。"},
	OrderNotFound: {"WeChat does not know this payment yet. If it still does not half an hour after the payment, it was not made on a merchant number that WeChat manages for this mini program, or with another AppID.",
		"微信暂时查不到这笔支付。如果支付后半小时仍查不到，说明这笔支付不在该小程序已授权的商户号下，或属于其他 AppID。"},
	OrderUnknown: {"The report was sent and its answer lost. WeChat is asked for the order first; nothing is sent twice.",
		"发货信息已发出但没有收到答复。会先向微信查询订单，不会重复上传。"},
	OrderDone: {"Nothing to do: WeChat has exactly this report.",
		"无需处理：微信已有相同的发货信息。"},
	OrderAsk: {"WeChat takes no further report of this payment. Look at what it has, here or under 发货信息管理 at mp.weixin.qq.com.",
		"微信不再接受这笔支付的发货信息。请在这里或 mp.weixin.qq.com 的“发货信息管理”中查看已有内容。"},
	OrderFinal: {"What was sent cannot be taken as it is. Correct it as the message says, and report again.",
		"发货信息内容有误，无法提交。请按错误说明更正后重新上传。"},
	OrderToken: {"WeChat does not take the access token. Other code of this mini program probably fetches tokens with force_refresh; let it use stable_token in its normal mode.",
		"微信不接受 access_token。很可能该小程序的其他程序用 force_refresh 获取 token；请让它改用普通模式的 stable_token。"},
	OrderConfiguration: {"The mini program's AppID, AppSecret, rights or IP list are wrong. Compare them at mp.weixin.qq.com under 开发管理.",
		"小程序的 AppID、AppSecret、接口权限或 IP 白名单有误。请在 mp.weixin.qq.com 的“开发管理”中核对。"},
	OrderQuotaMinute: {"Nothing to do: WeChat's quota of this minute is used up, and it is asked again in the next.",
		"无需处理：本分钟的调用次数已用完，下一分钟会自动重试。"},
	OrderQuotaDay: {"WeChat's quota of the day is used up; it is asked again tomorrow. Reports by hand at mp.weixin.qq.com are still possible.",
		"当日调用次数已用完，次日会自动重试。仍可在 mp.weixin.qq.com 手工录入发货信息。"},
}

// codeAdvice is for errcodes of which more can be said than of their kind.
var codeAdvice = map[int]advice{
	10060002: {"Shipping of this payment was reported completely before; no further parcel can be added.",
		"这笔支付此前已完成发货，不能再追加包裹。"},
	10060003: {"The one correction that WeChat allows has been used. What is wrong now can only be told to the buyer.",
		"微信允许的一次重新发货机会已经用掉。仍有错误只能直接告知买家。"},
	10060004: {"The payment was refunded, is done, or its shipping was reported elsewhere, by hand for example.",
		"这笔支付已退款、已完成，或已在别处（例如手工）录入发货信息。"},
	10060031: {"The payment is not this openid's. Check that wx_lite's app_id is the mini program in which it was paid.",
		"这笔支付不属于该 openid。请检查 wx_lite 的 app_id 是否就是支付所在的小程序。"},
	10060035: {"The order page's path must contain ${商品订单号}. Set it at mp.weixin.qq.com.",
		"订单详情页路径必须包含 ${商品订单号}。请在 mp.weixin.qq.com 中设置。"},
	268485216: {"WeChat has a report with a later time, or does not take this one's. It is sent again with the time of then; if this stays, check this machine's clock.",
		"微信已有时间更晚的发货信息，或不接受本次时间。会用新的时间重新上传；如果一直如此，请检查本机时钟。"},
	40013: {"The AppID is wrong: compare wx_lite's app_id with mp.weixin.qq.com.",
		"AppID 有误：请核对 wx_lite 的 app_id 与 mp.weixin.qq.com 上的是否一致。"},
	40125: {"The AppSecret is wrong, or was reset: write the new one into wx_lite's secret.",
		"AppSecret 有误或已被重置：请把新的写入 wx_lite 的 secret。"},
	40243: {"The AppSecret is frozen: unfreeze it at mp.weixin.qq.com under 开发管理.",
		"AppSecret 已被冻结：请在 mp.weixin.qq.com 的“开发管理”中解冻。"},
	40164: {"This server's address is not on the mini program's IP list (IP 白名单): add it at mp.weixin.qq.com under 开发管理.",
		"本机出口 IP 不在小程序的 IP 白名单中：请在 mp.weixin.qq.com 的“开发管理”中添加。"},
	61004: {"This server's address is not on the mini program's IP list (IP 白名单): add it at mp.weixin.qq.com under 开发管理.",
		"本机出口 IP 不在小程序的 IP 白名单中：请在 mp.weixin.qq.com 的“开发管理”中添加。"},
	89503: {"WeChat asks the mini program's administrator to allow this server's address: look at the message in WeChat.",
		"微信要求小程序管理员确认本机 IP：请查看微信里的通知。"},
	48001: {"The mini program has no right to this API: see whether 发货信息管理 is open for it at mp.weixin.qq.com.",
		"小程序没有该接口的权限：请在 mp.weixin.qq.com 确认已开通“发货信息管理”。"},
}
