package caddymodule

import (
	"fmt"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/demo"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "pay",
		Usage: "<command>",
		Short: "Takes payments through Ping++: demo, sandbox, events, ledger",
		Long: `
The commands of caddypay, the Caddy plugin that takes payments through Ping++.

  caddy pay demo       one payment from login to delivered event, on this machine alone
  caddy pay sandbox    emulates Ping++ and WeChat
  caddy pay events     what Ping++ said, and whether the backend knows
  caddy pay reconcile  compares a day with Ping++'s list of charges
  caddy pay ledger     checks that the ledger is sound`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(demo.Command(demo.Host{Ledger: shareLedger, WebhookClient: webhookClient}), sandboxCommand(), eventsCommand(), reconcileCommand(), ledgerCommand())
			verbs(cmd)
			plainOutput(cmd)
		},
	})
}

// verbs makes a command that only has others beneath it refuse what is none of them; alone it shows its help.
func verbs(cmd *cobra.Command) {
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
		if near := nearest(args[0], known); near != "" {
			return fmt.Errorf("unknown command %q; write: %s %s", args[0], cmd.CommandPath(), near)
		}
		return fmt.Errorf("unknown command %q; %s has: %s", args[0], cmd.CommandPath(), strings.Join(known, ", "))
	}
}
