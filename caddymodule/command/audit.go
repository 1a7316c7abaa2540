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

func auditCommand() *cobra.Command {
	c := &running{}
	var q adminapi.AuditQuery
	cmd := &cobra.Command{
		Use: "audit", Short: "What was decided, by whom and why, newest first", Args: cobra.NoArgs,
		Example: `  caddy pay audit --since 1d
  caddy pay audit --event evt_…
  caddy pay audit --action pause,unpause
  caddy pay audit --since 1d --ledger ledger.db    # while Caddy is down`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list[adminapi.AuditPage, adminapi.AuditView]{
				part: &q.Part,
				ask:  func(ctx context.Context, api *adminapi.Client) (*adminapi.AuditPage, error) { return api.Audit(ctx, q) },
				parts: func(p *adminapi.AuditPage) (*[]adminapi.AuditView, *adminapi.Listing) {
					return &p.Decisions, &p.Listing
				},
				print: printAudit,
			}.run(c, cmd)
		},
	}
	c.readFlags(cmd)
	cmd.Flags().StringVar(&q.Event, "event", "", "Only about this event")
	cmd.Flags().StringSliceVar(&q.Actions, "action", nil, "Only these: replay, release, discard, report, pause, unpause")
	partFlags(cmd, &q.Part)
	return cmd
}

func printAudit(w io.Writer, page *adminapi.AuditPage, _ time.Time) {
	if len(page.Decisions) == 0 {
		fmt.Fprintln(w, "Nothing was decided.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tACTION\tEVENT\tORDER\tAPP\tMODE\tWAS\tBY\tRUN\tREASON")
	for _, d := range page.Decisions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.At.Local().Format(zoned), plain.Text(d.Action), plain.Text(dash(d.Event)), plain.Text(dash(d.OrderNo)),
			plain.Text(d.App), plain.Text(d.Mode), plain.Text(dash(d.Was)), plain.Text(adminapi.Who(d.By, d.Said)), plain.Text(dash(d.Run)), plain.Text(dash(d.Reason)))
	}
	_ = t.Flush()
}
