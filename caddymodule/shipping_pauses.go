package caddymodule

import (
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
)

// pauses are why WeChat is not asked about payments of an app and mode now, by this process.
func (a *App) pauses(scope ledger.Scope) (all []shipping.Pause) {
	reporters := a.reporters.Load()
	if reporters == nil {
		return nil
	}
	for _, r := range *reporters {
		if r.Scope() == scope {
			all = append(all, r.Pauses(time.Now())...)
		}
	}
	return all
}
