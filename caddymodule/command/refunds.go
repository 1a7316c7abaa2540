package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

func refundsCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "refunds",
		Short: "Money that goes back",
		Long: `
Lists refunds, those made elsewhere too, and shows one on the page of its order.

  caddy pay refunds list --state asked,pending
  caddy pay refunds list --unclear
  caddy pay refunds show R1
  caddy pay refunds show R1 --ledger ledger.db    while Caddy is down`,
	}
	c.readFlags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listRefunds(), c.showNamed("show <refund>", "Shows the order of one", "refunds show R1", "refund_no", "refund"))
	return cmd
}

func (c *running) listRefunds() *cobra.Command {
	var q adminapi.RefundQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Lists refunds, newest first", Args: cobra.NoArgs,
		Example: `  caddy pay refunds list --state asked,pending
  caddy pay refunds list --order_no 1234`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list[adminapi.RefundPage, adminapi.RefundView]{
				part: &q.Part,
				ask: func(ctx context.Context, api *adminapi.Client) (*adminapi.RefundPage, error) {
					return api.Refunds(ctx, q)
				},
				parts: func(p *adminapi.RefundPage) (*[]adminapi.RefundView, *adminapi.Listing) {
					return &p.Refunds, &p.Listing
				},
				print: printRefunds,
			}.run(c, cmd)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&q.States, "state", nil, "Only these: asked, pending, succeeded, failed")
	f.StringVar(&q.OrderNo, "order_no", "", "Only this order, by the merchant's number")
	f.StringVar(&q.Charge, "charge", "", "Only this charge, ch_…")
	f.BoolVar(&q.Unclear, "unclear", false, "Only those that wait for a person")
	partFlags(cmd, &q.Part)
	return cmd
}

func printRefunds(w io.Writer, page *adminapi.RefundPage, now time.Time) {
	if len(page.Refunds) == 0 {
		fmt.Fprintln(w, "No refunds.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ASKED FOR\tREFUND\tORDER\tCHARGE\tMODE\tAMOUNT\tSTATE\tWHY\tASKED NEXT")
	for _, r := range page.Refunds {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Created.Local().Format(zoned), plain.Text(dash(cmp.Or(r.RefundNo, r.ID))), plain.Text(dash(r.OrderNo)),
			plain.Text(r.Charge), plain.Text(r.Mode), adminapi.Yuan(r.Amount), plain.Text(r.State), plain.Text(dash(cmp.Or(r.Unclear, r.FailureCode))), countdown(r.NextQuery, now))
	}
	_ = t.Flush()
}
