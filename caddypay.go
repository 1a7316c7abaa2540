// Package caddypay is a Caddy plugin that takes payments through Ping++ for the site behind it: it logs the users of a WeChat
// mini program or official account in, creates charges at the price that the backend names, through any of Ping++'s channels,
// verifies Ping++'s webhooks, delivers every verified event to the backend at least once, and gives money back when the backend
// asks.
//
// Importing it registers the modules, which is what `xcaddy build --with github.com/caddypay/caddypay` does: the directives
// pay, wechat_auth, pay_console and pay_sandbox, the matcher pay_paid, the global option pay, and the commands `caddy pay …`. Directives
// and routes are documented in the README and in docs, the modules' JSON in package caddymodule.
package caddypay

//go:generate go run ./adminapi/openapi
//go:generate go run ./docs/generate
//go:generate go test ./pingpp/channel -count=1 -run TestChannelDocs -update

import _ "github.com/caddypay/caddypay/caddymodule" // registers the modules
