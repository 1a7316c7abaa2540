package ledger

import "context"

// Succession is of a ledger on a server that another one may take the place of: a replica, or what was restored from a backup. That may lack the last of what
// was acknowledged, and nobody tells.
type Succession interface {
	// Succeeded says whether another server has the ledger than when compare was last run for the scope and returned nil, or else when this was first asked.
	// Then it runs compare, on one node at a time.
	Succeeded(ctx context.Context, s Scope, compare func(context.Context) error) (bool, error)
}
