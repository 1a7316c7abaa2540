package caddymodule

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "pay",
		Usage: "<command>",
		Short: "Takes payments through Ping++: the demo and the sandbox",
		Long: `
The commands of caddypay, the Caddy plugin that takes payments through Ping++.

  caddy pay demo       one payment from login to delivered event, on this machine alone
  caddy pay sandbox    emulates Ping++ and WeChat`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(demoCommand(), sandboxCommand())
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		},
	})
}
