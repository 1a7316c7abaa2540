package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// lines collects what a command prints while it runs.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// tail shows each event and each attempt with the event's id, on stdout, and on stderr that Caddy is gone and that it is back.
func TestEventsTail(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	d.refuses(true)
	file := d.site(t, dir, addr)
	a := runAdmin(t, file)
	hook := "http://" + addr + "/pay/webhooks"
	sendWebhook(t, hook, webhookEvent("old"))
	eventually(t, "the end of its schedule", func() bool { return a.show("old").State == "dead" })

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var ended sync.WaitGroup
	defer ended.Wait()
	defer stop()
	follow := func(more ...string) (out, notices *printed) {
		out, notices = new(printed), new(printed)
		cmd := payCommand(t, out, append([]string{"events", "tail", "--address", a.addr}, more...)...)
		cmd.SetErr(notices)
		ended.Go(func() {
			if err := cmd.ExecuteContext(ctx); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "its beginning", func() bool { return strings.Contains(notices.String(), "Waiting for events") })
		return out, notices
	}
	out, notices := follow()
	asJSON, _ := follow("--json", "--type", "charge.succeeded")
	sees := func(want string) {
		t.Helper()
		eventually(t, want, func() bool { return strings.Contains(out.String(), want) })
	}
	sendWebhook(t, hook, webhookEvent("new"))
	sees("evt_new  charge.succeeded of the order ordernew, test, by webhook: ")
	sees("evt_new  → 500 in ")
	sees("ms, dead: ")
	d.refuses(false)
	if status, body := a.decide("old", "replay"); status != http.StatusOK {
		t.Fatal(status, body)
	}
	sees("evt_old  → 200 in ")
	if strings.Contains(out.String(), "evt_old  charge.succeeded") || strings.Count(out.String(), "evt_old  → 500") > 0 {
		t.Errorf("what was before is shown:\n%s", out)
	}

	if err := caddy.Stop(); err != nil { // the admin endpoint goes with it
		t.Fatal(err)
	}
	if err := caddy.Load([]byte(`{"admin":{"disabled":true}}`), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that Caddy is gone", func() bool { return strings.Contains(notices.String(), "Caddy is gone") })
	if err := caddy.Load(adapt(t, strings.Replace(file, "admin off", "admin "+a.addr, 1)), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that it is back", func() bool { return strings.Contains(notices.String(), "Caddy is back") })
	sendWebhook(t, hook, webhookEvent("later"))
	sees("evt_later  → 200 in ")

	eventually(t, "the same as JSON", func() bool { return strings.Contains(asJSON.String(), `"evt_later","order_no"`) })
	kinds := map[string]int{}
	for line := range strings.Lines(asJSON.String()) {
		var v struct{ Kind, ID, Event string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		kinds[v.Kind+" "+v.ID+v.Event]++
	}
	for _, want := range []string{"event evt_new", "delivery evt_new", "delivery evt_old", "event evt_later", "delivery evt_later"} {
		if kinds[want] == 0 {
			t.Errorf("no %s:\n%s", want, asJSON)
		}
	}
}

// A probe learns whether Caddy lives, and whether payments can be taken.
func TestHealthCommand(t *testing.T) {
	dir := t.TempDir()
	a := runAdmin(t, newDesk(t).site(t, dir, freeAddr(t)))
	health := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := payCommand(t, &out, append([]string{"health", "--address", a.addr}, args...)...).ExecuteContext(t.Context())
		return out.String(), err
	}
	for want, args := range map[string][]string{
		"payments are taken\napp_test1, test mode: 0 events wait": {"--ready"},
		"payments are taken": nil,
		"Caddy lives\n":      {"--live"},
		`{"ready":true,"ledger":"` + dir + `/ledger.db","scopes":[{"app":"app_test1","mode":"test","pending":0}]}`: {"--json"},
	} {
		if out, err := health(args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	if _, err := health("--live", "--ready"); err == nil {
		t.Error("both were taken")
	}
	if err := ledgerOf(t).Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := health(); err == nil || !strings.Contains(err.Error(), "HTTP 503") {
		t.Errorf("without its ledger: %v\n%s", err, out)
	}
	if out, err := health("--live"); err != nil {
		t.Errorf("it lives: %v\n%s", err, out)
	}
	if err := caddy.Load(adapt(t, strings.Replace(globals(t.TempDir())+"http://"+freeAddr(t)+" {\n\trespond ok\n}\n", "admin off", "admin "+a.addr, 1)), true); err != nil {
		t.Fatal(err)
	}
	if out, err := health(); err == nil || !strings.Contains(err.Error(), "no pay directive") {
		t.Errorf("without a site: %v\n%s", err, out)
	}
	a.addr = freeAddr(t)
	if out, err := health("--live"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("without Caddy: %v\n%s", err, out)
	}
}
