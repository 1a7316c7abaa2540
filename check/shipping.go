package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddypay/caddypay/wechat"
)

// Program is the mini program that is paid in, as WeChat's order management knows it. *wechat.Orders is one.
type Program interface {
	TradeManaged(ctx context.Context) (bool, error)             // WeChat keeps its money until shipping is reported
	TradeManagementConfirmed(ctx context.Context) (bool, error) // each merchant number linked to it is authorised
	OrderDetailPath(ctx context.Context) (string, error)
	TokensTakenBack() int // access tokens that WeChat took no more before their end, since this Caddy was started
}

const (
	takenBackWarn = 3          // tokens taken back: one may be anything
	orderNumber   = "${商品订单号}" // where WeChat puts the merchant's order number
)

// shipping asks WeChat whether it keeps the money of the program, and what would keep payments or reports from it.
func (s *Site) shipping(ctx context.Context) []Finding {
	managed, err := s.Program.TradeManaged(ctx)
	switch {
	case err != nil && !s.Ships:
		return nil // who reports nothing may have an account that was never made ready for such questions
	case err != nil:
		return []Finding{refusedBy("shipping", err)}
	case !managed:
		return append(s.taken(), of("shipping", OK, say("WeChat does not keep this mini program's money until shipping is reported", "微信没有对该小程序启用发货管理，不冻结资金"), Words{}))
	case !s.Ships:
		return []Finding{of("shipping", Warn, say("WeChat keeps the money of this mini program until shipping is reported, within 48 hours, and no site here reports it: the money stays frozen, and WeChat may end the program's payments",
			"微信对该小程序启用了发货管理：须在 48 小时内录入发货信息，而这里没有站点上报。资金会一直冻结，微信还可能限制小程序收款"),
			say("write shipping into the pay block, and see docs/shipping.md for the three ways; leave it if the shop's own program reports to WeChat", "请在 pay 块中写 shipping，三种做法见 docs/shipping.zh-CN.md；如果商户自己的程序已在上报，则无需处理"))}
	}
	found := append(s.taken(), s.reports())
	confirmed, err := s.Program.TradeManagementConfirmed(ctx)
	switch {
	case err != nil:
		found = append(found, refusedBy("shipping-confirmed", err))
	case !confirmed:
		found = append(found, of("shipping-confirmed", Fail, say("a merchant number that is linked to the mini program is neither authorised for 发货管理 nor unlinked: WeChat may refuse payments",
			"有关联的商户号尚未完成发货管理授权，也未解除关联：微信可能拒绝支付"),
			say("finish the confirmation at mp.weixin.qq.com, 发货管理: authorise or unlink each merchant number", "请在 mp.weixin.qq.com 的“发货管理”中完成确认：逐个授权或解除关联商户号")))
	default:
		found = append(found, of("shipping-confirmed", OK, say("each merchant number is confirmed", "商户号均已确认"), Words{}))
	}
	return append(found, s.detailPath(ctx))
}

// reports says whether there is a way by which the shop reports.
func (s *Site) reports() Finding {
	if s.Mute {
		return of("shipping", Warn, say("WeChat keeps this mini program's money until shipping is reported, and nothing here could report it: there is neither merchant_api beside shipping, nor auto and events, nor events whose answer may carry pay_shipping",
			"微信对该小程序启用了发货管理，而这里没有任何途径可以上报：shipping 旁没有 merchant_api，没有 auto 与 events，events 的响应也不能携带 pay_shipping"),
			say("write merchant_api { token … } into the pay block that has shipping, or see docs/shipping.md for the other ways", "请在有 shipping 的 pay 块中写 merchant_api { token … }，其他做法见 docs/shipping.zh-CN.md"))
	}
	return of("shipping", OK, say("WeChat keeps this mini program's money until shipping is reported, which is done here", "微信对该小程序启用了发货管理，发货信息由这里上报"), Words{})
}

// detailPath looks at the page that WeChat opens for an order.
func (s *Site) detailPath(ctx context.Context) Finding {
	path, err := s.Program.OrderDetailPath(ctx)
	fix := say("set it at mp.weixin.qq.com, like pages/order/detail?id=%s; it takes about ten minutes", "请在 mp.weixin.qq.com 设置，例如 pages/order/detail?id=%s；约十分钟后生效", orderNumber)
	switch {
	case err != nil:
		return refusedBy("shipping-path", err)
	case path == "":
		return of("shipping-path", Warn, say("the mini program has no order page (订单详情页路径): WeChat may take that as a reason to refuse payments", "小程序没有设置订单详情页路径：微信可能因此拒绝支付"), fix)
	case !strings.Contains(path, orderNumber):
		return of("shipping-path", Warn, say("the path of the order page has no %s, so that it opens no order: %.100q", "订单详情页路径中没有 %s，无法打开订单：%.100q", orderNumber, path), fix)
	}
	return of("shipping-path", OK, say("the order page is set", "订单详情页路径已设置"), Words{})
}

// taken finds the shop's own code that fetches tokens in a way that ends ours.
func (s *Site) taken() []Finding {
	n := s.Program.TokensTakenBack()
	if n < takenBackWarn {
		return []Finding{of("shipping-token", OK, say("access tokens last until their end", "access_token 能用到有效期结束"), Words{})}
	}
	return []Finding{of("shipping-token", Warn, say("WeChat took %d access tokens back before their end since this Caddy was started: other code of this mini program fetches them with force_refresh, and so ends ours",
		"自本次启动 Caddy 起，有 %d 个 access_token 在到期前失效：该小程序的其他程序在用 force_refresh 获取，使这里的失效", n), shareToken)}
}

