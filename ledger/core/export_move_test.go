package core

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// Lines of an export, for tests that write one.
type (
	MoveLine    = moveLine
	MovedEvent  = movedEvent
	MovedCharge = movedCharge
	MovedQuote  = movedQuote
	MovedAudit  = movedAudit
	MovedScope  = movedScope
)

// MoveBatch is how many lines are moved at once.
const MoveBatch = moveBatch

// Written is an export of lines, with an id.
func Written(id string, lines ...MoveLine) (export []byte) {
	export = fmt.Appendf(nil, `{"head":{"format":1,"id":%q}}`+"\n", id)
	sum := sha256.New()
	for _, l := range lines {
		raw, err := encodeLine(l)
		if err != nil {
			panic(err)
		}
		sum.Write(raw)
		export = append(export, raw...)
	}
	return fmt.Appendf(export, `{"end":{"counts":{},"sha256":"%x","lines":%d}}`+"\n", sum.Sum(nil), len(lines))
}

// Rows reads what an engine keeps.
func (l *Ledger) Rows(ctx context.Context, read func(Reader) error) error {
	return l.store.Read(ctx, read)
}

// Kept is what a ledger is over.
func (l *Ledger) Kept() Store { return l.store }
