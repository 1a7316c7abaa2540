package nightly

import (
	"cmp"
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

const (
	successionLook  = 10 * time.Second // between two looks whether another server has the ledger
	successionAgain = time.Minute      // after a comparison that failed
	successionSpan  = 24 * time.Hour   // before now: a charge that was paid just now was created within it
)

// follow compares the last days once more whenever another server has the ledger, until ctx ends.
func (n *Nights) follow(ctx context.Context) {
	for wait := time.Duration(0); ; {
		if sleep(ctx, wait); ctx.Err() != nil {
			return
		}
		wait = cmp.Or(n.look, successionLook)
		l, err := n.Ledger(ctx)
		if err != nil { // whoever needs it says so
			continue
		}
		server, ok := l.(ledger.Succession)
		if !ok {
			return
		}
		did, err := server.Succeeded(ctx, n.Scope, n.compareLast)
		if did && err != nil && ctx.Err() == nil {
			n.Logger.Error("the last days could not be compared with Ping++ after another server has taken the ledger over, trying again in a minute", zap.Error(err))
			wait = max(wait, cmp.Or(n.look, successionAgain))
		}
	}
}

// compareLast compares the days that the last hours touch, and what went back of payments before them.
func (n *Nights) compareLast(ctx context.Context) error {
	now := n.Now()
	first := dayOf(now.Add(-successionSpan))
	n.Logger.Warn("another server has the ledger's database now: it may lack what was acknowledged last. The days since then are compared with Ping++'s list; "+
		"if it was restored from an older backup, run caddy pay reconcile --date for those before",
		zap.String("scope", n.Scope.Key()), zap.String("from", first.Format(time.DateOnly)))
	for day := first; !day.After(now); day = day.AddDate(0, 0, 1) {
		s, err := n.Day(ctx, day)
		if err == nil && day.Equal(first) {
			err = n.compareEarlier(ctx, s, day)
		}
		if err != nil {
			return err
		}
		n.report(s)
	}
	return nil
}
