package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
)

// running is the Caddy that a command asks, found like `caddy reload` finds it.
type running struct {
	address, config, adapter string
	asJSON                   bool
}

func (c *running) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&c.address, "address", "", "The address of the admin API, if it is not the configuration's")
	f.StringVarP(&c.config, "config", "c", "", "The configuration file that names the admin address (default: ./Caddyfile, if there is one)")
	f.StringVarP(&c.adapter, "adapter", "a", "", "The configuration file's adapter")
	f.BoolVar(&c.asJSON, "json", false, "Print JSON")
}

// ask lets f use the client; what it fails with says where the admin API was looked for.
func (c *running) ask(cmd *cobra.Command, f func(context.Context, *adminapi.Client) error) error {
	api, address, err := c.client()
	if err != nil {
		return err
	}
	err = f(cmd.Context(), api)
	if err != nil && !errors.As(err, new(*adminapi.Error)) {
		return fmt.Errorf("%w (the admin API is at %s; another one is named with --address)", err, address)
	}
	return err
}

// show prints an answer as JSON, if that is wanted, or else by the function.
func (c *running) show(cmd *cobra.Command, answer any, table func(io.Writer)) error {
	if c.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(answer)
	}
	table(cmd.OutOrStdout())
	return nil
}

// exit makes an error end the process with a code of its own, for scripts.
func exit(cmd *cobra.Command, code int, err error) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, err })(cmd, nil)
}

// client reaches the admin API.
func (c *running) client() (api *adminapi.Client, address string, err error) {
	if address, err = c.where(); err != nil {
		return nil, "", err
	}
	at, err := caddy.ParseNetworkAddress(address)
	if err != nil || at.PortRangeSize() > 1 {
		return nil, "", fmt.Errorf("%q is no address of an admin API; write one like localhost:2019 or unix//run/caddy.sock", address)
	}
	url := "http://" + at.JoinHostPort(0)
	origin := url
	if at.IsUnixNetwork() {
		url, origin = "http://127.0.0.1", ""      // some host must stand there, and Caddy takes this one
		at.Host, _, _ = strings.Cut(at.Host, "|") // the mode of the socket's file
	}
	return adminapi.NewClient(adminapi.Endpoint{URL: url, Origin: origin, HTTP: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // a command asks once, or seldom
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, at.Network, at.JoinHostPort(0))
		},
	}}}), address, nil
}

// where is the address of the admin API: as given, or as the configuration says, or else Caddy's default.
func (c *running) where() (string, error) {
	if c.address != "" || c.config != "" {
		return caddycmd.DetermineAdminAPIAddress(c.address, nil, c.config, c.adapter)
	}
	const beside = "Caddyfile"
	text, err := os.ReadFile(beside)
	if errors.Is(err, fs.ErrNotExist) {
		return caddy.DefaultAdminListen, nil
	}
	if err != nil {
		return "", fmt.Errorf("%w; name the admin API with --address", err)
	}
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": beside})
	if err != nil {
		return "", fmt.Errorf("%w; mend it, or name the admin API with --address", err)
	}
	return caddycmd.DetermineAdminAPIAddress("", raw, beside, "caddyfile")
}
