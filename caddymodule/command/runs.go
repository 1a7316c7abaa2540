package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

func runsCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "What goes on, or went on, with many events or orders",
		Long: `
Shows what was begun with events or orders by a filter, how far it is, and what could not be taken. Its id is the one beside its decisions
in the audit log.

  caddy pay runs list
  caddy pay runs show run_…
  caddy pay runs stop run_…
  caddy pay runs show run_… --ledger ledger.db    while Caddy is down`,
	}
	c.readFlags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listRuns(),
		c.oneRun("show", "Shows how far one is", func(ctx context.Context, api *adminapi.Client, id string) (*adminapi.RunView, error) {
			return api.Run(ctx, id)
		}),
		c.acts(c.oneRun("stop", "Ends one before its time; what it has done stays", func(ctx context.Context, api *adminapi.Client, id string) (*adminapi.RunView, error) {
			return api.Stop(ctx, id)
		})))
	return cmd
}

func (c *running) listRuns() *cobra.Command {
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "Lists all, newest first", Args: cobra.NoArgs,
		Example: `  caddy pay runs list --limit 10`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			var page *adminapi.RunPage
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				page, err = api.Runs(ctx, before, limit)
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, page, func(w io.Writer) { printRuns(w, page) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "At most so many, up to 1000")
	cmd.Flags().Int64Var(&before, "before", 0, "The page after the one that ended with this number")
	return cmd
}

func printRuns(w io.Writer, page *adminapi.RunPage) {
	if len(page.Runs) == 0 {
		fmt.Fprintln(w, "No runs.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BEGUN\tRUN\tACTION\tSTATE\tDECIDED\tOF\tAMOUNT\tBY\tREASON")
	for _, r := range page.Runs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", r.Created.Local().Format(zoned), plain.Text(r.ID), plain.Text(string(r.Action)), plain.Text(r.State),
			r.Decided, r.Eligible, adminapi.Yuan(r.Amount), plain.Text(adminapi.Who(r.By, r.Said)), plain.Text(dash(r.Reason)))
	}
	_ = t.Flush()
	if page.Next > 0 {
		fmt.Fprintf(w, "More: --before %d\n", page.Next)
	}
}

func (c *running) oneRun(verb, short string, do func(context.Context, *adminapi.Client, string) (*adminapi.RunView, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " <run>", Short: short, Args: cobra.ExactArgs(1),
		Example: "  caddy pay runs " + verb + " run_…",
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			var run *adminapi.RunView
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				run, err = do(ctx, api, args[0])
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, run, func(w io.Writer) { printRun(w, run) })
		},
	}
}

func printRun(w io.Writer, r *adminapi.RunView) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, plain.Text(value))
		}
	}
	row("run", r.ID)
	row("state", r.State)
	row("decided", fmt.Sprintf("%d of %d", r.Decided, r.Eligible))
	row("by", adminapi.Who(r.By, r.Said))
	row("reason", r.Reason)
	row("begun", r.Created.Local().Format(zoned))
	if !r.Ended.IsZero() {
		row("ended", r.Ended.Local().Format(zoned))
	}
	row("stopped by", r.StoppedBy)
	_ = t.Flush()
	fmt.Fprintln(w)
	printPreview(w, &r.Preview)
	if len(r.Left) > 0 {
		fmt.Fprintln(w, "Left out when their turn came:")
		printNot(w, r.Left)
	}
}

const (
	lookEvery   = 500 * time.Millisecond
	noticeEvery = 5 * time.Second
)

// follow waits for the end of a run, and says on stderr how far it is. Who does not wait for that harms nothing.
func (c *running) follow(cmd *cobra.Command, run *adminapi.RunView) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s has begun, and goes on without this command; stop it with: caddy pay runs stop %s\n", run.ID, run.ID)
	api, _, err := c.client()
	if err != nil {
		return err
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said, gone := time.Now(), false
	for run.Ended.IsZero() {
		select {
		case <-cmd.Context().Done():
			return fmt.Errorf("%s goes on; caddy pay runs show %s", run.ID, run.ID)
		case <-tick.C:
		}
		now, err := api.Run(cmd.Context(), run.ID)
		switch {
		case errors.As(err, new(*adminapi.Error)):
			return err
		case err != nil && !gone: // a reload, perhaps
			gone = true
			fmt.Fprintln(cmd.ErrOrStderr(), "Caddy does not answer; looking for it again and again")
		case err == nil:
			if gone || time.Since(said) > noticeEvery {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d\n", now.Decided, now.Eligible)
				said, gone = time.Now(), false
			}
			run = now
		}
	}
	if err := c.show(cmd, run, func(w io.Writer) {
		fmt.Fprintf(w, "%s is %s: %s of %d %s\n", run.ID, run.State, run.Action, run.Decided, run.Things())
		printNot(w, run.Left)
	}); err != nil {
		return err
	}
	if run.Decided < run.Eligible {
		return exit(cmd, 2, fmt.Errorf("%d of %d %s were not taken", run.Eligible-run.Decided, run.Eligible, run.Things()))
	}
	return nil
}