var shareToken = say("let all code of this mini program use /cgi-bin/stable_token without force_refresh: all then get the same token", "请让该小程序的所有程序都用 /cgi-bin/stable_token 且不带 force_refresh：这样得到的是同一个 token")

// refusedBy reads out of an error what keeps WeChat's order management from answering.
func refusedBy(id string, err error) Finding {
	e, ok := errors.AsType[*wechat.OrderError](err)
	if !ok {
		return of(id, Unknown, say("WeChat could not be asked: %s", "无法询问微信：%s", err), Words{})
	}
	en, zh := e.Advice()
	advice := Words{en, zh}
	switch {
	case e.Code == 40164 || e.Code == 61004: // its message names the address
		return of("wechat-ip", Fail, say("WeChat's order management takes no call from this server's address (%d): %s", "微信发货管理接口拒绝来自本服务器地址的调用（%d）：%s", e.Code, e.Message),
			say("add the address that WeChat names to IP白名单 at mp.weixin.qq.com, 开发管理 (Development)", "请在 mp.weixin.qq.com 的“开发管理”中把微信给出的地址加入 IP 白名单"))
	case e.Code == 40125 || e.Code == 41004 || e.Code == 40243 || e.Code == 40013: // said by the check of the account
		return of(id, Unknown, say("not known before WeChat takes AppID and AppSecret (%d)", "在微信接受 AppID 和 AppSecret 之前未知（%d）", e.Code), Words{})
	case e.Kind == wechat.OrderToken:
		return of("shipping-token", Fail, say("WeChat takes no access token, not even a fresh one (%d): other code of this mini program ends each with force_refresh", "微信不接受 access_token，新取的也不行（%d）：该小程序的其他程序在用 force_refresh 使其失效", e.Code), shareToken)
	case e.Kind == wechat.OrderConfiguration:
		return of(id, Fail, say("WeChat refuses to answer about shipping (%d): %s", "微信拒绝回答发货管理的查询（%d）：%s", e.Code, e.Message), advice)
	}
	return of(id, Unknown, say("WeChat gave no answer to go by: %s", "微信没有给出可用的答复：%s", e.Error()), advice)
}

// paused says why nothing is reported for a while.
func (s *Site) paused(context.Context) []Finding {
	all := s.Paused()
	if len(all) == 0 {
		return one(OK, say("WeChat is told what was shipped", "发货信息可以上报微信"), Words{})
	}
	p, result := all[0], Warn
	for i := range all {
		if all[i].Person {
			p, result = all[i], Fail
		}
	}
	fix := say("nothing: it goes on by itself", "无需处理：会自动继续")
	if p.Person {
		fix = say("mend what WeChat names: it is tried again by itself", "请按微信的说明更正，之后会自动重试")
	}
	const clock = "2006-01-02 15:04:05 MST"
	since, until := p.Since.Format(clock), p.Until.Format(clock)
	return one(result, Words{
		EN: fmt.Sprintf("WeChat is told nothing of shipping since %s, until %s: %s", since, until, p.EN),
		ZH: fmt.Sprintf("自 %s 起暂停向微信上报发货信息，至 %s：%s", since, until, p.ZH),
	}, fix, "caddy pay shipping list --stage open")
}

// failedReports looks for reports that WeChat will not accept as they are: each day that nobody corrects one goes from its 48 hours.
func (s *Site) failedReports(ctx context.Context) []Finding {
	due, err := s.Unshipped(ctx)
	switch {
	case err != nil:
		return one(Unknown, say("the ledger could not be read: %s", "无法读取账本：%s", err), Words{})
	case due.Failed == 0:
		return one(OK, say("no shipping report failed", "没有失败的发货信息"), Words{})
	}
	text := Words{
		EN: fmt.Sprintf("the shipping report of %d payments (¥%s) failed, and is not tried again by itself; the last is order %s: %s", due.Failed, yuan(due.FailedFen), due.FailedOrder, due.Why.Text),
		ZH: fmt.Sprintf("有 %d 笔付款（¥%s）的发货信息上报失败，不会自动重试；最近一笔是订单 %s：%s", due.Failed, yuan(due.FailedFen), due.FailedOrder, due.Why.In("zh")),
	}
	return one(Fail, text, say("correct what was reported, or what WeChat names, and report it again", "请按说明更正内容或配置，然后重新上报"), "caddy pay shipping list --state failed")
}

// unshipped looks for money that stays frozen because nobody reports.
func (s *Site) unshipped(ctx context.Context) []Finding {
	due, err := s.Unshipped(ctx)
	if err != nil {
		return one(Unknown, say("the ledger could not be read: %s", "无法读取账本：%s", err), Words{})
	}
	fix := say("report them: docs/shipping.md; what failed, mend by WeChat's answer and report again", "请上报，见 docs/shipping.zh-CN.md；失败的按微信的答复改正后重新上报")
	const list = "caddy pay shipping list --state waiting,failed --until 36h"
	switch {
	case due.Late > 0:
		return one(Fail, say("WeChat has had no shipping report of %d payments (¥%s) for 48 hours: their money stays frozen", "有 %d 笔付款（¥%s）超过 48 小时未录入发货信息：资金继续冻结", due.Late, yuan(due.LateFen)), fix, list)
	case due.Soon > 0:
		return one(Warn, say("the 48 hours run out in which WeChat wants %d payments (¥%s) reported as shipped, the first one in %s", "有 %d 笔付款（¥%s）的 48 小时发货期限即将到期，最早的还剩 %s",
			due.Soon, yuan(due.SoonFen), due.Next.Sub(s.Now()).Round(time.Minute)), fix, list)
	}
	return one(OK, say("no shipping report runs out of its time", "没有即将到期的发货信息"), Words{})
}
