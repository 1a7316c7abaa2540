package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/console"
)

func consoleCommand() *cobra.Command {
	c := &running{}
	var listen string
	var readOnly bool
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Serves the operator's page on this machine",
		Long: `
Serves the operator's page on a loopback address until it is interrupted, for whoever reaches the admin API: what waits and how much money
hangs on it, one search, lists, an order's whole life, and the actions. Its address holds a secret that is made anew each time: other users of
the machine cannot open it. For a team, put the directive pay_console behind a login instead.`,
		Example: `  caddy pay console
  caddy pay console --listen localhost:9090 --read_only`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return c.serveConsole(cmd, listen, readOnly)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&listen, "listen", "localhost:0", "The loopback address to listen on; port 0 is any that is free")
	cmd.Flags().BoolVar(&readOnly, "read_only", false, "Show everything, change nothing")
	return cmd
}

func (c *running) serveConsole(cmd *cobra.Command, listen string, readOnly bool) error {
	api, _, err := c.client()
	if err != nil {
		return err
	}
	if u, err := user.Current(); err == nil {
		api.Said = u.Username
	}
	err = c.ask(cmd, func(ctx context.Context, api *adminapi.Client) error { // says at once where Caddy was looked for
		_, err := api.Health(ctx)
		return err
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	if at := ln.Addr().(*net.TCPAddr); !at.IP.IsLoopback() {
		_ = ln.Close()
		return fmt.Errorf("--listen %s is not on this machine alone; write localhost:%d, or put pay_console behind a login in the Caddyfile", listen, at.Port)
	}
	secret := strings.ToLower(rand.Text())
	pages := console.New(console.Config{Desk: api, ReadOnly: readOnly, Said: api.Said})
	mux := http.NewServeMux()
	mux.Handle("/"+secret+"/{page}", pages)
	mux.Handle("/"+secret+"/{$}", pages)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	url := "http://" + ln.Addr().String() + "/" + secret + "/"
	if c.asJSON {
		fmt.Fprintf(cmd.OutOrStdout(), "{\"url\":%q}\n", url)
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", url)
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case <-ctx.Done():
	case err := <-failed:
		return err
	}
	_ = srv.Close()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
