package command

import (
	"cmp"
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
	ledger                   string // the file that is read instead of asking
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
	if cmd.Flags().Changed(ledgerFlag) {
		api, end, err := c.openLedger(cmd)
		if err != nil {
			return err
		}
		return cmp.Or(f(cmd.Context(), api), end())
	}
	api, at, err := c.client()
	if err != nil {
		return fmt.Errorf("%w%s", err, insteadOfCaddy(cmd, at.config))
	}
	err = f(cmd.Context(), api)
	if err != nil && !errors.As(err, new(*adminapi.Error)) {
		return fmt.Errorf("%w (the admin API is at %s; another one is named with --address%s)", err, at.address, insteadOfCaddy(cmd, at.config))
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
func (c *running) client() (api *adminapi.Client, at place, err error) {
	if at, err = c.where(); err != nil {
		return nil, at, err
	}
	addr, err := caddy.ParseNetworkAddress(at.address)
	if err != nil || addr.PortRangeSize() > 1 {
		return nil, at, fmt.Errorf("%q is no address of an admin API; write one like localhost:2019 or unix//run/caddy.sock", at.address)
	}
	url := "http://" + addr.JoinHostPort(0)
	origin := url
	if addr.IsUnixNetwork() {
		url, origin = "http://127.0.0.1", ""          // some host must stand there, and Caddy takes this one
		addr.Host, _, _ = strings.Cut(addr.Host, "|") // the mode of the socket's file
	}
	return adminapi.NewClient(adminapi.Endpoint{URL: url, Origin: origin, HTTP: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // a command asks once, or seldom
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, addr.Network, addr.JoinHostPort(0))
		},
	}}}), at, nil
}

// place is where the admin API is.
type place struct {
	address string
	config  []byte // that says so, in JSON; nil: none was looked at
}

// where says where the admin API is: as given, or as the configuration says, --config's or else ./Caddyfile, or else Caddy's default.
func (c *running) where() (at place, err error) {
	if c.address != "" {
		return place{address: c.address}, nil
	}
	file, raw, err := c.configuration()
	if err != nil || file == "" {
		return place{address: caddy.DefaultAdminListen}, err
	}
	at.config = raw
	var top struct {
		Admin *struct{ Disabled bool }
	}
	if json.Unmarshal(raw, &top) == nil && top.Admin != nil && top.Admin.Disabled {
		return at, fmt.Errorf("%s turns the admin endpoint off, so that no command reaches the running Caddy; if that runs with another configuration, name its admin API with --address", file)
	}
	at.address, err = caddycmd.DetermineAdminAPIAddress("", raw, file, c.adapter)
	return at, err
}

// configuration reads the configuration that `caddy reload` would, in JSON; no file: there is none.
func (c *running) configuration() (file string, raw []byte, err error) {
	const beside = "Caddyfile"
	if file = c.config; file == "" {
		switch _, err := os.Stat(beside); {
		case err == nil:
			file = beside
		case !errors.Is(err, fs.ErrNotExist):
			return "", nil, fmt.Errorf("%w; name the admin API with --address", err)
		case c.adapter != "":
			return "", nil, errors.New("--adapter is for a configuration file, and there is no ./Caddyfile; name one with --config")
		default:
			return "", nil, nil
		}
	}
	if file == beside && c.adapter == "" { // as below, but without a word on stderr
		text, err := os.ReadFile(beside)
		if err == nil {
			raw, _, err = caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": beside})
		}
		if err != nil {
			return "", nil, fmt.Errorf("%w; mend it, or name the admin API with --address", err)
		}
		return file, raw, nil
	}
	raw, file, _, err = caddycmd.LoadConfig(file, c.adapter)
	return file, raw, err
}
