package command

import (
	"context"
	"fmt"
	"io"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/ledger"
)

func (c *running) decideEvent(action ledger.Action, short string) *cobra.Command {
	var ref adminapi.EventRef
	var reason string
	cmd := &cobra.Command{
		Use: string(action) + " <event>...", Short: short, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			said := "unknown"
			if u, err := user.Current(); err == nil {
				said = u.Username
			}
			for _, id := range args {
				ref.ID = id
				var e *adminapi.EventView
				err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
					e, err = api.Decide(ctx, ref, action, adminapi.Decision{Said: said, Reason: reason})
					return err
				})
				if err != nil {
					return err
				}
				if err := c.show(cmd, e, func(w io.Writer) { fmt.Fprintf(w, "%s is %s\n", plain.Text(e.ID), plain.Text(e.State)) }); err != nil {
					return err
				}
			}
			return nil
		},
	}
	scopeFlags(cmd, &ref)
	cmd.Flags().StringVar(&reason, "reason", "", "Why, for the audit log")
	return cmd
}
