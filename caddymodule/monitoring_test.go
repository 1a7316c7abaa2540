package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
	"github.com/caddypay/caddypay/ledger/postgres"
	"github.com/prometheus/client_golang/prometheus"
)

const monitoring = "../docs/monitoring/"

// panel is one of the dashboard.
type panel struct {
	Type, Title, Description string
	Datasource               source
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Datasource source
		Expr       string
	}
}

type source struct{ UID string }

// dashboard is docs/monitoring/dashboard.json, as far as it is looked at.
type dashboard struct {
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(must(os.ReadFile(monitoring+"dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// exprs returns what the dashboard's panels ask, with values for its variables.
func (d dashboard) exprs() (exprs []string) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$app", ".*", "$mode", ".*").Replace(target.Expr))
		}
	}
	return exprs
}

// alerts returns the alerts of rules.yml by their names.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, rule := range strings.Split(string(must(os.ReadFile(monitoring+"rules.yml"))), "- alert: ")[1:] {
		name, text, _ := strings.Cut(rule, "\n")
		all[name] = text
	}
	if len(all) < 16 {
		t.Fatalf("%d alerts", len(all))
	}
	return all
}

// Each alert waits before it fires, says how urgent it is, in both languages what is wrong, and where to read on.
func TestAlertsAreWhole(t *testing.T) {
	tests := strings.Split(string(must(os.ReadFile(monitoring+"rules_test.yml"))), "- interval: ")
	pages := []string{string(must(os.ReadFile(monitoring + "README.md"))), string(must(os.ReadFile(monitoring + "README.zh-CN.md")))}
	for name, rule := range alerts(t) {
		for _, member := range []string{`(?m)^ +for: \d+[mh]$`, `(?m)^ +severity: (critical|warning)$`, `(?m)^ +summary: .*[a-z]`, `(?m)^ +summary_zh: .*\p{Han}`,
			`(?m)^ +runbook_url: https://github\.com/caddypay/caddypay/blob/main/docs/monitoring/README\.md#` + strings.ToLower(name) + `$`} {
			if !regexp.MustCompile(member).MatchString(rule) {
				t.Errorf("%s has nothing like %s", name, member)
			}
		}
		for i, page := range pages {
			if !strings.Contains(page, "\n### "+name+"\n\n") {
				t.Errorf("page %d does not say what to do about %s", i, name)
			}
		}
		var fires, quiet int
		for _, test := range tests {
			if regexp.MustCompile(`(?m)^ +alertname: ` + name + `$`).MatchString(test) {
				if strings.Contains(test, "exp_alerts: []") {
					quiet++
				} else {
					fires++
				}
			}
		}
		if fires == 0 || quiet == 0 {
			t.Errorf("%d tests show that %s fires, %d that it does not", fires, name, quiet)
		}
	}
	heading := regexp.MustCompile(`(?m)^### (\w+)$`)
	if en, zh := heading.FindAllString(pages[0], -1), heading.FindAllString(pages[1], -1); !slices.Equal(en, zh) || len(en) != len(alerts(t)) {
		t.Errorf("%d alerts, and the pages have %q and %q", len(alerts(t)), en, zh)
	}
}

// The Caddyfile that shows the metrics to Prometheus is one, and the same in both languages.
func TestMonitoringCaddyfile(t *testing.T) {
	block := regexp.MustCompile("(?s)```caddyfile\n(.*?)```")
	en, zh := block.FindSubmatch(must(os.ReadFile(monitoring+"README.md"))), block.FindSubmatch(must(os.ReadFile(monitoring+"README.zh-CN.md")))
	if len(en) != 2 || len(zh) != 2 || string(en[1]) != string(zh[1]) {
		t.Fatalf("%q, %q", en, zh)
	}
	if config := adapt(t, string(en[1])); !strings.Contains(string(config), `"handler":"metrics"`) || !strings.Contains(string(config), `"10.0.0.9"`) {
		t.Errorf("%s", config)
	}
}

// The alerts fire when they should, and not when they should not, and Prometheus can read what the dashboard asks.
func TestAlertsFire(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Fatalf("the alerts are tested with promtool, which is not installed: run `make deps`; on Debian it is in the package prometheus (%v)", err)
	}
	promtool := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	promtool("check", "rules", "rules.yml")
	promtool("test", "rules", "rules_test.yml")
	asked := "groups:\n  - name: dashboard\n    rules:\n"
	for i, expr := range readDashboard(t).exprs() {
		asked += fmt.Sprintf("      - record: panel:%d\n        expr: %q\n", i, expr)
	}
	promtool("check", "rules", write(t, must(filepath.Abs(t.TempDir())), "dashboard.yml", asked))
}

