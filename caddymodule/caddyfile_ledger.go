package caddymodule

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

const mostConns = 1000 // of a node: more is a slip, since a server takes a hundred by default

// parseLedger parses where the ledger is:
//
//	ledger sqlite [<file>]
//	ledger postgres <dsn> {
//	    max_conns <number>
//	    listen    on|off
//	}
//
// What is wrong with a DSN is said without showing it: a password may be a part of it.
func parseLedger(d *caddyfile.Dispenser, app *App) error {
	args := d.RemainingArgs()
	app.Ledger = new(LedgerConfig)
	switch {
	case len(args) > 0 && len(args) <= 2 && args[0] == "sqlite":
		app.Ledger.Driver = args[0]
		if len(args) == 2 {
			app.Ledger.File = args[1]
		}
		return noBlock(d, "ledger sqlite")
	case len(args) == 1 && args[0] == "postgres":
		return d.Err("ledger postgres needs the database's DSN; write: ledger postgres {env.PAY_LEDGER_DSN}")
	case len(args) > 2 && args[0] == "postgres":
		return d.Err("ledger postgres takes one DSN; write one with spaces in quotes, like: ledger postgres \"host=db.internal dbname=pay\"")
	case len(args) != 2 || args[0] != "postgres":
		return d.Err("ledger takes a kind and where it is; write: ledger sqlite [<file>], or: ledger postgres <dsn>")
	}
	app.Ledger.Driver, app.Ledger.DSN = args[0], args[1]
	return options{
		"max_conns": parseCount("max_conns", &app.Ledger.MaxConns, mostConns, "16"),
		"listen": func(d *caddyfile.Dispenser) error {
			var text string
			if err := one(d, &text, "off"); err != nil {
				return err
			}
			if text != "on" && text != "off" {
				return d.Errf("listen is on or off, not %q; write: listen off", text)
			}
			listen := text == "on"
			app.Ledger.Listen = &listen
			return nil
		},
	}.parse(d, "ledger postgres")
}
