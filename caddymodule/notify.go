package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/notify"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/wechat"
)

// NotifyConfig is a chat, or a service of the merchant's own, that is told of incidents.
type NotifyConfig struct {
	// What is told: `wecom` (企业微信), `dingtalk` (钉钉) or `feishu` (飞书), a group's robot; `webhook`, which gets JSON. Required.
	Service string `json:"service,omitempty"`

	// The URL that the robot's page shows, with its key; https, or plain http to loopback. It is never logged. Required. Placeholders are
	// resolved; write `{env.…}` or `{file.…}` to keep it out of the configuration.
	URL string `json:"url,omitempty"`

	// What messages are signed with: DingTalk's `SEC…` (加签) or Feishu's (签名校验), where the robot demands it; a `webhook` cannot do without:
	// `whsec_…`, as Standard Webhooks has it. Not for `wecom`. It is never logged. Placeholders are resolved.
	Secret string `json:"secret,omitempty"`

	// The language of messages, `zh` or `en`. Default: `en` for `webhook`, else `zh`.
	Language string `json:"language,omitempty"`

	// When the last 24 hours are summed up each day, like `09:00`, in UTC+8. Default: never.
	Summary string `json:"summary,omitempty"`
}

func checkLanguage(language string) error {
	if language == "zh" || language == "en" {
		return nil
	}
	return fmt.Errorf("is zh or en, not %.20q; write: language zh", language)
}

func timeOfDay(text string) (time.Duration, error) {
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("is a time of the day from 00:00 to 23:59, not %.20q; write: summary 09:00", text)
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, nil
}

// provisionNotify resolves who is told.
func (a *App) provisionNotify(r *resolver) (targets []notify.Target, err error) {
	for i, c := range a.Notify {
		name := "notify " + c.Service
		own := &resolver{repl: r.repl, site: r.site, lines: lines{"pay": r.lines["pay"]}}
		for option, at := range r.lines {
			if rest, ok := strings.CutPrefix(option, fmt.Sprintf("notify %d", i)); ok && (rest == "" || rest[0] == ' ') {
				own.lines[name+rest] = at
			}
		}
		t, err := c.target(own, name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(targets, func(o notify.Target) bool { return o.URL.Equal(t.URL) }) {
			return nil, own.errorf(name+" url", "is that of another notify: everything would be told twice; leave one of them out")
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func (c NotifyConfig) target(r *resolver, name string) (t notify.Target, err error) {
	t = notify.Target{Service: notify.Service(c.Service), Language: c.Language, Summary: -1}
	if !slices.Contains(notify.Services, t.Service) {
		return t, r.errorf("notify", "%.20q is no service that is known here; it is wecom, dingtalk, feishu or webhook", c.Service)
	}
	url, err := r.value(name+" url", c.URL)
	if err != nil {
		return t, err
	}
	t.URL = redact.New(url)
	key := ""
	if c.Secret != "" || t.Service == notify.Webhook {
		if key, err = r.value(name+" secret", c.Secret); err != nil {
			return t, err
		}
	}
	if t.Service == notify.Webhook {
		if t.Signing, err = relay.ParseSecret(key); err != nil {
			return t, r.errorf(name+" secret", "%s", strings.TrimPrefix(err.Error(), "events secret: "))
		}
	} else {
		t.Secret = redact.New(key)
	}
	if t.Language == "" {
		t.Language = "zh"
		if t.Service == notify.Webhook {
			t.Language = "en"
		}
	}
	if err := checkLanguage(t.Language); err != nil {
		return t, r.errorf(name+" language", "%w", err)
	}
	if c.Summary != "" {
		if t.Summary, err = timeOfDay(c.Summary); err != nil {
			return t, r.errorf(name+" summary", "%w", err)
		}
	}
	if option, err := t.Check(); err != nil {
		return t, r.errorf(name+" "+option, "%w", err)
	}
	return t, nil
}

// lookEvery is how often it is looked for incidents.
var lookEvery = notify.Look

// tell tells of incidents until the context ends.
func (a *App) tell(ctx context.Context) {
	if len(a.targets) == 0 {
		return
	}
	notify.New(notify.Config{
		Targets: a.targets, Owner: a.owner, Now: time.Now, Every: lookEvery, Logger: a.logger, Sum: a.summary, Store: &toldStore{storage: a.shared, path: a.home.file}, Alone: a.home.file == "",
		Look: func(ctx context.Context) []check.Finding {
			checks := a.checks(ctx)
			return check.Run(ctx, slices.DeleteFunc(checks, func(c check.Check) bool { return !notify.Watches(c.ID) }))
		},
	}).Run(ctx)
}

// summary sums the last 24 hours up, for each app and mode.
func (a *App) summary(ctx context.Context) (check.Words, error) {
	l, err := a.store.open(ctx)
	if err != nil {
		return check.Words{}, err
	}
	var days []check.Day
	now := time.Now()
	for _, scope := range a.scopes() {
		known, err := l.Figures(ctx, scope)
		if err != nil {
			return check.Words{}, err
		}
		hours, err := l.Hours(ctx, scope, now.Add(-24*time.Hour), now)
		if err != nil {
			return check.Words{}, err
		}
		days = append(days, check.Day{Scope: scope, Hours: hours, Figures: *known})
	}
	return check.Summary(days), nil
}

// toldStore keeps what was told where all processes that have the ledger find it: with the ledger if several nodes share that, else in Caddy's storage.
type toldStore struct {
	storage wechat.Storage
	path    string // of a ledger that is a file: several machines may share a storage, each with a ledger of its own
}

// Change implements [notify.Store].
func (s *toldStore) Change(ctx context.Context, name string, change func([]byte) ([]byte, error)) error {
	key := "pay/told/" + name + ".json"
	if s.path != "" {
		instance, err := caddy.InstanceID()
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(s.path))
		key = "pay/told/" + instance.String() + "/" + hex.EncodeToString(sum[:8]) + "/" + name + ".json"
	}
	if err := s.storage.Lock(ctx, key); err != nil {
		return err
	}
	defer func() { _ = s.storage.Unlock(context.WithoutCancel(ctx), key) }()
	old, err := s.storage.Load(ctx, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made, err := change(old)
	if err != nil {
		return err
	}
	return s.storage.Store(ctx, key, made)
}
