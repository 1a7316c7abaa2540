package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/check"
)

const (
	nightPrice = 620_000 // fen, of each order: four of them are more than CaddyPayMoneyAtRisk takes
	nightLong  = 3 * time.Minute

	// An event makes three attempts within a second, one after three quarters of a minute, and then is dead.
	nightSite = `
https://localhost:<port> {
	handle_path /ops/* {
		basic_auth {
			mark <password>
		}
		pay_console
	}
	pay {` + accounts + `
	events POST /internal/pay/events {
		secret  {env.PAY_EVENTS_SECRET}
		timeout 15s
		retry   100ms 100ms 45s
	}
}
	reverse_proxy <backend>
}
`
)

// A night: the backend begins to answer everything with a redirect to its login page. The console, the commands, the metrics and a message say so,
// each with the money; an alert fires. Then the backend is mended: what is pending comes by itself, one command brings what is dead, a second
// message says that it is over, and nothing is left of it.
func TestScriptedNight(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	if bad := n.failed(); len(bad) != 0 {
		t.Fatalf("before the night: %q", bad)
	}
	_, session := n.login()
	calm := n.scrapeWhen("caddy_pay_money_at_risk_fen", 0) // once the ledger is open
	charges := make(map[string]string)
	for _, orderNo := range []string{"NIGHT1", "NIGHT2", "NIGHT3", "NIGHT4"} {
		charges[orderNo] = n.newCharge(session, orderNo)
	}

	n.ill.Store(true)
	n.pay(charges["NIGHT1"], charges["NIGHT2"])
	opened := n.told.await(t, 1)[0]
	if opened.Type != "incident.opened" || !strings.Contains(opened.Text, "the backend redirects") || !strings.Contains(opened.Text, "302 to \"/login\"") {
		t.Errorf("the message is %+v", opened)
	}
	n.figures("two are dead", func(f adminapi.ScopeFigures) bool { return f.Events["dead"] == 2 && f.AtRisk == 2*nightPrice })
	if bad := n.failed(); !slices.Equal(bad, []string{"backend-redirect", "events-dead"}) {
		t.Errorf("check fails with %q", bad)
	}
	n.page("order?app="+n.box.App()+"&mode=live&order_no=NIGHT1", "your backend answered 302 to /login", "¥6,200.00")

	n.pay(charges["NIGHT3"], charges["NIGHT4"])
	n.figures("two wait for their last attempt", func(f adminapi.ScopeFigures) bool {
		return f.Events["pending"] == 2 && f.Events["dead"] == 2 && f.AtRisk == 4*nightPrice && !f.OldestAtRisk.IsZero() && time.Until(f.NextAttempt) > 10*time.Second
	})
	night := n.scrapeWhen("caddy_pay_money_at_risk_fen", 4*nightPrice)
	n.page("", "¥24,800.00", "4 payments", "2 dead", "Your backend acknowledges nothing", "your backend answered 302 to /login", "HTTP 302")
	n.page("health", "the backend redirects", "docs/check.md#backend-redirect")

	n.ill.Store(false)
	for _, orderNo := range []string{"NIGHT3", "NIGHT4"} { // by themselves
		n.acknowledged(orderNo, "")
	}
	for _, orderNo := range []string{"NIGHT1", "NIGHT2"} {
		if heard := n.backend.ofOrder(orderNo); len(heard) != 0 {
			t.Errorf("the dead event of %s was delivered without being asked for", orderNo)
		}
	}
	stdout, stderr, code := n.command("events", "replay", "--state", "dead", "--since", "2h", "--yes")
	if code != 0 || !strings.Contains(stderr, "2 match, 2 can be taken, for ¥12400.00\n") {
		t.Fatalf("the replay ended with %d\n%s%s", code, stdout, stderr)
	}
	for _, orderNo := range []string{"NIGHT1", "NIGHT2"} {
		n.acknowledged(orderNo, "1")
	}
	n.figures("nothing is at risk", func(f adminapi.ScopeFigures) bool {
		return f.AtRisk == 0 && f.AtRiskEvents == 0 && f.Events["dead"] == 0 && f.Events["pending"] == 0 && f.Events["delivered"] == 4
	})
	morning := n.scrapeWhen("caddy_pay_money_at_risk_fen", 0)
	if bad := n.failed(); len(bad) != 0 {
		t.Errorf("check still fails with %q", bad)
	}
	if text := n.page("", "¥0.00", "Your backend has acknowledged every payment."); strings.Contains(text, "card bad") || strings.Contains(text, "card warn") {
		t.Errorf("the front page is not calm:\n%s", text)
	}
	told := n.told.await(t, 2)
	if over := told[1]; len(told) != 2 || over.Type != "incident.over" || !strings.Contains(over.Text, "the backend redirects") {
		t.Errorf("told %+v", told)
	}
	for _, orderNo := range []string{"NIGHT1", "NIGHT2", "NIGHT3", "NIGHT4"} {
		if heard := n.backend.ofOrder(orderNo); len(heard) != 1 {
			t.Errorf("the payment of %s was acknowledged %d times", orderNo, len(heard))
		}
	}
	n.alerts(calm, night, morning)
}

