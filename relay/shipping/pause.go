package shipping

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
	"github.com/caddypay/caddypay/wechat"
)

// Scope is the app and mode whose payments are told of.
func (r *Reporter) Scope() ledger.Scope { return r.cfg.Scope }

// Pauses are those of the mini programs that WeChat is not asked about at a time, by their AppIDs.
func (r *Reporter) Pauses(now time.Time) (all []shipping.Pause) {
	for _, p := range r.programs {
		if pause, is := p.pause(now); is {
			all = append(all, pause)
		}
	}
	slices.SortFunc(all, func(a, b shipping.Pause) int { return strings.Compare(a.AppID, b.AppID) })
	return all
}

func (p *program) pause(now time.Time) (shipping.Pause, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now.Before(p.until) {
		return shipping.Pause{}, false
	}
	why := problemOf(p.why)
	pause := shipping.Pause{AppID: p.appID, Since: p.since, Until: p.until, Code: why.Code, EN: why.Text, ZH: why.ZH}
	if oerr, ok := errors.AsType[*wechat.OrderError](p.why); ok {
		pause.Person = oerr.Kind == wechat.OrderConfiguration || oerr.Kind == wechat.OrderToken
	}
	return pause, true
}
