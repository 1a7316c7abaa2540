package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/postgres"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// ledgerMoved is what the commands answer in JSON.
type ledgerMoved struct {
	File   string           `json:"file"`   // the export; - for standard input or output
	Ledger string           `json:"ledger"` // without what is secret of a DSN
	Lines  int64            `json:"lines"`
	Counts map[string]int64 `json:"counts"` // of them, by what they are about
	SHA256 string           `json:"sha256"` // of the lines, and, after an import, of what is in the ledger
	MS     int64            `json:"ms"`     // milliseconds that it took
}

const movePatience = time.Minute // for one transaction: nobody pays meanwhile

func (c *running) exportLedger() *cobra.Command {
	return &cobra.Command{
		Use: "export <ledger> <file>", Short: "Writes a whole ledger as lines of JSON; asks no running Caddy", Args: cobra.ExactArgs(2),
		Long: `
Writes all that is in a ledger into a file that must not exist, with mode 0600; - writes to standard output. The ledger is the SQLite file, or the DSN of
the database; a DSN may be a placeholder, like {env.PAY_LEDGER_DSN}, so that no password stands in the list of processes. What is written is the ledger
as it is at one moment. To move it, stop Caddy on all nodes first: what is recorded later is not in it.

caddy pay ledger import puts it into another ledger, of either kind.`,
		Example: `  caddy pay ledger export /var/lib/caddy/pay/ledger.db /var/backups/ledger.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			if err := askNobody(cmd); err != nil {
				return err
			}
			from, err := movableLedger(cmd.Context(), args[0], false)
			if err != nil {
				return err
			}
			if from.users > 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "The ledger is in use: what is recorded from now on is not in the export. To move it, stop Caddy on all nodes first.")
			}
			start := time.Now()
			var m core.Moved
			err = written0600(cmd, args[1], func(to io.Writer) (err error) {
				m, err = from.Export(cmd.Context(), to, tellMoved(cmd))
				return err
			})
			if err = errors.Join(err, from.Close()); err != nil {
				return err
			}
			return c.showMoved(cmd, ledgerMoved{args[1], from.label, m.Lines, m.Counts, m.SHA256, time.Since(start).Milliseconds()}, "is exported to "+args[1])
		},
	}
}

func (c *running) importLedger() *cobra.Command {
	return &cobra.Command{
		Use: "import <file> <ledger>", Short: "Puts an exported ledger into an empty one; asks no running Caddy", Args: cobra.ExactArgs(2),
		Long: `
Reads what caddy pay ledger export wrote, - from standard input, and puts it into a ledger in which there is nothing: an SQLite file, which is made, or the
DSN of a database, which may be a placeholder, like {env.PAY_LEDGER_DSN}. No Caddy may use it yet. An import that is broken off goes on where it was when
it is run again with the same file. In the end what is in the ledger is read once more and compared with the export, line by line.

Session keys are no part of the ledger: name them in session { key … } to keep payers logged in, or they log in once more.`,
		Example: `  caddy pay ledger import /var/backups/ledger.jsonl '{env.PAY_LEDGER_DSN}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			if err := askNobody(cmd); err != nil {
				return err
			}
			in := io.NopCloser(cmd.InOrStdin())
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				in = file
			}
			defer in.Close()
			to, err := movableLedger(cmd.Context(), args[1], true)
			if err != nil {
				return err
			}
			if to.users > 0 {
				return errors.Join(fmt.Errorf("%s is in use by %d other processes or connections; stop Caddy on all nodes that have it", to.label, to.users), to.Close())
			}
			start := time.Now()
			m, err := to.Import(cmd.Context(), in, start, tellMoved(cmd))
			if err = errors.Join(err, to.Close()); err != nil {
				return err
			}
			return c.showMoved(cmd, ledgerMoved{args[0], to.label, m.Lines, m.Counts, m.SHA256, time.Since(start).Milliseconds()}, "has all of "+args[0]+", and nothing else")
		},
	}
}

// movable is a ledger of either kind.
type movable struct {
	mover
	label string
	users int // others that have it open, as far as can be seen
}

type mover interface {
	Export(ctx context.Context, to io.Writer, tell func(core.Moved)) (core.Moved, error)
	Import(ctx context.Context, from io.Reader, now time.Time, tell func(core.Moved)) (core.Moved, error)
	Close() error
}

// movableLedger opens the ledger that an argument names, for reading or to be filled.
func movableLedger(ctx context.Context, named string, fill bool) (m movable, err error) {
	name, err := caddy.NewReplacer().ReplaceOrErr(named, true, true)
	if err != nil || name == "" {
		return m, fmt.Errorf("%s resolves to nothing; set the variable in this environment, or name the ledger itself", plain.Text(named))
	}
	if inDatabase(name) {
		if m.label, err = postgres.Place(name); err != nil {
			return m, err
		}
		l, err := postgres.Open(ctx, postgres.Options{DSN: name, NoListen: true, Patience: movePatience})
		if err != nil {
			return m, err
		}
		m.mover = l
		if m.users, err = l.Others(ctx); err != nil {
			return m, errors.Join(err, l.Close())
		}
		return m, nil
	}
	if m.label, err = filepath.Abs(name); err != nil {
		return m, err
	}
	m.users = len(check.Users(m.label))
	if fill {
		m.mover, err = sqlite.Open(ctx, sqlite.Options{File: name})
	} else {
		m.mover, err = sqlite.OpenReading(ctx, name)
	}
	return m, err
}

// written0600 writes a file that is there only if it is whole.
func written0600(cmd *cobra.Command, name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(cmd.OutOrStdout())
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// tellMoved says on standard error how far it is, each second at most.
func tellMoved(cmd *cobra.Command) func(core.Moved) {
	last := time.Now()
	return func(m core.Moved) {
		if time.Since(last) >= time.Second {
			last = time.Now()
			fmt.Fprintf(cmd.ErrOrStderr(), "%d lines: %s\n", m.Lines, countsOf(m.Counts))
		}
	}
}

func countsOf(counts map[string]int64) string {
	var all []string
	for about, n := range counts {
		all = append(all, fmt.Sprintf("%d %s", n, about))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// showMoved says what was done; where the export itself is on standard output, on standard error.
func (c *running) showMoved(cmd *cobra.Command, m ledgerMoved, done string) error {
	if m.File == "-" && strings.HasPrefix(done, "is exported") {
		cmd.SetOut(cmd.ErrOrStderr())
	}
	return c.show(cmd, m, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s: %s (%d lines, sha256 %s, in %s).\n", plain.Text(m.Ledger), plain.Text(done), countsOf(m.Counts), m.Lines, m.SHA256,
			(time.Duration(m.MS) * time.Millisecond).Round(time.Millisecond))
	})
}
