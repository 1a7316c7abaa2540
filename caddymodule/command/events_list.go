package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

func (c *running) listEvents() *cobra.Command {
	var q adminapi.EventQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Lists events, newest first", Args: cobra.NoArgs,
		Example: `  caddy pay events list --state held,dead
  caddy pay events list --order_no 1234
  caddy pay events list --since 2h --type charge.succeeded --json | jq -r .events[].id`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			var page *adminapi.EventPage
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				page, err = api.Events(ctx, q)
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, page, func(w io.Writer) { printEvents(w, *page, time.Now()) })
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&q.States, "state", nil, "Only these states: pending, delivered, dead, held, discarded, filtered")
	f.StringVar(&q.OrderNo, "order_no", "", "Only this order, by the merchant's number")
	f.StringVar(&q.Type, "type", "", "Only this type, like charge.succeeded")
	f.StringVar(&q.Since, "since", "", "Only what came since: 2h, 2006-01-02 or a full time")
	f.StringVar(&q.App, "app", "", "Only this Ping++ app; with --mode")
	f.StringVar(&q.Mode, "mode", "", "Only this mode, live or test; with --app")
	f.IntVar(&q.Limit, "limit", 50, "At most so many, up to 1000")
	f.StringVar(&q.Cursor, "cursor", "", "The page after the one that named this")
	return cmd
}

func printEvents(w io.Writer, page adminapi.EventPage, now time.Time) {
	if len(page.Events) == 0 {
		fmt.Fprintln(w, strings.TrimSpace("No events. "+plain.Text(page.Why)))
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RECEIVED\tEVENT\tTYPE\tORDER\tMODE\tSTATE\tTRIES\tNEXT")
	for _, e := range page.Events {
		state := e.State
		if len(e.Reasons) > 0 {
			state += " (" + strings.Join(e.Reasons, ", ") + ")"
		}
		next := "-"
		if !e.Due.IsZero() {
			next = "now"
			if wait := e.Due.Sub(now).Round(time.Second); wait > 0 {
				next = "in " + wait.String()
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", e.Received.Local().Format(time.DateTime), plain.Text(e.ID), plain.Text(e.Type), plain.Text(dash(e.OrderNo)),
			plain.Text(e.Mode), plain.Text(state), e.Attempts, next)
	}
	_ = t.Flush()
	if page.Next != "" {
		fmt.Fprintf(w, "More: --cursor %s\n", plain.Text(page.Next))
	}
}

// firstWords cuts an answer to what fits into a table.
func firstWords(answer string) string {
	const most = 40 // characters
	if runes := []rune(answer); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return answer
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
