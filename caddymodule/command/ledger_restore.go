package command

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/relay/nightly"
)

// ledgerRestored is what the command answers in JSON.
type ledgerRestored struct {
	File   string    `json:"file"`
	Bytes  int64     `json:"bytes"`
	Schema int       `json:"schema"`        // version of its tables
	Events int64     `json:"events"`        // that are in it
	Last   time.Time `json:"last,omitzero"` // when the last of them came
	MS     int64     `json:"ms"`            // milliseconds that it took
}

func (c *running) restoreLedger() *cobra.Command {
	return &cobra.Command{
		Use: "restore <backup> <ledger file>", Short: "Puts a backup where there is no ledger; asks no running Caddy", Args: cobra.ExactArgs(2),
		Long: `
Copies a backup to where the ledger is to be (ledger sqlite <file> in the Caddyfile), with mode 0600. Caddy must not run there. Nothing is
overwritten: what is left of the lost ledger, also files that end in -wal and -shm, has to be moved away first. The copy has its name once every page
of it was found sound and is on the disk. A backup of an older caddypay is brought up to date when Caddy starts; one of a newer is refused.`,
		Example: `  caddy pay ledger restore /var/backups/ledger-2026-11-22.db /var/lib/caddy/pay/ledger.db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			if err := askNobody(cmd); err != nil {
				return err
			}
			if inDatabase(args[0]) || inDatabase(args[1]) {
				return errors.New("a ledger in PostgreSQL is restored by the server's own tools: stop Caddy on all nodes, make an empty database and run pg_restore --dbname=… ledger.dump, " +
					"then start Caddy and run caddy pay reconcile --date for each day since the backup")
			}
			start := time.Now()
			r, err := sqlite.Restore(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			to, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), afterRestore, start.In(nightly.China).Format(time.DateOnly))
			answer := ledgerRestored{File: to, Bytes: r.Bytes, Schema: r.Schema, Events: r.Events, Last: r.Last, MS: time.Since(start).Milliseconds()}
			return c.show(cmd, answer, func(w io.Writer) { printRestored(w, answer) })
		},
	}
}

func printRestored(w io.Writer, r ledgerRestored) {
	fmt.Fprintf(w, "%s is sound, and in its place: %s, %d events", plain.Text(r.File), size(r.Bytes), r.Events)
	if !r.Last.IsZero() {
		fmt.Fprintf(w, ", the last of them from %s", r.Last.Format(time.DateTime+" MST"))
	}
	fmt.Fprintln(w)
}

const afterRestore = `What to do now:
1. Let Caddy's user own the file and its folder, and start Caddy.
2. Run: caddy pay reconcile --date %s
   What was paid or refunded since the backup is learned from Ping++, and your backend hears of it, once more if it had heard before. The
   comparison of the night does the same for the days between. Charges made since then are listed as only_there: they are Ping++'s, and no longer the
   ledger's own.
3. Look at what waits: caddy pay events list --state held,dead
   Decisions made since the backup are forgotten: what was released, replayed or discarded since stands as it did before.
`
