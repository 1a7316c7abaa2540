package adminapi

import (
	"context"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// books is what all of a Server's parts read: the ledger, and whose of it.
type books struct {
	open    func(context.Context) (ledger.Ledger, error)
	running func() []ledger.Scope // of the sites, always in one order
	log     *zap.Logger           // is told of what persons decide
}

func (b *books) ledger(ctx context.Context) (ledger.Ledger, error) {
	l, err := b.open(ctx)
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the ledger cannot be opened: %w", err)
	}
	return l, nil
}

// scopesOf returns the scope named, or all of the running sites.
func (b *books) scopesOf(named ledger.Scope) []ledger.Scope {
	if named != (ledger.Scope{}) {
		return []ledger.Scope{named}
	}
	return b.running()
}

// names are the apps and modes of the running sites.
func (b *books) names() string {
	var all []string
	for _, scope := range b.running() {
		all = append(all, scope.Key())
	}
	return strings.Join(all, ", ")
}

// paused says which of some scopes are.
func (b *books) paused(ctx context.Context, scopes []ledger.Scope) ([]PauseView, error) {
	l, err := b.ledger(ctx)
	if err != nil {
		return nil, err
	}
	all := []PauseView{}
	for _, scope := range scopes {
		f, err := l.Figures(ctx, scope)
		if err != nil {
			return nil, unread(err)
		}
		if f.Paused != nil {
			all = append(all, *viewPause(scope, f.Paused))
		}
	}
	return all, nil
}

func unread(err error) error {
	return refuse(http.StatusServiceUnavailable, "reading the ledger: %w", err)
}
