package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// LedgerCheck is what a check of the whole ledger found.
type LedgerCheck struct {
	File   string   `json:"file"`
	Sound  bool     `json:"sound"`
	Faults []string `json:"faults"` // in SQLite's words, a hundred at most
	MS     int64    `json:"ms"`     // milliseconds that it took
}

// verifyLedger reads the whole ledger. It goes on beside everything else.
func (a *Admin) verifyLedger(w http.ResponseWriter, r *http.Request) error {
	if err := needMethod(r, http.MethodPost); err != nil {
		return err
	}
	app, err := activeApp()
	if err != nil {
		return err
	}
	l, err := app.store.open(r.Context())
	if err != nil {
		return apiError(http.StatusServiceUnavailable, "the ledger cannot be opened: %w", err)
	}
	start := time.Now()
	faults, err := l.Verify(r.Context())
	if err != nil {
		return apiError(http.StatusServiceUnavailable, "the ledger cannot be checked: %w", err)
	}
	return answerJSON(w, LedgerCheck{
		File: app.path, Sound: len(faults) == 0, Faults: append([]string{}, faults...), MS: time.Since(start).Milliseconds(),
	})
}

func ledgerCommand() *cobra.Command {
	c := &adminClient{}
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Looks after the ledger",
		Long: `
Looks after the ledger of the running Caddy.

  caddy pay ledger verify`,
	}
	c.flags(cmd)
	verbs(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "verify", Short: "Reads the whole ledger and says whether it is damaged", Args: cobra.NoArgs,
		Long: `
Reads every page of the ledger and compares every index with its table, beside everything else. It takes minutes where there are millions
of events. The same check runs by itself five minutes after the start, and then once a week.

Exits 1 when something is damaged.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			var check LedgerCheck
			printed, err := c.call(cmd, http.MethodPost, "/pay/ledger/verify", nil, struct{}{}, &check)
			if err != nil {
				return err
			}
			if !printed {
				for _, fault := range check.Faults {
					fmt.Fprintln(cmd.OutOrStdout(), plain(fault))
				}
			}
			if !check.Sound {
				return errors.New("the ledger is damaged; stop Caddy and restore it together with its -wal file from a backup, or repair it with sqlite3 " + check.File + " .recover")
			}
			if !printed {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is sound (checked in %s)\n", check.File, time.Duration(check.MS)*time.Millisecond)
			}
			return nil
		},
	})
	return cmd
}
