// Command caddy is Caddy with caddypay built in.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddypay/caddypay"
)

func main() { caddycmd.Main() }
