package caddymodule

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Every configuration shows the counters, they go on over reloads, and a configuration that is refused does not disturb them.
func TestMetrics(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	file := d.site(t, dir, addr)
	a := runAdmin(t, file)
	hook := "http://" + addr + "/pay/webhooks"
	count := func(series string) int {
		t.Helper()
		v := a.metric(series)
		if v == "" {
			return 0
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(series, v)
		}
		return n
	}
	const recorded, duplicate, held, wrong = `caddy_pay_webhooks_total{result="recorded"}`, `caddy_pay_webhooks_total{result="duplicate"}`,
		`caddy_pay_webhooks_total{result="held"}`, `caddy_pay_webhooks_total{result="missing"}`
	const delivered, dead, latency = `caddy_pay_deliveries_total{result="delivered"}`, `caddy_pay_deliveries_total{result="dead"}`, `caddy_pay_delivery_seconds_count`
	before := map[string]int{}
	for _, s := range []string{recorded, duplicate, held, wrong, delivered, dead, latency} {
		before[s] = count(s)
	}
	more := func(when string, want map[string]int) {
		t.Helper()
		for s, n := range want {
			if got := count(s) - before[s]; got != n {
				t.Errorf("%s: %s has grown by %d, want %d", when, s, got, n)
			}
		}
	}
	ours(t, ledgerOf(t), "held", 999)
	for _, id := range []string{"a", "a", "held"} {
		sendWebhook(t, hook, webhookEvent(id))
	}
	resp, err := client(t).Post(hook, "application/json", strings.NewReader("{}"))
	if err != nil || resp.Body.Close() != nil {
		t.Fatal(err)
	}
	eventually(t, "the delivery is counted", func() bool { return count(latency) == before[latency]+1 })
	more("at first", map[string]int{recorded: 1, duplicate: 1, held: 1, wrong: 1, delivered: 1, dead: 0})

	load := func(file string) error {
		return caddy.Load(adapt(t, strings.Replace(file, "admin off", "admin "+a.addr, 1)), true)
	}
	for i := range 3 {
		if err := load(strings.Replace(file, "retry 20ms", fmt.Sprintf("retry 2%dms", i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := load(strings.Replace(file, "app app_test1", "app user_1", 1)); err == nil {
		t.Error("a bad configuration was taken")
	}
	sendWebhook(t, hook, webhookEvent("b"))
	eventually(t, "the delivery is counted", func() bool { return count(latency) == before[latency]+2 })
	more("after reloads", map[string]int{recorded: 2, duplicate: 1, held: 1, wrong: 1, delivered: 2})

	// Two pay blocks, and a configuration beside the running one.
	if err := validate(t, globals(t.TempDir())+"http://"+freeAddr(t)+" {\n"+payBlock(t, dir, "", "allow_http")+secondBlock(t, dir)+"}\n"); err != nil {
		t.Error(err)
	}
	more("after validating another", map[string]int{recorded: 2})
}

func TestRegisterMetrics(t *testing.T) {
	if err := registerMetrics(nil); err != nil {
		t.Error(err)
	}
	one, two := prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
	for _, r := range []*prometheus.Registry{one, two, one} {
		if err := registerMetrics(r); err != nil {
			t.Error(err)
		}
	}
	other := prometheus.NewRegistry()
	other.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "caddy_pay_charges_total", Help: "somebody else's"}))
	if err := registerMetrics(other); err == nil {
		t.Error("somebody else's metric of our name is no error")
	}
	families, err := one.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.ContainsAny(l.GetValue(), " /?:") {
					t.Errorf("%s: the label %s has the value %q", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
}
