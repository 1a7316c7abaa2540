// Package caddypay is a Caddy plugin that takes payments through Ping++ for the site behind it: it turns a WeChat mini
// program's login code into an openid, creates charges at the price that the backend names, verifies Ping++'s webhooks, and
// delivers every verified event to the backend at least once.
//
// Importing it registers the modules, which is what `xcaddy build --with github.com/caddypay/caddypay` does. The directive
// is documented in the README, the modules' JSON in package caddymodule.
package caddypay

import _ "github.com/caddypay/caddypay/caddymodule" // registers the modules