// night is a live shop with a console, whose backend may be ill, and somebody who is told.
type night struct {
	*stage
	ill      *atomic.Bool
	told     *told
	password string
}

func newNight(t *testing.T) *night {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Fatalf("the alerts are tested with promtool, which is not installed: run `make deps`; on Debian it is in the package prometheus (%v)", err)
	}
	n := &night{stage: newStage(t, true), ill: new(atomic.Bool), password: "a night's watch"}
	well := n.backend.Config.Handler
	n.backend.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.ill.Load() {
			http.Redirect(w, r, "/login", http.StatusFound)
			return
		}
		well.ServeHTTP(w, r)
	})
	n.backend.script(func() {
		n.backend.quote = func(orderNo string) (int, any) {
			if !strings.HasPrefix(orderNo, "NIGHT") {
				return http.StatusNotFound, map[string]string{"error": "no such order"}
			}
			return http.StatusOK, map[string]any{"order_no": orderNo, "amount": nightPrice, "currency": "cny", "subject": "Tea", "body": "Green tea"}
		}
	})
	n.told = newTold(t, n.secret)
	hash, stderr, code := command(t, n.dir, nil, "hash-password", "--plaintext", n.password, "--bcrypt-cost", "4") // every page asks for it
	if code != 0 {
		t.Fatal(stderr)
	}
	global := strings.Replace(globalOptions, "ledger sqlite", "notify webhook "+n.told.URL+"/told {\n\t\t\tsecret {env.PAY_EVENTS_SECRET}\n\t\t}\n\t\tledger sqlite", 1)
	n.write("Caddyfile", []byte(n.fill(global+strings.Replace(nightSite, "<password>", strings.TrimSpace(hash), 1))))
	n.restart()
	return n
}

// pay is what users do, and Ping++ tells of it.
func (n *night) pay(charges ...string) {
	n.t.Helper()
	for _, id := range charges {
		if err := n.box.Pay(id); err != nil {
			n.t.Fatal(err)
		}
	}
}

// acknowledged waits until the backend has taken the payment of an order.
func (n *night) acknowledged(orderNo, replay string) {
	n.t.Helper()
	eventually(n.t, nightLong, func() error {
		if len(n.backend.ofOrder(orderNo)) == 0 {
			return errorf("the backend has not heard of %s", orderNo)
		}
		return nil
	})
	if got := n.backend.ofOrder(orderNo)[0].Header.Get("X-Pay-Replay"); got != replay {
		n.t.Errorf("%s came with X-Pay-Replay %q, want %q", orderNo, got, replay)
	}
}

// command is `caddy pay …`, beside the Caddy that runs.
func (n *night) command(args ...string) (stdout, stderr string, code int) {
	n.t.Helper()
	return command(n.t, n.dir, nil, append(append([]string{"pay"}, args...), "--address", fmt.Sprintf("localhost:%d", n.admin))...)
}

