package adminapi

import (
	"context"
	"net/http"
	"time"
)

// VerifyLedger reads the whole ledger. It goes on beside everything else, and may take minutes.
func (s *ledgerServer) VerifyLedger(ctx context.Context) (*LedgerCheck, error) {
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	faults, err := l.Verify(ctx)
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the ledger cannot be checked: %w", err)
	}
	return &LedgerCheck{File: s.file, Sound: len(faults) == 0, Faults: append([]string{}, faults...), MS: time.Since(start).Milliseconds()}, nil
}

// VerifyLedger is Server.VerifyLedger.
func (c *ledgerClient) VerifyLedger(ctx context.Context) (*LedgerCheck, error) {
	return post[LedgerCheck](ctx, c.Endpoint, "/pay/ledger/verify", nil, nothing{})
}
