package shipping

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/wechat"
)

const askManaged = 24 * time.Hour // how often WeChat is asked whether it manages a program, at most

// faultPauses are the gaps between attempts while a program's configuration is wrong: nobody but the merchant changes that. The last one stays.
var faultPauses = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

const busyAfter = 3 // times that WeChat was busy, or not there, one after the other: then all wait for it

// program is a mini program, and how WeChat can be asked about it.
type program struct {
	appID  string
	orders *wechat.Orders
	logger *zap.Logger

	asking *semaphore.Weighted // of one, held while WeChat is asked whether it manages the program

	mu      sync.Mutex
	managed bool
	asked   time.Time           // when WeChat last said so; zero: never
	until   time.Time           // before which WeChat is not to be asked anything
	why     error               // that is so
	since   time.Time           // when that began; zero: it is not so
	faults  int                 // of the configuration, one after the other
	known   bool                // WeChat has known a payment by the number that Ping++ gave
	busy    int                 // times that WeChat was, one after the other
	ailing  ledger.ShippingStep // at which that was: where another step goes well, it goes on; empty: at the question whether it is managed
}

func (p *program) paused(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.until)
}

// knew notes that WeChat knows payments of the program by the numbers that Ping++ gives.
func (p *program) knew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = true
}

func (p *program) knows() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

// isManaged says whether WeChat keeps the program's money, as WeChat said within the last day.
func (p *program) isManaged(ctx context.Context, now func() time.Time) (bool, error) {
	if err := p.asking.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer p.asking.Release(1)
	p.mu.Lock()
	managed, asked, until, why := p.managed, p.asked, p.until, p.why
	p.mu.Unlock()
	if now().Before(until) { // since another has asked meanwhile
		return false, why
	}
	if at := now(); !asked.IsZero() && at.Sub(asked) < askManaged && !at.Before(asked) {
		return managed, nil
	}
	was := managed
	managed, err := p.orders.TradeManaged(ctx)
	if oerr, ok := errors.AsType[*wechat.OrderError](err); ok && oerr.Kind == wechat.OrderFinal {
		p.logger.Warn("WeChat does not say whether it manages the mini program; reports go out as if it did", zap.String("appid", p.appID), zap.Error(err))
		managed, err = true, nil
	}
	p.heard("", err, now())
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	first := p.asked.IsZero()
	p.managed, p.asked = managed, now()
	p.mu.Unlock()
	if first || was != managed {
		p.logger.Info(map[bool]string{true: "WeChat manages the mini program: its money is frozen until shipping is reported",
			false: "WeChat does not manage the mini program: its money is not frozen, and nothing is reported"}[managed], zap.String("appid", p.appID))
	}
	return managed, nil
}

// heard goes by what WeChat answered to anything: a quota, or what only the merchant can mend, stops all questions, not one.
func (p *program) heard(step ledger.ShippingStep, err error, now time.Time) {
	oerr, ok := errors.AsType[*wechat.OrderError](err)
	p.mu.Lock()
	defer p.mu.Unlock()
	well := func() {
		if step == p.ailing || step == ledger.ShippingPost {
			p.faults, p.busy, p.since = 0, 0, time.Time{}
		}
	}
	if !ok {
		well()
		return
	}
	pause := time.Duration(0)
	switch oerr.Kind {
	case wechat.OrderConfiguration, wechat.OrderToken:
		pause = faultPauses[min(p.faults, len(faultPauses)-1)]
		p.faults++
	case wechat.OrderQuotaDay, wechat.OrderQuotaMinute:
		pause = oerr.RetryAfter(now)
	case wechat.OrderRetry, wechat.OrderUnknown:
		if p.busy++; p.busy >= busyAfter {
			pause = oerr.RetryAfter(now)
		}
	default: // of the one payment
		well()
		return
	}
	p.ailing = step
	if pause <= 0 {
		return
	}
	if p.since.IsZero() {
		p.since = now
	}
	p.until, p.why = now.Add(pause), err
	en, _ := oerr.Advice()
	p.logger.Error("WeChat is not asked about shipping for a while", zap.String("appid", p.appID), zap.Int("errcode", oerr.Code), zap.String("rid", oerr.Rid),
		zap.String("why", oerr.Message), zap.String("advice", en), zap.Time("until", p.until))
}