// The dashboard works with any data source and job, and every panel says what it shows, in what unit.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	variables := make(map[string]string)
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if variables["datasource"] != "datasource" || variables["job"] != "query" || variables["app"] != "query" || variables["mode"] == "" {
		t.Errorf("variables: %v", variables)
	}
	shown := 0
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || !regexp.MustCompile(`\p{Han}`).MatchString(p.Description) || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("the panel %q lacks something: %+v", p.Title, p)
		}
		for _, target := range p.Targets {
			shown++
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `job=~"$job"`) {
				t.Errorf("%s: %s is not of the chosen job and data source", p.Title, target.Expr)
			}
			if regexp.MustCompile(`(rate|increase)\(`).MatchString(target.Expr) != strings.Contains(target.Expr, "[$__rate_interval]") {
				t.Errorf("%s: %s goes by a time of its own", p.Title, target.Expr)
			}
		}
	}
	if shown < 25 {
		t.Errorf("%d questions", shown)
	}
}

var (
	askedFor = regexp.MustCompile(`(caddy_pay_[a-z_]+)(\{[^}]*\})?`)
	byLabel  = regexp.MustCompile(`([a-z]+)=~?"([a-z0-9_|]+)"`)
)

// Whatever an alert, a panel or the page names is there, with that label and value, where Caddy shows its metrics.
func TestMonitoringAsksForWhatIsThere(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	a := runAdmin(t, strings.NewReplacer("app app_test1", "app app_live1", "sk_test_", "sk_live_", "session {", "shipping\n\t\tsession {").Replace(d.site(t, dir, addr)))
	live := ledger.Scope{App: "app_live1", Mode: ledger.Live}
	oursIn(t, ledgerOf(t), live, "order1", "ch_1", 100)
	countCharge("wx_lite", "created") // a site that was never used shows none
	metrics.refunds.WithLabelValues("made").Inc()
	now := time.Now().AddDate(0, 0, 1)
	if _, granted, err := ledgerOf(t).ClaimSweep(t.Context(), ledger.SweepClaim{Scope: live, Owner: "test", To: now, Now: now, Until: now.Add(time.Second)}); err != nil || !granted {
		t.Fatal(granted, err)
	}
	if err := ledgerOf(t).Swept(t.Context(), ledger.Swept{Scope: live, Owner: "test", To: now}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	eventually(t, "the sweep is seen", func() bool {
		status, body := a.do(http.MethodGet, "/metrics", "", nil)
		if status != http.StatusOK {
			t.Fatal(status, body)
		}
		lines = strings.Split(body, "\n")
		return strings.Contains(body, "\ncaddy_pay_last_sweep_timestamp_seconds{")
	})

	lines = append(lines, databaseLines(t)...)

	var asked []string
	for _, rule := range alerts(t) {
		expr, _, _ := strings.Cut(rule, "for:")
		asked = append(asked, expr)
	}
	asked = append(asked, readDashboard(t).exprs()...)
	for _, page := range []string{"README.md", "README.zh-CN.md"} {
		text := string(must(os.ReadFile(monitoring + page)))
		for _, state := range []string{"_dead", "_held"} {
			text = strings.ReplaceAll(text, "`"+state+"`", "`caddy_pay_events"+state+"`")
		}
		asked = append(asked, text)
	}
	names := make(map[string]bool)
	for _, text := range asked {
		for _, m := range askedFor.FindAllStringSubmatch(text, -1) {
			name := m[1]
			names[name] = true
			has := func(label, value string) bool {
				return slices.ContainsFunc(lines, func(line string) bool {
					rest, ok := strings.CutPrefix(line, name)
					if !ok { // a page names a histogram without its suffix
						return false
					}
					rest = strings.TrimPrefix(strings.TrimPrefix(rest, "_count"), "_bucket")
					return (strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, " ")) && (label == "" || strings.Contains(rest, label+`="`+value+`"`))
				})
			}
			if !has("", "") {
				t.Errorf("%s is not there", name)
			}
			for _, l := range byLabel.FindAllStringSubmatch(m[2], -1) {
				for value := range strings.SplitSeq(l[2], "|") {
					if l[1] != "job" && !has(l[1], value) {
						t.Errorf("%s has no %s %s", name, l[1], value)
					}
				}
			}
		}
	}
	for _, line := range lines { // and the page names all that is there
		if m := regexp.MustCompile(`^# TYPE (caddy_pay_\w+)`).FindStringSubmatch(line); m != nil && !names[m[1]] {
			t.Errorf("no page names %s", m[1])
		}
	}
}

// databaseLines are the names and labels of what is told of a ledger in a database.
func databaseLines(t *testing.T) (lines []string) {
	t.Helper()
	l, err := postgres.Open(t.Context(), postgres.Options{DSN: pgtest.Shared(t).DSN(t), Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(&databaseGauges{opened: func() (*postgres.Ledger, bool) { return l, true }, now: time.Now})
	for _, f := range must(r.Gather()) {
		lines = append(lines, "# TYPE "+f.GetName())
		for _, m := range f.GetMetric() {
			labels := ""
			for _, label := range m.GetLabel() {
				labels += label.GetName() + `="` + label.GetValue() + `"`
			}
			lines = append(lines, f.GetName()+"{"+labels+"}")
		}
	}
	return lines
}
