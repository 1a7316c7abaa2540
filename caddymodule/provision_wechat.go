package caddymodule

import (
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/handlers/login"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/wechat"
)

const loginTimeout = 10 * time.Second

func (h *Handler) provisionWeChat(r *resolver) (err error) {
	for kind, c := range h.WeChat {
		switch kind {
		case "wx_lite":
			cfg, err := h.weChat(r, kind, c)
			if err != nil {
				return err
			}
			if c.Authorize != "" {
				return r.errorf("wechat wx_lite authorize", "is an option of wechat wx_pub alone: mini programs have no page to log in on; leave it out")
			}
			h.program = cfg
			if h.resolved.WxLite, err = wechat.NewMiniProgram(cfg); err != nil {
				return r.errorf("wechat wx_lite", "%w", err)
			}
		case "wx_pub":
			cfg, err := h.weChat(r, kind, c)
			if err != nil {
				return err
			}
			if h.resolved.WxPub, err = wechat.NewOfficialAccount(cfg); err != nil {
				return r.errorf("wechat wx_pub", "%w", err)
			}
		default:
			return r.errorf("wechat "+kind, "is not a kind of WeChat account that is known here; write wechat wx_lite or wechat wx_pub")
		}
	}
	return nil
}

// weChat resolves the configuration of an account.
func (h *Handler) weChat(r *resolver, kind string, c *WeChatConfig) (cfg wechat.Config, err error) {
	if c == nil {
		c = &WeChatConfig{}
	}
	if cfg.AppID, err = r.value("wechat "+kind+" app_id", c.AppID); err != nil {
		return cfg, err
	}
	secret, err := r.value("wechat "+kind+" secret", c.Secret)
	if err != nil {
		return cfg, err
	}
	cfg.Secret = redact.New(secret)
	if c.Endpoint == "" { // a sandbox takes any
		h.warnOfShape(r, kind, cfg.AppID, secret)
	}
	for _, o := range []struct {
		name, configured string
		to               *string
	}{{"endpoint", c.Endpoint, &cfg.Endpoint}, {"authorize", c.Authorize, &cfg.Authorize}} {
		if o.configured == "" {
			continue
		}
		if *o.to, err = r.value("wechat "+kind+" "+o.name, o.configured); err != nil {
			return cfg, err
		}
	}
	cfg.Wrap = watching(metrics.wechat, spanWeChat)
	return cfg, nil
}

// provisionTicket shares the official account's ticket with all nodes that have the same ledger, or share Caddy's storage.
func (h *Handler) provisionTicket() {
	if h.resolved.WxPub == nil {
		return
	}
	account, storage := h.resolved.WxPub, h.app.shared
	warn := func(what string, err error) {
		h.logger.Warn(what, zap.String("appid", account.AppID()), zap.Error(err))
	}
	token := wechat.ShareToken(account, storage, time.Now, warn)
	h.resolved.Ticket = wechat.ShareTicket(account, token, storage, time.Now, warn).Value
}

func (h *Handler) provisionLogin(r *resolver) error {
	if h.Login == nil {
		return nil
	}
	if h.resolved.WxLite == nil && h.resolved.WxPub == nil {
		return r.errorf("login", "needs a WeChat account whose users log in; write wechat wx_lite { app_id …  secret … }, each on its own line, or leave login out")
	}
	if h.resolved.Token.Empty() {
		return r.errorf("login", "needs a backend_token: without one, anyone who reaches the backend could log in as anybody; write backend_token {env.PAY_BACKEND_TOKEN}")
	}
	path, err := r.path("login", h.Login.Path)
	if err != nil {
		return err
	}
	if strings.Contains(path, "{") {
		return r.errorf("login", "the path %q may hold no placeholder of a request; write one like /internal/pay/login", path)
	}
	if err := r.method("login", h.Login.Method, http.MethodPost); err != nil {
		return err
	}
	h.resolved.Login = &login.Tell{Path: path, Timeout: loginTimeout}
	return h.closeOff(r, "login", path)
}