// failed are the findings of `caddy pay check` that are not well, sorted.
func (n *night) failed() (ids []string) {
	n.t.Helper()
	stdout, stderr, code := n.command("check", "--json")
	var r check.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		n.t.Fatalf("%v: check says %s%s", err, stdout, stderr)
	}
	for _, f := range r.Findings {
		if f.Result != check.OK {
			ids = append(ids, f.ID)
		}
	}
	if (code == 0) != (len(ids) == 0) {
		n.t.Errorf("check exits with %d and finds %q\n%s", code, ids, stderr)
	}
	slices.Sort(ids)
	return ids
}

// figures waits until the admin API's are such.
func (n *night) figures(what string, such func(adminapi.ScopeFigures) bool) {
	n.t.Helper()
	eventually(n.t, nightLong, func() error {
		a, err := n.try(n.client, "GET", fmt.Sprintf("http://localhost:%d/pay/figures", n.admin), nil)
		if err != nil {
			return err
		}
		var all []adminapi.ScopeFigures
		a.into(n.t, &all)
		if len(all) != 1 || !such(all[0]) {
			return errorf("it is not so that %s: %s", what, a)
		}
		return nil
	})
}

// page returns a page of the console, once it has these texts.
func (n *night) page(path string, texts ...string) (page string) {
	n.t.Helper()
	req, err := http.NewRequest(http.MethodGet, n.url("/ops/"+path), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	req.SetBasicAuth("mark", n.password)
	a, err := n.try(n.client, "GET", req.URL.String(), nil, "Authorization", req.Header.Get("Authorization"))
	if err != nil {
		n.t.Fatal(err)
	}
	if a.StatusCode != http.StatusOK {
		n.t.Fatalf("/ops/%s: %s", path, a)
	}
	page = string(a.Body)
	for _, text := range texts {
		if !strings.Contains(page, text) {
			n.t.Errorf("/ops/%s has no %q:\n%s", path, text, page)
		}
	}
	return page
}

// scrape is what Prometheus reads.
func (n *night) scrape() samples {
	n.t.Helper()
	a, err := n.try(n.client, "GET", fmt.Sprintf("http://localhost:%d/metrics", n.admin), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return readSamples(n.t, string(a.Body))
}

// scrapeWhen scrapes until a gauge of the live app has a value: the ledger is asked for it every few seconds at most.
func (n *night) scrapeWhen(gauge string, value float64) (s samples) {
	n.t.Helper()
	series := fmt.Sprintf(`%s{app="%s",mode="live"}`, gauge, n.box.App())
	eventually(n.t, nightLong, func() error {
		s = n.scrape()
		if got, ok := s[series]; !ok || got != value {
			return errorf("%s is %v", series, got)
		}
		return nil
	})
	return s
}

// alerts puts what was scraped before, in and after the night, each held for a quarter of an hour, before the rules of the documentation.
func (n *night) alerts(calm, night, morning samples) {
	n.t.Helper()
	rules, err := filepath.Abs("../docs/monitoring/rules.yml")
	if err != nil {
		n.t.Fatal(err)
	}
	held := promtoolSeries(15, calm, night, morning)
	var b strings.Builder
	fmt.Fprintf(&b, "rule_files: [%q]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n%s  promql_expr_test:\n", rules, held)
	for _, at := range []struct {
		minute int
		firing []string
	}{
		{14, nil},
		{29, []string{"CaddyPayUndelivered", "CaddyPayMoneyAtRisk", "CaddyPayDead", "CaddyPayBackendFailing"}},
		{44, nil},
	} {
		fmt.Fprintf(&b, "  - expr: ALERTS{alertstate=\"firing\"}\n    eval_time: %dm\n    exp_samples:\n", at.minute)
		for _, name := range at.firing {
			fmt.Fprintf(&b, "    - labels: 'ALERTS{alertname=%q,alertstate=\"firing\",app=%q,mode=\"live\",severity=\"critical\"}'\n      value: 1\n", name, n.box.App())
		}
	}
	n.write("night.yml", []byte(b.String()))
	if out, err := exec.CommandContext(n.t.Context(), "promtool", "test", "rules", n.file("night.yml")).CombinedOutput(); err != nil {
		n.t.Errorf("promtool: %v\n%s\n%s", err, out, b.String())
	}
}
