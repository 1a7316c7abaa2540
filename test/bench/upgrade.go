package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caddypay/caddypay/ledger/ledgertest/old"
)

// upgrade measures how long it takes from the start of Caddy until the first webhook is recorded, when the ledger was written by the oldest version,
// and again when it is up to date.
func (b *bench) upgrade() error {
	c, err := b.prepare("old", paying)
	if err != nil {
		return err
	}
	file := filepath.Join(c.dir, "ledger.db")
	start := time.Now()
	if err := old.Write1(file, old.Paid1(b.box.App(), "test", b.rows, min(b.rows, withBody))); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(b.progress, "%d events in %s … ", b.rows, time.Since(start).Round(100*time.Millisecond))
	var took []float64 // seconds
	for range 2 {
		start := time.Now()
		if err := b.start(c); err != nil {
			return err
		}
		for {
			r, err := closed(c.addr, b.hooks.requests(c.addr, 1), 1, time.Second, false)
			if err != nil {
				return err
			}
			if r.ok == 1 {
				break
			}
			if time.Since(start) > time.Minute {
				return fmt.Errorf("no webhook was recorded: %s\n%s", r.why, c.log())
			}
		}
		took = append(took, time.Since(start).Seconds())
		c.stop()
	}
	b.report.plain(fmt.Sprintf("start with %d events of the oldest version", b.rows), took[:1], "s", target{most: 5}, fmt.Sprintf("of this one %.1f s", took[1]))
	return nil
}
