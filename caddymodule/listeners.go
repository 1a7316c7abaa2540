package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// checkListeners refuses a server on a Unix socket that trusts nobody who connects there: such a connection has no address, so the client's
// is whatever the proxy in front says, and without it no charge can be made.
func checkListeners(r *resolver, srv *caddyhttp.Server) error {
	if srv.TrustedProxiesUnix {
		return nil
	}
	for _, listen := range srv.Listen {
		if addr, err := caddy.ParseNetworkAddress(listen); err == nil && addr.IsUnixNetwork() {
			return r.errorf("listener", "on the Unix socket %s no client has an address, and Ping++ wants one with every charge; "+
				"write servers { trusted_proxies_unix } into the global options, and have the proxy in front send X-Forwarded-For and X-Forwarded-Proto", listen)
		}
	}
	return nil
}

// refuseEarlyData keeps a server from taking requests before the handshake is over, unless its configuration wants them: so nobody has to be
// told to send a request again. A listener that is open already stays as it was.
func refuseEarlyData(srv *caddyhttp.Server) {
	if srv.Allow0RTT == nil {
		srv.Allow0RTT = new(bool)
	}
}
