package console

import "strings"

// say is a text in a language. Texts are their English selves; what has a kind before it, like "reason amount", says it for people.
func say(lang, text string) string {
	if lang == "zh" {
		if zh, ok := chinese[text]; ok {
			return zh
		}
	}
	if en, ok := english[text]; ok {
		return en
	}
	for _, kind := range []string{"reason ", "action ", "life ", "kind "} {
		if rest, ok := strings.CutPrefix(text, kind); ok {
			return rest
		}
	}
	return text
}

// whyText says in a language why an action is not done to an event. What the code does not say is in English.
func whyText(lang, code, text string) string {
	if lang == "zh" {
		if zh, ok := chinese["why "+code]; ok {
			return zh
		}
	}
	return text
}

// english is what texts that are names say.
var english = map[string]string{
	"reason amount": "another amount than our charge's", "reason currency": "another currency than our charge's", "reason superseded": "an older attempt, at another price",
	"reason paid_twice": "the order is paid twice", "reason reversed": "paid and reversed", "reason unreadable": "cannot be read", "reason refunded": "given back whole",
	"reason effect_seen": "another event had the same effect", "reason expired": "paid after it had expired", "reason closed": "paid after the order was closed", "reason type": "its type is not delivered",
	"action replay": "Deliver again", "action release": "Release", "action discard": "Discard", "action query": "Ask Ping++", "action pause": "Pause delivery", "action unpause": "Go on delivering",
	"life login": "Login", "life quote": "Price named", "life attempt": "Attempt", "life client": "What the client says", "life paid": "Paid", "life event": "Event", "life check": "Money checks", "life delivery": "Delivery",
	"life decision": "Decision", "life refund": "Refund", "life refunded": "Money went back", "life pause": "Paused", "life next": "To come", "life expiry": "Expiry",
	"action report": "Report shipping", "life shipping": "Shipping", "life wechat": "WeChat", "life deadline": "WeChat's 48 hours", "not_managed": "not managed",
	"by express": "by express", "by local": "within the city", "by virtual": "nothing to carry", "by pickup": "fetched by the buyer",
	"told accepted": "accepted", "told told": "answered", "told not_found": "not known there yet", "told transient": "later", "told again": "once more", "told unknown": "nobody knows", "told final": "refused",
	"told unmanaged": "not managed", "told asking": "under way",
	"kind order": "Order", "kind number": "Ping++ number", "kind charge": "Charge", "kind transaction": "Transaction number", "kind event": "Event", "kind object": "Object of an event",
	"kind refund_no": "Refund number", "kind refund": "Refund", "true": "yes",
}

