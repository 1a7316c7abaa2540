package check

import (
	"fmt"
	"strings"

	"github.com/caddypay/caddypay/ledger"
)

// Day is what the ledger says of an app and mode at the end of a day.
type Day struct {
	Scope   ledger.Scope
	Hours   []ledger.Hour // of the day
	Figures ledger.Figures
}

// Summary sums a day up: what was paid and given back, and what waits for a person or the backend.
func Summary(days []Day) Words {
	var en, zh strings.Builder
	en.WriteString("caddypay: the last 24 hours")
	zh.WriteString("caddypay：最近 24 小时")
	for _, d := range days {
		var payments, paid, refunded int64
		for _, h := range d.Hours {
			payments, paid, refunded = payments+h.Webhook+h.Query, paid+h.Paid, refunded+h.Refunded
		}
		f := d.Figures
		w := say("\n\n%s: %d payments, ¥%s; refunded ¥%s\nnot acknowledged by the backend: ¥%s (pending %d, held %d, dead %d)",
			"\n\n%s：%d 笔付款，¥%s；退款 ¥%s\n后端尚未确认：¥%s（等待 %d，挂起 %d，dead %d）", d.Scope.Key(), payments, yuan(paid), yuan(refunded),
			yuan(f.AtRisk), f.Events[ledger.Pending], f.Events[ledger.Held], f.Events[ledger.Dead])
		if f.Paused != nil {
			more := say("\ndelivery is paused", "\n投递已暂停")
			w = Words{w.EN + more.EN, w.ZH + more.ZH}
		}
		fmt.Fprint(&en, w.EN)
		fmt.Fprint(&zh, w.ZH)
	}
	return Words{en.String(), zh.String()}
}
