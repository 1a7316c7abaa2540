package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
)

const maxFaults = 100 // that Verify names

// quickCheck is how long the opening looks at what is urgent: a million pending events take about as long.
const quickCheck = 2 * time.Second

// checkQuickly returns an error when what the statements read is damaged. What it does not reach in the time given is left to Verify.
func checkQuickly(ctx context.Context, p *pool, urgent []string, most time.Duration) error {
	short, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := p.with(short, func(c *Conn) error {
		for _, query := range urgent {
			if err := c.Run(query, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if short.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Verify reads every page, compares every index with its table, and what is counted with what there is, on a connection of its own. While it
// reads, the -wal file grows. It is ended when the disk fails and the -wal file has to begin anew.
func (f *File) Verify(ctx context.Context) (faults []string, err error) {
	damage, miscounted, err := f.verify(ctx)
	return append(damage, miscounted...), err
}

func (f *File) verify(ctx context.Context) (damage, miscounted []string, err error) {
	if err := f.Read(ctx, func(*Conn) error { return nil }); err != nil { // closed, or gone
		return nil, nil, err
	}
	err = f.long(ctx, func(ctx context.Context) error {
		c, err := connectReads(ctx, f.path)
		if err != nil {
			return err
		}
		defer c.close()
		defer c.until(ctx)()
		if damage, err = checkPages(c); err == nil && len(damage) == 0 {
			miscounted, err = f.engine.Sound(c, maxFaults)
		}
		return err
	})
	if isCorrupt(err) { // so much that it cannot even be checked
		return append(damage, err.Error()), nil, nil
	}
	return damage, miscounted, f.wrap(err)
}

// checkPages reads every page, and compares every index with its table.
func checkPages(c *Conn) (damage []string, err error) {
	err = c.Run(fmt.Sprintf("PRAGMA integrity_check(%d)", maxFaults), func(s *sqlite.Stmt) (more bool, err error) {
		if fault := s.ColumnText(0); fault != "ok" {
			damage = append(damage, fault)
		}
		return true, nil
	})
	return damage, err
}

// long reads something that may take long. The context that read gets ends when the writer needs a pause.
func (f *File) long(ctx context.Context, read func(ctx context.Context) error) error {
	ctx, done := f.pauses.takeLong(ctx)
	defer done()
	err := read(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errYield) {
		return errYield
	}
	return err
}
