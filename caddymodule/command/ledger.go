package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

func ledgerCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Looks after the ledger",
		Long: `
Looks after the ledger of the running Caddy, and puts a backup of it where there is none.

  caddy pay ledger verify
  caddy pay ledger backup  /var/backups/ledger.db
  caddy pay ledger restore /var/backups/ledger.db /var/lib/caddy/pay/ledger.db`,
	}
	c.flags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.backupLedger(), c.restoreLedger(), &cobra.Command{
		Use: "verify", Short: "Reads the whole ledger and says whether it is damaged", Args: cobra.NoArgs,
		Long: `
Reads every page of the ledger and compares every index with its table, beside everything else. It takes minutes where there are millions
of events. The same check runs by itself five minutes after the start, and then once a week.

Exits 1 when something is damaged.`,
		Example: `  caddy pay ledger verify || echo "the ledger is damaged, or cannot be checked"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			var check *adminapi.LedgerCheck
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				check, err = api.VerifyLedger(ctx)
				return err
			})
			if err != nil {
				return err
			}
			if err := c.show(cmd, check, func(w io.Writer) { printCheck(w, check) }); err != nil {
				return err
			}
			if !check.Sound {
				return errors.New("the ledger is damaged; stop Caddy, move it away with its -wal file and put a backup in its place (caddy pay ledger restore), or repair it with sqlite3 " + check.File + " .recover")
			}
			return nil
		},
	})
	return cmd
}

func printCheck(w io.Writer, check *adminapi.LedgerCheck) {
	for _, fault := range check.Faults {
		fmt.Fprintln(w, plain.Text(fault))
	}
	if check.Sound {
		fmt.Fprintf(w, "%s is sound (checked in %s)\n", plain.Text(check.File), time.Duration(check.MS)*time.Millisecond)
	}
}
