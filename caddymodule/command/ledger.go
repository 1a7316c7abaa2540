package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

func ledgerCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Looks after the ledger",
		Long: `
Looks after the ledger of the running Caddy, and puts a backup of it where there is none.

  caddy pay ledger verify
  caddy pay ledger verify  --ledger /var/backups/ledger.db
  caddy pay ledger backup  /var/backups/ledger.db
  caddy pay ledger restore /var/backups/ledger.db /var/lib/caddy/pay/ledger.db
  caddy pay ledger export  /var/lib/caddy/pay/ledger.db /var/backups/ledger.jsonl
  caddy pay ledger import  /var/backups/ledger.jsonl '{env.PAY_LEDGER_DSN}'`,
	}
	c.flags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.verifyLedger(), c.backupLedger(), c.restoreLedger(), c.exportLedger(), c.importLedger())
	return cmd
}

func (c *running) verifyLedger() *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify", Short: "Reads the whole ledger and says whether it is damaged", Args: noFile,
		Long: `
Reads every page of the ledger and compares every index with its table, beside everything else. It takes minutes where there are millions
of events. The same check runs by itself five minutes after the start, and then once a week. Of a ledger in PostgreSQL it compares what is counted with what
there is; the server's own pg_amcheck looks at its pages.

With --ledger no Caddy is asked: the file is read as it is, a backup or a ledger that no program has open. Nothing is written, neither to it nor
beside it.

Exits 1 when something is damaged.`,
		Example: `  caddy pay ledger verify || echo "the ledger is damaged, or cannot be checked"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			check, err := c.checkLedger(cmd)
			if err != nil {
				return err
			}
			if err := c.show(cmd, check, func(w io.Writer) { printCheck(w, check) }); err != nil {
				return err
			}
			if !check.Sound && !filepath.IsAbs(check.File) && !cmd.Flags().Changed(ledgerFlag) {
				return errors.New("the ledger is damaged; stop Caddy on all nodes and restore the database from a backup (pg_restore, or the server's own), then run caddy pay reconcile --date for each day since")
			}
			if !check.Sound {
				return errors.New("the ledger is damaged; stop Caddy, move it away with its -wal file and put a backup in its place (caddy pay ledger restore), or repair it with sqlite3 " + check.File + " .recover")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&c.ledger, ledgerFlag, "", "A file that is read without asking Caddy: a backup, or the ledger of a Caddy that was stopped")
	return cmd
}

// noFile says where the name of a file belongs.
func noFile(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("verify takes the name of a file as --%s %s", ledgerFlag, plain.Text(args[0]))
	}
	return nil
}

// checkLedger has the running Caddy check its ledger, or checks a file that is named.
func (c *running) checkLedger(cmd *cobra.Command) (check *adminapi.LedgerCheck, err error) {
	if !cmd.Flags().Changed(ledgerFlag) {
		err = c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
			check, err = api.VerifyLedger(ctx)
			return err
		})
		return check, err
	}
	if err := c.named(cmd); err != nil {
		return nil, err
	}
	start := time.Now()
	faults, err := sqlite.Inspect(cmd.Context(), c.ledger)
	return &adminapi.LedgerCheck{File: c.ledger, Sound: len(faults) == 0, Faults: append([]string{}, faults...), MS: time.Since(start).Milliseconds()}, err
}

func printCheck(w io.Writer, check *adminapi.LedgerCheck) {
	for _, fault := range check.Faults { // SQLite tells of several in one
		for line := range strings.Lines(fault) {
			fmt.Fprintln(w, plain.Text(strings.TrimSuffix(line, "\n")))
		}
	}
	if check.Sound {
		fmt.Fprintf(w, "%s is sound (checked in %s)\n", plain.Text(check.File), time.Duration(check.MS)*time.Millisecond)
	}
}
