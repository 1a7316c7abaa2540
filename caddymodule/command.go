package caddymodule

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
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
			cmd.AddCommand(demoCommand(), sandboxCommand(), eventsCommand(), reconcileCommand(), ledgerCommand())
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			plainOutput(cmd)
		},
	})
}
