// Package command is `caddy pay`: one file a verb. The verbs that speak to a running Caddy are the client of package adminapi; none decides
// itself what may be done. It has more than 25 files since it has as many verbs.
package command

import (
	"fmt"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/demo"
	"github.com/caddypay/caddypay/sandbox"
)

// Host is what the commands need of the modules.
type Host struct {
	demo.Host
	// Sandbox makes an emulated Ping++ and WeChat. What is not given it has from the folder, where it keeps it for the next time; so is the
	// public key that verifies its webhooks, in the file that is returned.
	Sandbox func(SandboxOptions) (box *sandbox.Sandbox, publicKey string, err error)
}

// Register adds the command to Caddy's.
func Register(h Host) {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "pay",
		Usage: "<command>",
		Short: "Takes payments through Ping++: demo, sandbox, orders, events, ledger",
		Long: `
The commands of caddypay, the Caddy plugin that takes payments through Ping++.

  caddy pay demo       one payment from login to delivered event, on this machine alone
  caddy pay sandbox    emulates Ping++ and WeChat
  caddy pay find       what goes by a number, and the page of its order
  caddy pay orders     orders, each with its whole life, and what Ping++ says of it now
  caddy pay charges    attempts to pay
  caddy pay refunds    money that goes back
  caddy pay shipping   what WeChat was told of shipping, and the money that it keeps until then
  caddy pay figures    what waits, and how much money is at risk
  caddy pay events     what Ping++ said, and whether the backend knows
  caddy pay runs       what goes on with many of them
  caddy pay pause      delivers nothing until caddy pay resume
  caddy pay audit      what was decided, by whom and why
  caddy pay console    all of this as a page, on this machine
  caddy pay check      looks at everything that a payment needs, and tries the backend
  caddy pay reconcile  compares a day with Ping++'s list of charges
  caddy pay ledger     checks the ledger, backs it up and restores it
  caddy pay health     whether payments can be taken, for probes
  caddy pay keygen     makes a key or a secret for the Caddyfile
  caddy pay trigger    lets something happen to an order in the sandbox
  caddy pay verify     whether Ping++ signed a webhook
  caddy pay version    which caddypay this is, and in which Caddy

Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 refused or failed, 2 done in part; a command that has others says so.`,
		CobraFunc: func(cmd *cobra.Command) { add(cmd, h) },
	})
}

func add(cmd *cobra.Command, h Host) {
	cmd.AddCommand(demo.Command(h.Host), sandboxCommand(h.Sandbox), findCommand(), ordersCommand(), chargesCommand(), refundsCommand(), shippingCommand(), figuresCommand(),
		eventsCommand(), runsCommand(), pauseCommand(), resumeCommand(), auditCommand(), checkCommand(), reconcileCommand(), ledgerCommand(),
		healthCommand(), keygenCommand(), triggerCommand(), verifyCommand(), versionCommand(), consoleCommand())
	verbs(cmd)
	plainOutput(cmd)
}

// verbs makes a command that only has others beneath it refuse what is none of them; alone it shows its help.
func verbs(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		cmd.SilenceUsage = true
		var known []string
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				known = append(known, sub.Name())
			}
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return fmt.Errorf("unknown command %q; write: %s %s", args[0], cmd.CommandPath(), strings.Join(near, " or "))
		}
		return fmt.Errorf("unknown command %q; %s has: %s", args[0], cmd.CommandPath(), strings.Join(known, ", "))
	}
}
