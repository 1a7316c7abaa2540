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
	"github.com/caddypay/caddypay/relay/nightly"
)

func reconcileCommand() *cobra.Command {
	c := &running{}
	var date string
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compares a day with Ping++'s list of charges",
		Long: `
Compares the charges created on a day, in UTC+8, with Ping++'s list, and reports what either side lacks. A payment that only Ping++
knows of is recorded and delivered like any other. The same comparison runs by itself every night for the day before, and for the days
before that in which no process could.

Exits 1 when the two sides differ, or when the day has more charges than can be compared.`,
		Example: `  caddy pay reconcile
  caddy pay reconcile --date 2026-11-22 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if date == "" {
				date = time.Now().In(nightly.China).AddDate(0, 0, -1).Format(time.DateOnly)
			}
			var views []adminapi.SweepView
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				views, err = api.Reconcile(ctx, date)
				return err
			})
			if err != nil {
				return err
			}
			if err := c.show(cmd, views, func(w io.Writer) { printSweeps(w, views) }); err != nil {
				return err
			}
			return differences(views)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&date, "date", "", "The day, like 2006-01-02, in UTC+8 (default: yesterday)")
	return cmd
}

func printSweeps(w io.Writer, views []adminapi.SweepView) {
	for _, v := range views {
		fmt.Fprintf(w, "%s, %s mode, %s: %d charges at Ping++, %d in the ledger, %d payments recovered\n", plain.Text(v.App), plain.Text(v.Mode), plain.Text(v.Date), v.AtPingpp, v.InLedger, v.Recovered)
		if v.Cut {
			fmt.Fprintln(w, "  not compared whole: the day has more charges than can be compared")
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, part := range []struct {
			name  string
			items []nightly.Item
		}{{"only at Ping++", v.OnlyThere}, {"only in the ledger", v.OnlyHere}, {"differ", v.Differ}} {
			for _, i := range part.items {
				paid := "unpaid"
				if i.Paid {
					paid = "paid"
				}
				fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", part.name, plain.Text(i.Charge), plain.Text(i.OrderNo), adminapi.Yuan(i.Amount), paid, plain.Text(i.What))
			}
		}
		_ = t.Flush()
	}
}

func differences(views []adminapi.SweepView) error {
	n, cut := 0, false
	for _, v := range views {
		cut = cut || v.Cut
		n += len(v.OnlyThere) + len(v.OnlyHere) + len(v.Differ)
	}
	switch {
	case cut:
		return fmt.Errorf("the day was not compared whole; as far as it was, the two sides differ in %d charges", n)
	case n > 0:
		return fmt.Errorf("the two sides differ in %d charges", n)
	}
	return nil
}
