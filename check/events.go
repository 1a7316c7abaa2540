package check

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Figures are what the ledger says of one app and mode.
type Figures struct {
	Pending       int64
	OldestPending time.Time // when the oldest one that waits was received; zero: none does
	LastError     string    // why its last attempt did not count
	Refused       bool      // that attempt got to the backend, whose answer it was
	Dead, Held    int64
	AtRisk        int64     // fen that were paid and that the backend has not acknowledged
	Paused        time.Time // since when a person has delivery paused; zero: it is not
	PausedBy      string    // and who
	Webhooks      int64     // payments of the last day that Ping++ told us of
	Queries       int64     // and those that we had to ask for
}

// How long a payment may wait for its backend, and how many payments may come by asking alone, before somebody should know.
const (
	waitMost   = 5 * time.Minute
	silentFrom = 3
)

// events looks at what has not reached the backend.
func (s *Site) events(ctx context.Context) []Finding {
	f, err := s.Figures(ctx)
	if err != nil {
		return one(Unknown, say("the ledger could not be read: %s", "无法读取账本：%s", err), Words{})
	}
	found := []Finding{
		of("events-pending", OK, say("no event waits for long", "没有长时间等待的事件"), Words{}),
		of("events-dead", OK, say("no event was given up", "没有不再投递的事件（dead）"), Words{}),
		of("events-held", OK, say("no payment is held", "没有被挂起的付款"), Words{}),
		of("delivery-paused", OK, say("delivery goes on", "投递正常进行"), Words{}),
		of("webhooks-silent", OK, say("payments are not learned by asking alone", "付款并非只靠主动查询得知"), Words{}),
	}
	if wait := s.Now().Sub(f.OldestPending); !f.OldestPending.IsZero() && wait > waitMost && f.Paused.IsZero() {
		found[0] = of("events-pending", Fail, say("%d events wait for the backend, the oldest for %s (¥%s at risk): %s", "有 %d 个事件等待投递，最久的已等 %s（涉及 ¥%s）：%s", f.Pending, wait.Round(time.Second), yuan(f.AtRisk), strings.TrimSpace(f.LastError)),
			say("mend the backend; the events then go out by themselves", "请修复后端；之后事件会自动投递"), "caddy pay events list --state pending")
	}
	if f.Refused && found[0].Result == OK && f.Paused.IsZero() {
		found[0] = of("events-pending", Warn, say("your backend did not take an event that waits: %s", "后端没有接收正在等待的一个事件：%s", strings.TrimSpace(f.LastError)),
			say("mend the backend; the event then goes out by itself, or at once with events replay", "请修复后端；之后该事件会自动投递，也可用 events replay 立即投递"), "caddy pay events list --state pending")
	}
	if f.Dead > 0 {
		found[1] = of("events-dead", Fail, say("%d events were given up: the backend does not know of them", "有 %d 个事件已不再投递（dead）：后端对此并不知情", f.Dead),
			say("see why with events show, mend the backend, then events replay each", "请用 events show 查看原因，修复后端后逐个 events replay"), "caddy pay events list --state dead")
	}
	if f.Held > 0 {
		found[2] = of("events-held", Fail, say("%d payments are held and wait for a person", "有 %d 笔付款被挂起，等待人工处理", f.Held),
			say("compare what was paid with what was expected, then events release or events discard", "请核对实付与应付，然后 events release 或 events discard"), "caddy pay events list --state held")
	}
	if !f.Paused.IsZero() {
		found[3] = of("delivery-paused", Warn, say("delivery is paused since %s by %s: the backend hears of nothing", "投递自 %s 起被 %s 暂停：后端收不到任何通知", f.Paused.Format(zoned), f.PausedBy),
			say("resume it as soon as the reason is gone", "原因消除后请尽快恢复"))
	}
	if f.Webhooks == 0 && f.Queries >= silentFrom {
		found[4] = of("webhooks-silent", Fail, say("%d payments of the last day were learned by asking, and none by a webhook", "最近一天有 %d 笔付款靠查询得知，没有一笔来自 Webhook", f.Queries),
			say("enter the webhook URL in Ping++'s dashboard for this app and mode, with charge.succeeded ticked", "请在 Ping++ 管理平台为该应用和模式填写 Webhook 地址，并勾选 charge.succeeded"))
	}
	return found
}

// yuan writes an amount in fen.
func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }

// sweepMost is how long ago the last day may have ended that was compared with Ping++'s list: the next one is, an hour after its end.
const sweepMost = 26 * time.Hour

// sweep looks whether every day was compared with Ping++'s list.
func (s *Site) sweep(ctx context.Context) []Finding {
	at, err := s.Swept(ctx)
	if err != nil {
		return one(Unknown, say("the ledger could not be read: %s", "无法读取账本：%s", err), Words{})
	}
	if late := s.Now().Sub(at); !at.IsZero() && late > sweepMost {
		return one(Fail, say("charges are compared with Ping++'s list only up to %s", "与 Ping++ 收款列表的核对只进行到 %s", at.Format(zoned)),
			say("see the log for why the comparison fails, or compare a day now", "请在日志中查看核对失败的原因，或立即核对某一天"), "caddy pay reconcile")
	}
	return one(OK, say("charges are compared with Ping++'s list", "已与 Ping++ 收款列表核对"), Words{})
}
