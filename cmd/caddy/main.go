// Command caddy is Caddy with caddypay built in.
package main

import (
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddypay/caddypay"
)

func main() {
	// `caddy version` puts this before Caddy's own version.
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		caddy.CustomVersion = "caddypay " + info.Main.Version + ", Caddy"
	}
	caddycmd.Main()
}
