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

func ordersCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "orders",
		Short: "Orders, each with its whole life",
		Long: `
Lists orders, shows the whole life of one, and asks Ping++ now about one, or about all that a filter chooses.

  caddy pay orders list --status paid --since 1d
  caddy pay orders show 1234
  caddy pay orders query 1234
  caddy pay orders query --since 2h --preview
  caddy pay orders show 1234 --ledger ledger.db    while Caddy is down`,
	}
	c.readFlags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listOrders(),
		c.oneOrder("show", "Shows all that is known of one: price, attempts, payments, deliveries with your backend's answers, refunds and decisions",
			func(ctx context.Context, api *adminapi.Client, app, mode, no string) (*adminapi.OrderLife, error) {
				return api.Order(ctx, app, mode, no)
			}),
		c.acts(c.queryOrders()))
	return cmd
}

func (c *running) listOrders() *cobra.Command {
	var q adminapi.OrderQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Lists orders, the last begun first", Args: cobra.NoArgs,
		Example: `  caddy pay orders list --status paid,held --since 1d
  caddy pay orders list --status created,expired --since 2h --json | jq -r .orders[].order_no`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list[adminapi.OrderPage, adminapi.OrderView]{
				part: &q.Part,
				ask: func(ctx context.Context, api *adminapi.Client) (*adminapi.OrderPage, error) {
					return api.Orders(ctx, q)
				},
				parts: func(p *adminapi.OrderPage) (*[]adminapi.OrderView, *adminapi.Listing) { return &p.Orders, &p.Listing },
				print: printOrders,
			}.run(c, cmd)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&q.Statuses, "status", nil, statusFlag)
	f.StringVar(&q.Channel, "channel", "", "Only those with an attempt through this channel, like wx_lite")
	partFlags(cmd, &q.Part)
	return cmd
}

func printOrders(w io.Writer, page *adminapi.OrderPage, _ time.Time) {
	if len(page.Orders) == 0 {
		fmt.Fprintln(w, "No orders.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BEGUN\tORDER\tMODE\tSTATUS\tAMOUNT\tPAID\tCHANNEL\tATTEMPTS\tCHARGE\tPAYER")
	for _, o := range page.Orders {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", o.Created.Local().Format(zoned), plain.Text(o.OrderNo), plain.Text(o.Mode), plain.Text(o.Status),
			adminapi.Yuan(o.Charge.Amount), paid(o), plain.Text(dash(o.Charge.Channel)), o.Attempts, plain.Text(dash(o.Charge.ID)), plain.Text(dash(o.Charge.Payer)))
	}
	_ = t.Flush()
}

// paid is what the attempts of an order have brought.
func paid(o adminapi.OrderView) string {
	if o.Paid == 0 {
		return "-"
	}
	return adminapi.Yuan(o.Paid)
}

func (c *running) oneOrder(verb, short string, do func(ctx context.Context, api *adminapi.Client, app, mode, no string) (*adminapi.OrderLife, error)) *cobra.Command {
	var app, mode string
	cmd := &cobra.Command{
		Use: verb + " <order>", Short: short, Args: cobra.ExactArgs(1),
		Example: "  caddy pay orders " + verb + " 1234",
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			var o *adminapi.OrderLife
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				o, err = do(ctx, api, app, mode, args[0])
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, o, func(w io.Writer) { printOrder(w, o) })
		},
	}
	inScope(cmd, &app, &mode)
	return cmd
}
