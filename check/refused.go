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
		fix := say("compare webhook_key with Ping++'s public key in its dashboard, and see that nothing before Caddy changes the body", "请核对 webhook_key 与 Ping++ 管理平台中的公钥，并确认 Caddy 之前没有程序改动请求体")
		switch t.Why {
		case "mode", "app":
			fix = say("enter this site's webhook URL in Ping++'s dashboard for its own app and mode only", "请在 Ping++ 管理平台中，仅为本站对应的应用和模式填写本站的 Webhook 地址")
		case "malformed":
			fix = say("see the log for what they hold", "请在日志中查看其内容")
		}
		return one(Fail, say("%d webhooks were refused and none was taken since (%s)", "已拒绝 %d 个 Webhook，此后没有接收任何一个（%s）", t.Away, t.Why), fix)
	case !t.Taken.IsZero():
		return one(OK, say("webhooks are taken", "Webhook 接收正常"), Words{})
	}
	return nil
}
