package caddymodule

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/relay/reconcile"
)

// What the events block says reaches those who do it: the site's intake and the relay.
func TestEventsBlockIsWired(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http", "upstream 127.0.0.1:1", `events POST /internal/pay/events {
			types charge.succeeded refund.succeeded
			expect json code 0 200
			mismatch deliver
			timeout 7s
			retry 1s 2s
		}`)+"\trespond ok\n}\n")
	_, found := running(t)
	if len(found) != 1 {
		t.Fatalf("%d blocks", len(found))
	}
	h := found[0]
	in, d := h.resolved.Intake, h.registry.destination
	if in.Ask == nil {
		t.Error("a refund's payment is not asked for")
	}
	if !in.Deliver {
		t.Error("mismatch deliver does nothing")
	}
	if want := []string{"charge.succeeded", "refund.succeeded"}; !slices.Equal(in.Types, want) || !slices.Equal(d.Types, want) {
		t.Errorf("types: %q, and the relay has %q", in.Types, d.Types)
	}
	if d.Expect.Path != "code" || !slices.Equal(d.Expect.Values, []string{"0", "200"}) {
		t.Errorf("expect: %+v", d.Expect)
	}
	if d.Timeout != 7*time.Second || !slices.Equal(d.Retry, []time.Duration{time.Second, 2 * time.Second}) {
		t.Errorf("timeout %s, retry %s", d.Timeout, d.Retry)
	}
	if d.Token.Reveal() != testToken || d.Method+" "+d.Path != "POST /internal/pay/events" {
		t.Errorf("%s %s with the token %.4s…", d.Method, d.Path, d.Token.Reveal())
	}
	if h.site.Payments.QueryAfter != reconcile.DefaultAfter || h.resolved.Reconciler == nil || !strings.HasPrefix(h.resolved.Scope.App, "app_") {
		t.Errorf("look-ups begin after %s", h.site.Payments.QueryAfter)
	}
}
