package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

const (
	liveWithin  = 10 * time.Second // who kills for it should be slow to
	readyWithin = 3 * time.Second
)

func healthCommand() *cobra.Command {
	c := &running{}
	var live, ready bool
	cmd := &cobra.Command{
		Use: "health", Short: "Says whether Caddy lives, or whether payments can be taken", Args: cobra.NoArgs,
		Long: `
For probes, since the admin API is out of their reach.

  caddy pay health --live     Caddy answers at all, within 10 s: start it anew if it does not
  caddy pay health --ready    the running configuration takes payments, and its ledger answers, within 3 s (the default)

Exits 0 when it is so, and 1 when it is not.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			within := readyWithin
			if live {
				within = liveWithin
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), within)
			defer cancel()
			var h *adminapi.Health
			err := c.ask(cmd, func(_ context.Context, api *adminapi.Client) (err error) {
				h, err = api.Health(ctx)
				return err
			})
			if live && errors.As(err, new(*adminapi.Error)) { // it answers, whatever it says
				h, err = &adminapi.Health{Scopes: []adminapi.ScopeHealth{}}, nil
			}
			if err != nil {
				return err
			}
			return c.show(cmd, h, func(w io.Writer) { printHealth(w, h, live) })
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&live, "live", false, "Whether Caddy answers at all")
	cmd.Flags().BoolVar(&ready, "ready", false, "Whether payments can be taken (default)")
	cmd.MarkFlagsMutuallyExclusive("live", "ready")
	return cmd
}

func printHealth(w io.Writer, h *adminapi.Health, live bool) {
	if live {
		fmt.Fprintln(w, "Caddy lives")
		return
	}
	fmt.Fprintln(w, "payments are taken")
	for _, s := range h.Scopes {
		fmt.Fprintf(w, "%s, %s mode: %d events wait for their delivery\n", plain.Text(s.App), plain.Text(s.Mode), s.Pending)
		if s.Paused != nil {
			warnPaused(w, []adminapi.PauseView{*s.Paused})
		}
	}
}
