package caddymodule

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddypay/caddypay/notify"
)

const notifySyntax = "notify wecom|dingtalk|feishu|webhook <url>"

// parseNotify parses the option, which may stand several times:
//
//	notify wecom|dingtalk|feishu|webhook <url> {
//	    secret   <secret>
//	    language zh|en
//	    summary  <hh:mm>
//	}
func parseNotify(d *caddyfile.Dispenser, app *App) error {
	at := fmt.Sprintf("notify %d", len(app.Notify)) // an error that is found later has to say which of them is meant
	app.Lines.add(at, place(d))
	args := d.RemainingArgs()
	if len(args) == 0 || !slices.Contains(notify.Services, notify.Service(args[0])) {
		return d.Errf("notify takes a service and its URL, and the service is wecom, dingtalk, feishu or webhook; write: %s", notifySyntax)
	}
	if len(args) == 1 || args[1] == "" {
		return d.Errf("notify %s has no URL; write: notify %[1]s {env.PAY_NOTIFY_URL}%s", args[0], unsetVariable)
	}
	if len(args) > 2 {
		return d.Errf("notify takes a service and its URL, not %d values; write: %s", len(args), notifySyntax)
	}
	c := NotifyConfig{Service: args[0], URL: args[1]}
	mark := func(name string, parse func(*caddyfile.Dispenser) error) func(*caddyfile.Dispenser) error {
		return func(d *caddyfile.Dispenser) error { app.Lines.add(at+" "+name, place(d)); return parse(d) }
	}
	err := options{
		"secret": mark("secret", func(d *caddyfile.Dispenser) error { return one(d, &c.Secret, "{env.PAY_NOTIFY_SECRET}") }),
		"language": mark("language", func(d *caddyfile.Dispenser) error {
			if err := one(d, &c.Language, "zh"); err != nil {
				return err
			}
			if err := checkLanguage(c.Language); err != nil {
				return d.Errf("language %v", err)
			}
			return nil
		}),
		"summary": mark("summary", func(d *caddyfile.Dispenser) error {
			if err := one(d, &c.Summary, "09:00"); err != nil {
				return err
			}
			if _, err := timeOfDay(c.Summary); err != nil {
				return d.Errf("summary %v", err)
			}
			return nil
		}),
	}.parse(d, "notify")
	app.Notify = append(app.Notify, c)
	return err
}
