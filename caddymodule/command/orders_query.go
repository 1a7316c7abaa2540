package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
)

// queryOrders asks Ping++ about one order, or about all that a filter chooses.
func (c *running) queryOrders() *cobra.Command {
	d := &decision{running: c, intent: adminapi.Intent{Action: adminapi.ActionQuery}}
	cmd := c.oneOrder("query", "Asks Ping++ now about one, and shows it; or about all that a filter chooses",
		func(ctx context.Context, api *adminapi.Client, app, mode, no string) (*adminapi.OrderLife, error) {
			return api.Query(ctx, app, mode, no)
		})
	one := cmd.RunE
	cmd.Use = "query [<order>]"
	cmd.Long = `
Asks Ping++ now about what is not known of an order, and shows the order.

Or choose orders by a filter, as after hours without webhooks: then you see first how many match, about how many there is a
question, and why not about the others; Caddy goes on by itself, no faster than an app may ask Ping++ while nobody else has to
wait. It goes on after this command has ended, and after Caddy was started anew; caddy pay runs shows how far it is, and stops it.
What it learns is recorded and delivered like anything else.

  caddy pay orders query 1234
  caddy pay orders query --since 2h --preview
  caddy pay orders query --status created,expired --since 1d --yes

Exits 1 when nothing was asked, and 2 when not about all.`
	cmd.Example = ""
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		filtered := cmd.Flags().Changed("status") || cmd.Flags().Changed("since") || cmd.Flags().Changed("until")
		switch {
		case len(args) > 1:
			return errors.New("name one order, or give a filter like --since 2h")
		case len(args) == 0 && !filtered:
			return errors.New("requires an order, or a filter like --since 2h")
		case len(args) > 0 && filtered:
			return errors.New("name an order or give a filter, not both")
		}
		return d.alone(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return one(cmd, args)
		}
		cmd.SilenceUsage = true
		i := &d.intent
		i.Said = localUser()
		i.App, _ = cmd.Flags().GetString("app")
		i.Mode, _ = cmd.Flags().GetString("mode")
		return d.all(cmd)
	}
	f, i := cmd.Flags(), &d.intent
	f.StringSliceVar(&i.States, "status", nil, "By filter: those of these statuses (default created,expired,unknown: what is not known)")
	f.StringVar(&i.Since, "since", "", "By filter: what was first tried since: 2h, 3d, 2006-01-02 or a full time")
	f.StringVar(&i.Until, "until", "", "By filter: what was first tried before, likewise")
	f.StringVar(&i.Reason, "reason", "", "By filter: why, for those who look at the runs later")
	f.IntVar(&i.Rate, "rate", 0, "By filter: orders a second, 1 to 1000 (default 5, which is what an app asks Ping++ at most)")
	f.BoolVar(&d.preview, "preview", false, "By filter: show what would be asked, and ask nothing")
	f.BoolVarP(&d.yes, "yes", "y", false, "By filter: do not ask me")
	return cmd
}
