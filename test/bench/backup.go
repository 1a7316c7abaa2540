package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/caddypay/caddypay/adminapi"
)

// backup measures how many webhooks are taken while the big ledger is copied, and while it is not, in turns.
func (b *bench) backup() error {
	rates := make(map[bool][]float64)
	var copied []float64 // MB a second
	for round := range 2 * b.rounds {
		during := round%2 != round/2%2 // neither is always the first
		end := func() (pages int, err error) { return 0, nil }
		if during {
			end = b.copies(b.many)
		}
		r, err := b.flood("many", b.many.addr, b.round())
		pages, failed := end()
		if err == nil {
			err = failed
		}
		if err != nil {
			return err
		}
		b.many.backend.drain(20 * time.Second)
		rates[during] = append(rates[during], r.rate())
		if during {
			copied = append(copied, float64(pages)*4096/1e6/r.elapsed.Seconds())
		}
	}
	b.report.compare("accept while a backup runs", rates[true], "/s", "without", rates[false], target{least: 0.95}, fmt.Sprintf("%.0f MB/s copied", median(copied)))
	return nil
}

// copies has a site copy its ledger again and again, until the end, which says how many pages were copied, as far as is known.
func (b *bench) copies(c *site) (end func() (pages int, err error)) {
	ctx, stop := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	client := adminapi.NewClient(adminapi.Endpoint{HTTP: http.DefaultClient, URL: "http://" + c.admin, Origin: "http://" + c.admin})
	to := filepath.Join(c.dir, "copy.db")
	pages := 0
	go func() {
		for {
			last := 0
			whole, err := client.BackupLedger(ctx, adminapi.BackupOrder{File: to}, func(p adminapi.BackupProgress) { last = p.Done })
			if err == nil {
				last, err = int(whole.Bytes/4096), os.Remove(to)
			}
			if pages += last; err != nil {
				done <- err
				return
			}
		}
	}()
	return func() (int, error) {
		stop()
		if err := <-done; ctx.Err() == nil {
			return pages, err
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // Caddy ends what nobody waits for
			if _, err := os.Stat(to + ".part"); os.IsNotExist(err) {
				break
			}
			if time.Now().After(deadline) {
				return pages, fmt.Errorf("a copy did not end\n%s", c.log())
			}
		}
		if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
			return pages, err
		}
		return pages, nil
	}
}
