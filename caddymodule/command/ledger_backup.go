package command

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

func (c *running) backupLedger() *cobra.Command {
	return &cobra.Command{
		Use: "backup <file>", Short: "Copies the ledger while it is in use", Args: cobra.ExactArgs(1),
		Long: `
Copies the ledger, as it stands at this moment, into a file that must not exist, while payments go on. Caddy writes the file, with mode
0600, so its user needs to be able to write to the folder. The file has its name once all of it is on the disk, and is a whole ledger by itself:
it needs no -wal file beside it. A copy that is broken off leaves nothing.

caddy pay ledger restore puts it back. A ledger in PostgreSQL is backed up by the server's own tools, like pg_dump --schema=caddypay.`,
		Example: `  caddy pay ledger backup /var/backups/ledger-$(date +%F).db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			to, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			told := 0
			var b *adminapi.LedgerBackup
			err = c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				b, err = api.BackupLedger(ctx, adminapi.BackupOrder{File: to}, func(p adminapi.BackupProgress) {
					if tenth := 10 * p.Done / max(1, p.Pages); tenth > told {
						told = tenth
						fmt.Fprintf(cmd.ErrOrStderr(), "%d0 %% of %s\n", tenth, size(int64(p.Pages)*pageBytes))
					}
				})
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, b, func(w io.Writer) {
				fmt.Fprintf(w, "The ledger is in %s (%s in %s).\n", plain.Text(b.File), size(b.Bytes), time.Duration(b.MS)*time.Millisecond)
			})
		},
	}
}

const pageBytes = 4096 // of a page of the ledger

// size is a number of bytes as people say it.
func size(bytes int64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%d kB", (bytes+999)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}
