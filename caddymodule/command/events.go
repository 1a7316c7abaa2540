package command

import (
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

func eventsCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "What Ping++ said, and whether the backend knows",
		Long: `
Lists events, shows one, and carries out what you decide about it.

  caddy pay events list --state held,dead
  caddy pay events list --order_no 1234
  caddy pay events show evt_…
  caddy pay events tail
  caddy pay events replay evt_…  --reason "the shop lost its database"
  caddy pay events replay --state dead --since 2h --preview
  caddy pay events replay --state dead --since 2h
  caddy pay events list --at_risk --ledger ledger.db    while Caddy is down`,
	}
	c.readFlags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listEvents(), c.showEvent(), c.tailEvents(),
		c.acts(c.decideEvents(ledger.ActionReplay, "Delivers events again; pending ones at once", "--state dead --since 2h --type charge.succeeded")),
		c.acts(c.decideEvents(ledger.ActionRelease, "Delivers held events, with the reasons that they were held for", `--since 1d --reason "the price list was wrong"`)),
		c.acts(c.decideEvents(ledger.ActionDiscard, "Decides that held, pending or dead events are never delivered", `--state dead --order_no 1234 --reason "refunded by hand"`)))
	return cmd
}

func scopeFlags(cmd *cobra.Command, ref *adminapi.EventRef) {
	cmd.Flags().StringVar(&ref.App, "app", "", "The Ping++ app, when several have an event of this id")
	cmd.Flags().StringVar(&ref.Mode, "mode", "", "The mode, live or test; with --app")
}
