package caddymodule

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What docs/monitoring tells Prometheus is a configuration of its, and the same in both languages.
func TestMonitoringPrometheus(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	en, zh := block.FindSubmatch(must(os.ReadFile(monitoring+"README.md"))), block.FindSubmatch(must(os.ReadFile(monitoring+"README.zh-CN.md")))
	if len(en) != 2 || len(zh) != 2 || string(en[1]) != string(zh[1]) {
		t.Fatalf("%q, %q", en, zh)
	}
	const there = "/etc/prometheus/caddypay/rules.yml"
	if !strings.Contains(string(en[1]), there) {
		t.Fatalf("it names no rules at %s:\n%s", there, en[1])
	}
	file := write(t, t.TempDir(), "prometheus.yml", strings.Replace(string(en[1]), there, must(filepath.Abs(monitoring+"rules.yml")), 1))
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "config", file).CombinedOutput(); err != nil {
		t.Errorf("%v; make deps installs promtool on Debian\n%s", err, out)
	}
}
