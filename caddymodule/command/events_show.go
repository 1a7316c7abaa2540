package command

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

func (c *running) showEvent() *cobra.Command {
	var ref adminapi.EventRef
	cmd := &cobra.Command{
		Use: "show <event>", Short: "Shows one event with every attempt to deliver it", Args: cobra.ExactArgs(1),
		Example: `  caddy pay events show evt_…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			ref.ID = args[0]
			var e *adminapi.EventWhole
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				e, err = api.Event(ctx, ref)
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, e, func(w io.Writer) { printEvent(w, *e) })
		},
	}
	scopeFlags(cmd, &ref)
	return cmd
}

func printEvent(w io.Writer, e adminapi.EventWhole) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, plain.Text(value))
		}
	}
	row("event", e.ID)
	row("type", e.Type)
	row("order", e.OrderNo)
	row("charge", e.Charge)
	row("app", e.App+", "+e.Mode)
	row("source", e.Source)
	row("host", e.Host)
	row("state", e.State)
	row("reasons", strings.Join(e.Reasons, ", "))
	row("late", e.Late)
	if p := e.Payment; p != nil {
		row("paid", adminapi.Yuan(p.Paid)+" "+p.PaidCurrency)
		expected := "the charge is not one of ours"
		if p.Expected > 0 {
			expected = adminapi.Yuan(p.Expected) + " " + p.ExpectedCurrency
		}
		row("expected", expected)
		row("also paid by", strings.Join(p.AlsoPaidBy, ", "))
	}
	row("received", e.Received.Local().Format(zoned))
	if !e.Due.IsZero() {
		row("next attempt", e.Due.Local().Format(zoned))
	}
	if !e.Settled.IsZero() {
		row("settled", e.Settled.Local().Format(zoned))
	}
	_ = t.Flush()
	if len(e.Deliveries) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintln(t, "ATTEMPT\tAT\tTOOK\tSTATUS\tBECAME\tWHY\tANSWER")
		last := ""
		for _, d := range e.Deliveries {
			number := strconv.Itoa(d.Attempt)
			if d.Uncounted {
				number = "not counted"
			}
			fmt.Fprintf(t, "%s\t%s\t%.1f ms\t%d\t%s\t%s\t%s\n", number, d.At.Local().Format(zoned), d.MS, d.Status, plain.Text(d.State), plain.Text(dash(d.Error)), plain.Text(dash(firstWords(d.Snippet))))
			last = d.Snippet
		}
		_ = t.Flush()
		if firstWords(last) != last { // the table has no room for it
			fmt.Fprintf(w, "\nThe last answer begins: %s\n", plain.Text(last))
		}
	}
	if e.Body != "" {
		fmt.Fprintf(w, "\n%s\n", e.Body)
	}
	if e.Shortened {
		fmt.Fprintln(w, "\nShortened: who paid, and what a charge is paid with, stand as … here. Your backend gets the bytes as they came.")
	}
}
