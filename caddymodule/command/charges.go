package command

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

const statusFlag = "Only these: created, paid, held, refunded, reversed, expired, preparing, refused, unknown"

func chargesCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "charges",
		Short: "Attempts to pay",
		Long: `
Lists the attempts to pay that went through Caddy, and shows one on the page of its order.

  caddy pay charges list --status paid --since 1d
  caddy pay charges show ch_…
  caddy pay charges list --since 1d --ledger ledger.db    while Caddy is down`,
	}
	c.readFlags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listCharges(), c.showNamed("show <charge>", "Shows the order of one: every attempt, and all that became of them", "charges show ch_…", "charge", "number", "transaction"))
	return cmd
}

func (c *running) listCharges() *cobra.Command {
	var q adminapi.ChargeQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Lists attempts, newest first", Args: cobra.NoArgs,
		Example: `  caddy pay charges list --status paid --since 1d
  caddy pay charges list --order_no 1234`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list[adminapi.ChargePage, adminapi.ChargeView]{
				part: &q.Part,
				ask: func(ctx context.Context, api *adminapi.Client) (*adminapi.ChargePage, error) {
					return api.Charges(ctx, q)
				},
				parts: func(p *adminapi.ChargePage) (*[]adminapi.ChargeView, *adminapi.Listing) {
					return &p.Charges, &p.Listing
				},
				print: printCharges,
			}.run(c, cmd)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&q.Statuses, "status", nil, statusFlag)
	f.StringVar(&q.OrderNo, "order_no", "", "Only this order, by the merchant's number")
	f.StringVar(&q.Channel, "channel", "", "Only this channel, like wx_lite")
	partFlags(cmd, &q.Part)
	return cmd
}

func printCharges(w io.Writer, page *adminapi.ChargePage, now time.Time) {
	if len(page.Charges) == 0 {
		fmt.Fprintln(w, "No charges.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CREATED\tCHARGE\tORDER\tMODE\tCHANNEL\tAMOUNT\tSTATUS\tREFUNDED\tPAYER\tASKED NEXT")
	for _, c := range page.Charges {
		refunded := "-"
		if c.Refunded > 0 {
			refunded = adminapi.Yuan(c.Refunded)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Created.Local().Format(zoned), plain.Text(dash(c.ID)), plain.Text(dash(c.OrderNo)), plain.Text(c.Mode),
			plain.Text(dash(c.Channel)), adminapi.Yuan(c.Amount), plain.Text(c.Status), refunded, plain.Text(dash(c.Payer)), countdown(c.NextQuery, now))
	}
	_ = t.Flush()
}
