package command

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

func findCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use: "find <text>", Short: "What goes by a number, and the page of its order", Args: cobra.ExactArgs(1),
		Long: `
Takes any name of a payment: your order number, the channel's number as it stands on the payer's receipt, Ping++'s order number, a charge,
an event, a refund or your number of it. When it leads to one order, that order's whole life follows.

  caddy pay find 1234
  caddy pay find 4200001234202611260000000001
  caddy pay find ch_…
  caddy pay find 1234 --ledger /var/lib/caddy/.local/share/caddy/pay/ledger.db    while Caddy is down

Exits 1 when nothing goes by it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			found, life, err := c.find(cmd, args[0])
			if err != nil {
				return err
			}
			return c.show(cmd, found, func(w io.Writer) {
				printFound(w, found)
				if life != nil {
					fmt.Fprintln(w)
					printOrder(w, life)
				}
			})
		},
	}
	c.readFlags(cmd)
	return cmd
}

// find returns what goes by a name, if it is of some kinds, and the order that it leads to, if that is one.
func (c *running) find(cmd *cobra.Command, name string, kinds ...string) (found []adminapi.Found, life *adminapi.OrderLife, err error) {
	err = c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
		if found, err = api.Find(ctx, name); err != nil {
			return err
		}
		if len(kinds) > 0 {
			found = slices.DeleteFunc(found, func(f adminapi.Found) bool { return !slices.Contains(kinds, f.Kind) })
		}
		if len(found) == 0 {
			return nil
		}
		first := found[0]
		another := func(f adminapi.Found) bool {
			return f.App != first.App || f.Mode != first.Mode || f.OrderNo != first.OrderNo
		}
		if first.OrderNo == "" || slices.ContainsFunc(found, another) {
			return nil
		}
		life, err = api.Order(ctx, first.App, first.Mode, first.OrderNo)
		return err
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("nothing goes by %.80q; if it is your order number, caddy pay orders show says how far that came, and caddy pay orders query asks Ping++ whether it was paid all the same", name)
	}
	return found, life, err
}

// showNamed shows the order of something of some kinds.
func (c *running) showNamed(use, short, example string, kinds ...string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Example: "  caddy pay " + example,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			found, life, err := c.find(cmd, args[0], kinds...)
			if err != nil {
				return err
			}
			if life == nil {
				return c.show(cmd, found, func(w io.Writer) { printFound(w, found) })
			}
			return c.show(cmd, life, func(w io.Writer) { printOrder(w, life) })
		},
	}
}

// kindNames say what is found.
var kindNames = map[string]string{
	"order": "order", "number": "Ping++'s order number", "charge": "charge", "transaction": "the channel's number", "refund_no": "refund", "refund": "refund",
	"event": "event", "object": "what an event is about",
}

func printFound(w io.Writer, found []adminapi.Found) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "IT IS\tOF\tORDER\tAPP\tMODE")
	for _, f := range found {
		kind := kindNames[f.Kind]
		if kind == "" {
			kind = f.Kind
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", plain.Text(kind), plain.Text(f.ID), plain.Text(dash(f.OrderNo)), plain.Text(f.App), plain.Text(f.Mode))
	}
	_ = t.Flush()
}
