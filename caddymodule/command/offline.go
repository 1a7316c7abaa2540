package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

const ledgerFlag = "ledger"

// readFlags are flags, and the one that reads the ledger's file when no Caddy can be asked.
func (c *running) readFlags(cmd *cobra.Command) {
	c.flags(cmd)
	cmd.PersistentFlags().StringVar(&c.ledger, ledgerFlag, "", "The ledger's file, which is read without asking Caddy, and never written")
}

// acts makes a command refuse the file that those beside it read, before it asks anything else.
func (c *running) acts(cmd *cobra.Command) *cobra.Command {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed(ledgerFlag) {
			return nil
		}
		cmd.SilenceUsage = true
		return fmt.Errorf("--%s: a file is only read, and %s needs a running Caddy; start it, and leave the flag out", ledgerFlag, cmd.CommandPath())
	}
	return cmd
}

// openLedger returns a client of the ledger that the flag names. What is read of it is complete; where Caddy is down nothing goes on in it.
func (c *running) openLedger(cmd *cobra.Command) (api *adminapi.Client, end func() error, err error) {
	if err := c.named(cmd); err != nil {
		return nil, nil, err
	}
	l, err := sqlite.OpenReading(cmd.Context(), c.ledger)
	if err != nil {
		return nil, nil, err
	}
	scopes, err := l.Scopes(cmd.Context())
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	if !c.asJSON {
		fmt.Fprintf(cmd.ErrOrStderr(), "Read from %s, last written at %s, without asking Caddy: what is still to come comes only while it runs\n",
			plain.Text(l.Path()), written(l.Path()).Local().Format(zoned))
	}
	return adminapi.ClientOf(adminapi.NewReader(l, l.Path(), scopes)), l.Close, nil
}

// named makes sure that the flag names a file, and that no other names a running Caddy.
func (c *running) named(cmd *cobra.Command) error {
	if c.ledger == "" {
		return fmt.Errorf("--%s needs a file: the one that ledger sqlite <file> names in the Caddyfile, or else %s", ledgerFlag, shellWord(defaultLedger()))
	}
	if inDatabase(c.ledger) {
		return fmt.Errorf("--%s takes the name of a file, and this is the DSN of a database; ask a running Caddy, of any node, and leave the flag out", ledgerFlag)
	}
	return askNobody(cmd)
}

// inDatabase says that what should be the name of a file is a DSN, which may hold a password: it is not to be shown.
func inDatabase(name string) bool {
	for _, sign := range []string{"postgres://", "postgresql://", "host=", "dbname=", "password="} {
		if strings.Contains(name, sign) {
			return true
		}
	}
	return false
}

// askNobody refuses the flags that name a running Caddy where none is asked.
func askNobody(cmd *cobra.Command) error {
	for _, name := range []string{"address", "config", "adapter"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s: no running Caddy is asked about a file; leave one of the two out", name)
		}
	}
	return nil
}

// written is when something was last written to a ledger.
func written(file string) (last time.Time) {
	for _, part := range []string{file, file + "-wal"} {
		if info, err := os.Stat(part); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// defaultLedger is where the ledger is unless the configuration names another place.
func defaultLedger() string { return filepath.Join(caddy.AppDataDir(), "pay", "ledger.db") }

// packagedLedger is where it is for the user caddy of Caddy's own packages for Linux, whom few operators are.
const packagedLedger = "/var/lib/caddy/.local/share/caddy/pay/ledger.db"

// knownLedgers are where a ledger may be, by a configuration, if there is one, and by default; none if it is in no file.
func knownLedgers(config []byte) []string {
	var c struct {
		Apps struct {
			Pay struct {
				Ledger struct{ Driver, File string }
			}
		}
	}
	_ = json.Unmarshal(config, &c) // whoever reads it for the address has said what is wrong with it
	switch l := c.Apps.Pay.Ledger; {
	case l.Driver != "" && l.Driver != "sqlite":
		return nil
	case l.File != "":
		return []string{caddy.NewReplacer().ReplaceAll(l.File, "")}
	}
	return []string{defaultLedger(), packagedLedger}
}

// insteadOfCaddy says how the ledger is read while no Caddy can be asked; nothing for a command that does not read it.
func insteadOfCaddy(cmd *cobra.Command, config []byte) string {
	known := knownLedgers(config)
	if cmd.Flags().Lookup(ledgerFlag) == nil || cmd.PreRunE != nil || known == nil {
		return ""
	}
	name := "<file>"
	if at := slices.IndexFunc(known, func(file string) bool { _, err := os.Stat(file); return err == nil }); at >= 0 {
		name = shellWord(known[at])
	}
	return fmt.Sprintf("; while Caddy is down, or its admin endpoint off, the ledger itself can be read: --%s %s", ledgerFlag, name)
}

// shellWord is a file's name as a shell takes it.
func shellWord(file string) string {
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/.-_", r))
	}
	if !strings.ContainsFunc(file, strange) {
		return file
	}
	return "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
}
