package command

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
)

func pauseCommand() *cobra.Command {
	return haltCommand("pause", "Delivers nothing to your backend until somebody resumes it", `
Delivers nothing to your backend, also after Caddy was started anew, until caddy pay resume. Payments are taken and recorded as always, and
what is under way ends. Every list, and caddy pay health, says that it is so.

  caddy pay pause --reason "the shop's database is moved"
  caddy pay pause --app app_… --mode live --reason "…"`, (*adminapi.Client).Pause)
}

func resumeCommand() *cobra.Command {
	return haltCommand("resume", "Delivers again what was paused", `
Ends what caddy pay pause began. What has come meanwhile is delivered, each order's events in their order.

  caddy pay resume
  caddy pay resume --app app_… --mode live`, (*adminapi.Client).Unpause)
}

func haltCommand(verb, short, long string, do func(c *adminapi.Client, ctx context.Context, app, mode, reason string) ([]adminapi.PauseView, error)) *cobra.Command {
	c := &running{}
	var app, mode, reason string
	cmd := &cobra.Command{
		Use: verb, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			var paused []adminapi.PauseView
			err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
				api.Said = localUser()
				paused, err = do(api, ctx, app, mode, reason)
				return err
			})
			if err != nil {
				return err
			}
			return c.show(cmd, paused, func(w io.Writer) {
				warnPaused(w, paused)
				if len(paused) == 0 {
					fmt.Fprintln(w, "Delivery goes on.")
				}
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "Why, for the audit log; pause needs it")
	inScope(cmd, &app, &mode)
	return cmd
}
