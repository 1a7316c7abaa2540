package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/caddymodule/command"
	"github.com/caddypay/caddypay/caddymodule/demo"
	"github.com/caddypay/caddypay/sandbox"
)

func init() {
	command.Register(command.Host{
		Host:    demo.Host{Ledger: shareLedger, WebhookClient: webhookClient},
		Sandbox: keptSandbox,
	})
}

// keptSandbox makes a sandbox that keeps what it goes by in a folder.
func keptSandbox(o command.SandboxOptions) (*sandbox.Sandbox, string, error) {
	s := &Sandbox{
		App: o.App, TestKey: o.TestKey, LiveKey: o.LiveKey, MerchantKey: o.MerchantKey, SigningKey: o.SigningKey,
		Webhooks: o.Webhooks, LiveWebhooks: o.LiveWebhooks, TestWebhooks: o.TestWebhooks, PublicURL: o.PublicURL, Managed: o.Managed, TimeScale: o.TimeScale, sent: o.Sent,
	}
	if o.AppID != "" {
		s.WeChat = map[string]*WeChatConfig{"wx_lite": {AppID: o.AppID, Secret: o.Secret}}
	}
	if err := s.recall(o.Dir); err != nil {
		return nil, "", err
	}
	box, err := s.build(&resolver{repl: caddy.NewReplacer(), site: "the sandbox"}, zap.NewNop())
	if err != nil {
		return nil, "", err
	}
	public, err := keep(o.Dir, box)
	if err != nil {
		box.Close()
		return nil, "", err
	}
	return box, public, nil
}
