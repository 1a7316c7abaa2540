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

func figuresCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use: "figures", Short: "What waits, and how much money is at risk", Args: cobra.NoArgs,
		Long: `
Shows, for each app and mode, how much was paid that your backend has not acknowledged, since when, and when something is delivered next; and
how much WeChat keeps until it is told how that was shipped.

  caddy pay figures
  caddy pay figures --json
  caddy pay figures --ledger ledger.db    while Caddy is down`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			var figures []adminapi.ScopeFigures
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				figures, err = api.Figures(ctx)
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, figures, func(w io.Writer) { printFigures(w, figures, time.Now()) })
		},
	}
	c.readFlags(cmd)
	return cmd
}

func printFigures(w io.Writer, figures []adminapi.ScopeFigures, now time.Time) {
	for i, f := range figures {
		if i > 0 {
			fmt.Fprintln(w)
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		row := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, plain.Text(value)) }
		since := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			return fmt.Sprintf(", since %s (%s)", at.Local().Format(zoned), now.Sub(at).Round(time.Second))
		}
		row("app", f.App+", "+f.Mode)
		row("money at risk", fmt.Sprintf("%s of %d payments%s", adminapi.Yuan(f.AtRisk), f.AtRiskEvents, since(f.OldestAtRisk)))
		if z := f.Frozen; z != nil {
			text := fmt.Sprintf("%s of %d payments", adminapi.Yuan(z.Amount), z.Payments)
			if z.Late > 0 {
				text += fmt.Sprintf("; of %d, %s, the 48 hours for the shipping report have run out", z.Late, adminapi.Yuan(z.LateAmount))
			}
			if z.Due > 0 {
				text += fmt.Sprintf("; of %d, %s, they run out within 12 hours, of the first %s", z.Due, adminapi.Yuan(z.DueAmount), countdown(z.NextDeadline, now))
			}
			row("frozen at WeChat", text)
			for _, p := range z.Paused {
				row("WeChat not asked", "about "+p.AppID+" "+pausedSince(&p, now))
			}
			if z.Failed > 0 {
				row("shipping failed", fmt.Sprintf("%s of %d payments, the last is order %s: %s", adminapi.Yuan(z.FailedAmount), z.Failed, z.FailedOrder, z.FailedWhy))
			}
		}
		row("pending", fmt.Sprint(f.Events["pending"], since(f.OldestPending)))
		row("dead", fmt.Sprint(f.Events["dead"]))
		row("held", fmt.Sprint(f.Events["held"]))
		row("delivered", fmt.Sprint(f.Events["delivered"]))
		row("next attempt", countdown(f.NextAttempt, now))
		swept := "nothing yet"
		if !f.Swept.IsZero() {
			swept = "what was made before " + f.Swept.Local().Format(zoned)
		}
		row("compared", swept)
		row("ledger", fmt.Sprintf("%.1f MB, and %.1f MB not folded in yet", float64(f.Bytes)/1e6, float64(f.WALBytes)/1e6))
		_ = t.Flush()
		if f.Paused != nil {
			warnPaused(w, []adminapi.PauseView{*f.Paused})
		}
	}
}
