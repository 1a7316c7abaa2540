package check

import (
	"context"
	"time"
)

// Turned is what became of the webhooks of an app and mode since this process began.
type Turned struct {
	Away  int       // how many were refused since one was taken, but for those that bore no signature
	Why   string    // the last one, as caddy_pay_webhooks_total has it
	Taken time.Time // when the last one was; zero: none was
}

const (
	refusedFrom = 3         // webhooks, after which somebody should know
	takenLately = time.Hour // ago: what is refused then is not Ping++'s
)

// refused looks for webhooks of Ping++ that are turned away. When none came, nothing is known, and nothing said.
func (s *Site) refused(context.Context) []Finding {
	t := s.Turned()
	lately := !t.Taken.IsZero() && s.Now().Sub(t.Taken) < takenLately
	switch {
	case t.Away >= refusedFrom && !lately:
		_, fix := Refusal(t.Why)
		return one(Fail, say("%d webhooks were refused and none was taken since (%s)", "已拒绝 %d 个 Webhook，此后没有接收任何一个（%s）", t.Away, t.Why), fix)
	case !t.Taken.IsZero():
		return one(OK, say("webhooks are taken", "Webhook 接收正常"), Words{})
	}
	return nil
}

// refusals are the reasons for which a webhook is not taken, as caddy_pay_webhooks_total has them: what each means, and what to do.
var refusals = map[string]struct{ text, fix Words }{
	"wrong_key": {say("the signature is not one of Ping++'s key", "签名与 Ping++ 的公钥不符"),
		say("compare webhook_key with Ping++'s public key in its dashboard, and see that nothing before Caddy changes the body", "请核对 webhook_key 与 Ping++ 管理平台中的公钥，并确认 Caddy 之前没有程序改动请求体")},
	"missing": {say("there was no signature", "没有签名"),
		say("nothing, unless a proxy before Caddy drops X-Pingplusplus-Signature: anybody can send these", "通常无需处理：任何人都能发送；除非 Caddy 之前的代理丢弃了 X-Pingplusplus-Signature")},
	"empty": {say("the signature was blank, and Ping++ does not confirm the event", "签名为空，且 Ping++ 未确认该事件"),
		say("nothing in test mode, where old accounts send such; else see that no proxy before Caddy empties X-Pingplusplus-Signature", "测试模式下旧账号会这样发送，无需处理；否则请确认 Caddy 之前没有代理清空 X-Pingplusplus-Signature")},
	"several": {say("there were several signatures, and they differ", "有多个互不相同的签名"),
		say("see that no proxy before Caddy adds a header X-Pingplusplus-Signature", "请确认 Caddy 之前没有代理添加 X-Pingplusplus-Signature")},
	"not_base64": {say("the signature was none", "签名格式不对"),
		say("nothing, unless a proxy before Caddy changes headers: anybody can send these", "通常无需处理：任何人都能发送；除非 Caddy 之前的代理改动了请求头")},
	"malformed": {say("Ping++ has signed it, and it is no event", "有 Ping++ 的签名，但内容不是事件"),
		say("see the log for what they hold", "请在日志中查看其内容")},
	"mode": {say("the event is of the other mode, live or test", "事件属于另一模式（正式或测试）"),
		say("enter this site's webhook URL in Ping++'s dashboard for its own app and mode only", "请在 Ping++ 管理平台中，仅为本站对应的应用和模式填写本站的 Webhook 地址")},
	"app": {say("the event is of another Ping++ app", "事件属于另一个 Ping++ 应用"),
		say("enter this site's webhook URL in Ping++'s dashboard for its own app and mode only", "请在 Ping++ 管理平台中，仅为本站对应的应用和模式填写本站的 Webhook 地址")},
	"rate_limited": {say("its sender had been refused too often", "发送方此前被拒绝过多"),
		say("mend what the others were refused for; Ping++ comes again", "请先处理其他被拒绝的原因；Ping++ 会重发")},
	"unavailable": {say("it could not be recorded, or Ping++ could not be asked whose it is", "无法写入账本，或无法向 Ping++ 确认归属"),
		say("look at the health page or run caddy pay check; Ping++ comes again", "请查看健康页或运行 caddy pay check；Ping++ 会重发")},
}

// Refusal says what it means that webhooks are refused for a reason, and what to do about it; nothing of what is no such reason.
func Refusal(reason string) (text, fix Words) {
	r := refusals[reason]
	return r.text, r.fix
}
