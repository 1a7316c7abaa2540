package memory

import (
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest"
)

func open(rows *Rows) *Ledger { return Open(rows, time.Unix(0, 0)) }

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledger.Ledger { return open(NewRows()) })
}

func TestLedgerShared(t *testing.T) {
	ledgertest.RunShared(t, func(*testing.T) (a, b ledger.Ledger) {
		rows := NewRows()
		return open(rows), open(rows)
	})
}

func TestMove(t *testing.T) {
	empty := func(*testing.T) ledgertest.Mover { return open(NewRows()) }
	ledgertest.RunMove(t, empty, empty)
}
