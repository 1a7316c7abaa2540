package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddypay/caddypay/ledger"
)

func init() { caddy.RegisterModule(new(listener)) }

// listener is a handler of Caddy's events app that keeps what it hears.
type listener struct{}

var heard struct {
	sync.Mutex
	lines []string
	wait  chan struct{} // nil: it answers at once
	panic bool
}

func (*listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.pay_listener", New: func() caddy.Module { return new(listener) }}
}

func (*listener) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return nil }

func (*listener) Handle(_ context.Context, e caddy.Event) error {
	heard.Lock()
	wait := heard.wait
	var line strings.Builder
	line.WriteString(e.Name())
	for _, member := range strings.Fields("app mode event order_no charge amount currency source state reasons attempts") {
		if v, ok := e.Data[member]; ok {
			fmt.Fprintf(&line, " %s=%v", member, v)
		}
	}
	if why, _ := e.Data["why"].(string); why != "" {
		line.WriteString(" why")
	}
	heard.lines = append(heard.lines, line.String())
	broken := heard.panic
	heard.Unlock()
	if broken {
		panic("the listener is broken")
	}
	if wait != nil {
		<-wait
	}
	return nil
}

// listen is a site whose announcements are heard.
func listen(t *testing.T, d *desk) (hook, dir string) {
	dir, addr := t.TempDir(), freeAddr(t)
	heard.Lock()
	heard.lines, heard.wait, heard.panic = nil, nil, false
	heard.Unlock()
	backends.ended(testScope, true)
	run(t, strings.Replace(d.site(t, dir, addr), "admin off", "admin off\n\tevents {\n\t\ton * pay_listener\n\t}", 1))
	return "http://" + addr + "/pay/webhooks", dir
}

func hears(t *testing.T, want ...string) {
	t.Helper()
	for _, line := range want {
		eventually(t, line, func() bool {
			heard.Lock()
			defer heard.Unlock()
			n := 0
			for _, got := range heard.lines {
				if got == line {
					n++
				}
			}
			return n == 1
		})
	}
}

// What happens to money is announced to Caddy's events app, once each.
func TestAnnounce(t *testing.T) {
	d := newDesk(t)
	hook, _ := listen(t, d)
	ours(t, ledgerOf(t), "held", 999)
	for _, id := range []string{"fine", "fine", "held"} {
		sendWebhook(t, hook, webhookEvent(id))
	}
	const at = " app=app_test1 mode=test event=evt_"
	hears(t, "pay.charge_paid"+at+"fine order_no=orderfine charge=ch_fine amount=100 currency=cny source=webhook state=pending",
		"pay.charge_paid"+at+"held order_no=orderheld charge=ch_held amount=100 currency=cny source=webhook state=held",
		"pay.mismatch"+at+"held order_no=orderheld charge=ch_held amount=100 currency=cny source=webhook state=held reasons=amount")
	eventually(t, "the backend hears of it", func() bool { return len(d.heard("fine")) == 1 })
	d.refuses(true)
	for _, id := range []string{"poor", "poor2", "poor3"} {
		sendWebhook(t, hook, webhookEvent(id))
	}
	hears(t, "pay.event_dead"+at+"poor order_no=orderpoor charge=ch_poor why", "pay.event_dead"+at+"poor3 order_no=orderpoor3 charge=ch_poor3 why",
		"pay.backend_failing app=app_test1 mode=test attempts=3")
}

// A handler that hangs or panics holds up no payment; what it cannot take is dropped, and said to be.
func TestAnnounceToBrokenHandlers(t *testing.T) {
	d := newDesk(t)
	hook, dir := listen(t, d)
	heard.Lock()
	heard.panic = true
	heard.Unlock()
	for _, id := range []string{"a", "b"} { // the second is heard after the panic
		if status := sendWebhook(t, hook, webhookEvent(id)); status != http.StatusOK {
			t.Errorf("%s: %d", id, status)
		}
		hears(t, "pay.charge_paid app=app_test1 mode=test event=evt_"+id+" order_no=order"+id+" charge=ch_"+id+" amount=100 currency=cny source=webhook state=pending")
	}
	hang := make(chan struct{})
	heard.Lock()
	heard.panic, heard.wait = false, hang
	heard.Unlock()
	app := must(activeApp())
	for range announced + 3 {
		app.announce.recorded(&ledger.Event{Scope: testScope, ID: "evt_x", Change: &ledger.ChargeChange{Paid: true}})
	}
	if status := sendWebhook(t, hook, webhookEvent("c")); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	eventually(t, "the backend hears of it", func() bool { return len(d.heard("c")) == 1 })
	heard.Lock()
	heard.wait = nil
	heard.Unlock()
	close(hang)
	eventually(t, "the log says what was dropped", func() bool {
		log := string(must(os.ReadFile(filepath.Join(dir, "log"))))
		return strings.Contains(log, "handlers are slower than what happens") && strings.Contains(log, "a handler of Caddy's events app panicked")
	})
}
