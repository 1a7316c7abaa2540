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
  caddy pay events list --at_risk
  caddy pay events list --order_no 1234
  caddy pay events list --since 2h --type charge.succeeded --json | jq -r .events[].id`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list[adminapi.EventPage, adminapi.EventView]{
				part: &q.Part,
				ask: func(ctx context.Context, api *adminapi.Client) (*adminapi.EventPage, error) {
					return api.Events(ctx, q)
				},
				parts: func(p *adminapi.EventPage) (*[]adminapi.EventView, *adminapi.Listing) { return &p.Events, &p.Listing },
				print: func(w io.Writer, p *adminapi.EventPage, now time.Time) { printEvents(w, *p, now) },
			}.run(c, cmd)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&q.States, "state", nil, "Only these states: pending, delivered, dead, held, discarded, filtered")
	f.StringVar(&q.OrderNo, "order_no", "", "Only this order, by the merchant's number")
	f.StringVar(&q.Type, "type", "", "Only this type, like charge.succeeded")
	f.StringVar(&q.Reason, "reason", "", "Only what is held, filtered or discarded for this reason, like amount")
	f.StringVar(&q.Source, "source", "", "Only what came by this: webhook or query")
	f.BoolVar(&q.AtRisk, "at_risk", false, "Only payments that your backend has not acknowledged")
	partFlags(cmd, &q.Part)
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", e.Received.Local().Format(zoned), plain.Text(e.ID), plain.Text(e.Type), plain.Text(dash(e.OrderNo)),
			plain.Text(e.Mode), plain.Text(state), e.Attempts, countdown(e.Due, now))
	}
	_ = t.Flush()
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
