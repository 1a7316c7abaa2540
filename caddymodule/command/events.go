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
Lists the events of the running Caddy, shows one, and carries out what you decide about it.

  caddy pay events list --state held,dead
  caddy pay events list --order_no 1234
  caddy pay events show evt_…
  caddy pay events replay evt_…  --reason "the shop lost its database"`,
	}
	c.flags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listEvents(), c.showEvent(),
		c.decideEvent(ledger.ActionReplay, "Delivers an event again; a pending one at once"),
		c.decideEvent(ledger.ActionRelease, "Delivers a held event, with the reasons that it was held for"),
		c.decideEvent(ledger.ActionDiscard, "Decides that a held, pending or dead event is never delivered"))
	return cmd
}

func scopeFlags(cmd *cobra.Command, ref *adminapi.EventRef) {
	cmd.Flags().StringVar(&ref.App, "app", "", "The Ping++ app, when several have an event of this id")
	cmd.Flags().StringVar(&ref.Mode, "mode", "", "The mode, live or test; with --app")
}