var chinese = map[string]string{
	"Payments": "支付", "Orders": "订单", "Events": "事件", "Charges": "支付单", "Refunds": "退款", "Decisions": "操作记录", "Actions": "批量操作", "Order": "订单", "Event": "事件", "Charge": "支付单",
	"Refund": "退款", "Pages": "页面", "To the content": "跳到正文", "Find": "查找", "Order, charge, event, refund or transaction number": "订单号、支付单、事件、退款单号或交易号",
	"As of": "更新于", "Pause updates": "暂停更新", "Resume updates": "恢复更新", "No answer; trying again": "没有响应，正在重试", "Read-only": "只读", "To the front page": "回到首页", "Not done": "没有完成",
	"This page takes GET and POST.": "此页面只接受 GET 和 POST。", "There is no such page.": "没有这个页面。", "This form came from another site; open the console itself and send it from there.": "该表单来自其他网站；请直接打开控制台操作。",
	"This console is read-only: it shows, and changes nothing.": "此控制台为只读：只能查看，不能更改。",
	"It is delivered again.":                                    "正在重新投递。", "It is delivered.": "已放行，正在投递。", "It is discarded, and never delivered.": "已作废，不再投递。", "Delivery is paused.": "投递已暂停。", "Delivery goes on.": "投递已恢复。",
	"It stops; what was done stays done.": "正在停止；已完成的不会撤销。",
	"Money at risk":                       "风险资金", "payments": "笔付款", "were made and your backend has not acknowledged them.": "已经付款，但后端尚未确认。", "The oldest waits since": "最早一笔自此等待：",
	"Nothing is tried by itself: see below.": "不会自动重试：请看下方说明。", "Next attempt": "下次投递", "next attempt": "下次投递", "Your backend has acknowledged every payment.": "后端已确认所有付款。",
	"Delivery is paused": "投递已暂停", "Payments are taken and recorded; your backend hears of none until delivery goes on.": "付款照常收取并记录；恢复投递之前，后端不会收到通知。",
	"The money does not fit the order: a person has to decide. Compare what was paid with what was asked, then release it to your backend, or discard it and give the money back.": "款项与订单不符，需要人工处理：核对实付与应付金额，然后放行给后端，或作废并退款。",
	"Look at them": "查看", "Look at it": "查看", "Your backend never acknowledged them, and no attempt is left. Mend it by what it answered, then deliver them again.": "后端一直没有确认，重试次数已用完。请根据后端的响应修复，然后重新投递。",
	"Deliver all again": "全部重新投递", "Webhooks are silent": "没有收到 Webhook", "payments of the last two hours were learnt only by asking Ping++": "笔近两小时的付款是主动查询 Ping++ 才得知的",
	"by webhook. Nothing is lost, but everything is late: compare the address in Ping++'s dashboard with this site's, and look at the webhooks that were refused.": "笔由 Webhook 通知。没有丢失，但都有延迟：请核对 Ping++ 后台的 Webhook 地址，并查看被拒绝的 Webhook。",
	"Today": "今日", "in Beijing": "北京时间", "Paid": "已付", "Payments made": "付款", "Given back": "已退", "Charges made": "创建的支付单", "Success rate": "成功率",
	"No day has been compared with Ping++'s list yet.": "尚未与 Ping++ 对账。", "Compared with Ping++'s list up to": "已与 Ping++ 对账至", "The running configuration has no pay directive.": "当前配置没有 pay 指令。",
	"Reason": "原因", "Reason (may be empty)": "原因（可不填）", "Go on delivering": "恢复投递", "Pause delivery": "暂停投递",
	"Nothing here goes by that name. Names are compared whole: give all of an order, charge, event, refund or transaction number.": "没有找到。请输入完整的订单号、支付单号、事件号、退款单号或交易号。",
	"State": "状态", "Type": "类型", "App": "应用", "Mode": "模式", "live": "正式", "test": "测试", "Learnt by": "来源", "webhook": "Webhook", "query": "查询", "Received": "收到时间", "Amount": "金额", "Why": "说明",
	"Attempts": "次数", "Begun": "开始时间", "Refunded": "已退款", "Paid at": "付款时间", "Channel": "渠道", "Transaction number": "交易号", "Created": "创建时间", "Ping++ number": "Ping++ 单号", "Expires": "失效时间",
	"Asked": "申请时间", "Succeeded at": "到账时间", "Refund number": "退款单号", "Unclear": "待人工确认", "At": "时间", "Action": "操作", "Before": "原状态", "By": "操作者", "Said": "自称", "Run": "批次", "Done": "已完成", "Can be taken": "可执行", "Ended": "结束时间",
	"From day": "起始日期", "Through day": "截止日期", "all": "全部", "true": "是", "Show": "筛选", "Show all": "显示全部", "Nothing is filtered out; newest first.": "未筛选；最新的在前。", "CSV of all that match": "导出全部匹配项（CSV）",
	"All that match:": "对全部匹配项：", "To act on all that match, choose one state, and nothing but type, order or first day.": "要批量操作，请选择一种状态；此外只可按类型、订单或起始日期筛选。",
	"Delivery is paused here.": "此处投递已暂停。", "None so far; the search can go on.": "目前没有；可以继续查找。", "There are none.": "没有记录。", "Pages of the list": "翻页", "To the newest": "回到最新", "Go on": "继续", "This is the end.": "已到末尾。", "Table": "表格",
	" (yuan)": "（元）", ", ": "，", " s": " 秒", " min": " 分钟", " h": " 小时", " days": " 天", "in %s": "%s后", "%s ago": "%s前",
	"pending": "待投递", "delivered": "已送达", "dead": "投递失败", "held": "已挂起", "discarded": "已作废", "filtered": "不投递", "created": "待支付", "paid": "已支付", "refunded": "已退款", "reversed": "已撤销", "expired": "已过期",
	"preparing": "准备中", "refused": "被拒绝", "unknown": "未知", "asked": "已申请", "succeeded": "成功", "failed": "失败", "running": "进行中", "stopping": "正在停止", "stopped": "已停止", "done": "已完成",
	"reason amount": "金额不符", "reason currency": "币种不符", "reason superseded": "旧的支付单，价格已变", "reason paid_twice": "重复付款", "reason reversed": "付款后被撤销", "reason unreadable": "无法解析", "reason refunded": "已全额退款",
	"reason effect_seen": "另一事件已有相同效果", "reason expired": "过期后付款", "reason closed": "订单关闭后付款", "reason type": "该类型不投递",
	"action replay": "重新投递", "action release": "放行", "action discard": "作废", "action query": "询问 Ping++", "action pause": "暂停投递", "action unpause": "恢复投递",
	"life login": "登录", "life quote": "后端报价", "life attempt": "支付尝试", "life client": "客户端上报", "life paid": "付款", "life event": "事件", "life check": "款项核对", "life delivery": "投递", "life decision": "人工操作", "life refund": "退款申请",
	"life refunded": "退款到账", "life pause": "暂停投递", "life next": "即将进行", "life expiry": "失效",
	"kind order": "订单", "kind number": "Ping++ 单号", "kind charge": "支付单", "kind transaction": "交易号", "kind event": "事件", "kind object": "事件对象", "kind refund_no": "退款单号", "kind refund": "退款",
	"Our charge was for": "应付金额", "it is not one of ours": "不是本系统创建的", "Also paid by": "另一笔付款", "Decide": "处理", "Deliver it once more all the same": "确认再投递一次", "Deliver again": "重新投递",
	"Release to the backend": "放行给后端", "Discard: never deliver it": "作废：不再投递", "Attempts to deliver it": "投递记录", "None yet.": "还没有。", "What Ping++ said": "Ping++ 原文", "Show its bytes": "显示原文", "Shortened: who paid, and what a charge is paid with, stand as … here. Your backend gets the bytes as they came.": "已缩短：付款人与支付凭证在此以 … 表示；后端收到的是原始字节。", "Attempt": "第几次：", "not counted": "不计次数", "no answer": "无响应", "The answer": "后端的响应",
	"Ask Ping++ now": "立即向 Ping++ 查询", "Ping++ was asked.": "已向 Ping++ 查询。", "Its life": "全过程", "Preview": "预览", "Match": "匹配", "of them your backend has acknowledged already: it hears of them again.": "个后端已经确认过：将再次收到。", "Not taken": "不执行", "Preview it with what was acknowledged already": "连同已确认的一起预览",
	"Events a second": "每秒事件数", "My backend looks whether it knows an order, and fulfils none twice": "我的后端会检查订单是否已处理，不会重复发货", "Stopped by": "停止者", "Left out when their turn came": "轮到时已不适用", "Stop": "停止", "since": "自", "through event no.": "截至事件序号",
	"Health": "健康检查", "Wrong": "有问题", "Not found out": "未能查明", "To be looked at": "需要留意", "Well": "正常", "Looked at": "检查于", "Look again": "重新检查", "It takes up to 15 seconds, and changes nothing.": "最多 15 秒，不会更改任何内容。",
	"What this looks at": "检查内容说明", "There was nothing to look at.": "没有可检查的内容。", "Everything was looked at.": "已重新检查。",
	"Your backend is unreachable": "后端无法连接", "Your backend acknowledges nothing": "后端没有确认任何通知", "Events wait, and one at a time goes out to see whether it is back.": "事件等待投递，每次只发送一个以探测后端是否恢复。",
	"One is out now.": "正在探测。", "The next one": "下次探测", "The next one goes out at once.": "下一个事件会立即发出。", "Since": "开始于", ". ": "。", "It answers, but not as it should. Each event is sent again by its schedule.": "后端有响应，但不符合要求。每个事件会按计划重发。",
	"Your backend": "后端", "Events go to": "事件发往", "Acknowledged today": "今日确认率", "No event has gone out yet since this Caddy was started.": "本次启动 Caddy 以来还没有投递过事件。", "Last attempt": "最近一次投递",
	"Webhooks refused": "被拒绝的 Webhook", "since this Caddy was started": "自本次启动 Caddy 起", "The last one": "最近一次", "None was.": "没有。", "reachable": "可连接", "failing": "未确认", "unreachable": "无法连接",
	"Orders a second": "每秒订单数", "until": "截至",
	"To ask Ping++ about all that match, choose created, expired or unknown, and nothing but days.": "要对全部匹配的订单询问 Ping++，请选择“待支付”“已过期”或“未知”状态；此外只可按日期筛选。",
	"why known": "；结果已经知道", "why never_made": "；Ping++ 从未为它创建支付单", "why unanswered": "；轮到它时 Ping++ 没能回答，见日志",
	"why not_held": "；只有挂起的事件才能放行", "why held": "；请放行或作废", "why pruned": "；原文已清理", "why acknowledged": "；后端已经确认过，若不检查会重复发货；确有需要请确认再投递一次",
	"why went_back": "；后端收到之前款项已退回；确有需要请确认再投递一次", "why effect_seen": "；后端已通过另一事件得知；确有需要请确认再投递一次", "why settled": "；只有挂起、待投递或投递失败的事件才能作废", "why changed": "；状态已改变",
	"Shipping": "发货", "Report": "上报", "Runs out": "到期时间", "Shipped as": "发货方式", "Asked next": "下次询问", "Frozen at WeChat": "微信冻结的资金", "WeChat is told.": "正在告知微信。",
	"are kept by WeChat until shipping is reported and received.": "被微信冻结，直到发货信息录入并确认收货。", "WeChat keeps no payment, as far as is known.": "据目前所知，微信没有冻结付款。",
	"the 48 hours for the report have run out; WeChat may keep the program from taking payments.": "已超过 48 小时未录入发货信息；微信可能限制小程序收款。",
	"Your backend knows of": "后端已知道", "Your backend does not know of": "后端还不知道", "Your backend has not acknowledged again, but knows of": "后端没有再次确认，但已知道",
	"WeChat is asked nothing about": "暂停询问微信：", "It goes on": "恢复于",
	"the report failed, and is not tried again by itself; the last is order": "上报失败，不会自动重试；最近一笔是订单", ": ": "：",
	"the 48 hours for the report run out soon, of the first one": "48 小时期限即将到期，最早一笔", "more is to follow": "未发完", "Report it again": "重新上报", "Report something else": "上报其他内容",
	"What was sold": "商品", "Express company": "快递公司", "Tracking number": "运单号", "Receiver's telephone (SF alone)": "收件人电话（仅顺丰）", "WeChat takes one correction of what it has, and no second.": "微信已有的发货信息只能更正一次。",
	"waiting": "待发货", "reported": "已上报", "confirmed": "已确认收货", "settled": "已结算", "not_managed": "不受管理", "open": "上报中", "report": "上报发货",
	"action report": "上报发货", "life shipping": "发货", "life wechat": "微信", "life deadline": "微信的 48 小时", "by express": "快递", "by local": "同城配送", "by virtual": "虚拟商品", "by pickup": "自提",
	"told accepted": "已接受", "told told": "已答复", "told not_found": "微信尚无此单", "told transient": "稍后再试", "told again": "再试一次", "told unknown": "结果不明", "told final": "被拒绝", "told unmanaged": "不受管理", "told asking": "进行中",
	"unreported over": "微信已不再接受发货信息", "unreported nothing_reported": "还没有上报过；请填写发货内容", "unreported reported": "微信已有该发货信息，只接受不同的内容", "unreported corrected": "微信已有发货信息和一次更正，不再接受",
	"unreported off": "该应用没有站点配置 shipping，不会告知微信：请在 pay 块中写 shipping", "unreported held": "付款被挂起，请先放行", "unreported refunded": "已全额退款", "unreported reversed": "支付单已撤销",
	"unreported not_paid": "尚未付款", "unreported changed": "状态已改变",
}
