package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/check"
)

// exitCode is the one with which an error ends the process.
func exitCode(err error) int {
	for ; err != nil; err = errors.Unwrap(err) {
		if v := reflect.Indirect(reflect.ValueOf(err)); v.Kind() == reflect.Struct && v.FieldByName("ExitCode").IsValid() {
			return int(v.FieldByName("ExitCode").Int())
		}
		if errors.Unwrap(err) == nil {
			return 1
		}
	}
	return 0
}

// The command shows what the running Caddy finds, in words, in short or as JSON alone, and its exit code says the worst.
func TestCheckCommand(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	file, order := checkedCaddyfile(t, dir, addr)
	a := runAdmin(t, file)
	pay := func(args ...string) (stdout, stderr string, code int) {
		t.Helper()
		var out, notices bytes.Buffer
		cmd := payCommand(t, &out, append([]string{"check", "--address", a.addr}, args...)...)
		cmd.SetErr(&notices)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), notices.String(), exitCode(err)
	}
	if stdout, _, code := pay("--wait", "60s", "--short"); code != 0 || !strings.HasPrefix(stdout, "✓ ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("%d %s", code, stdout)
	}
	if stdout, _, code := pay("--lang", "zh"); code != 0 || !strings.Contains(stdout, "✓ pingpp (localhost): Ping++ 响应正常\n") {
		t.Errorf("%d %s", code, stdout)
	}
	if stdout, _, code := pay("--backend", "--order", order()); code != 0 || !strings.Contains(stdout, "✓ backend-token (localhost): ") {
		t.Errorf("%d %s", code, stdout)
	}
	stdout, stderr, code := pay("--backend", "--order", "TEST1", "--json") // which the shop does not have
	var r check.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 1 || r.Result != check.Fail || len(r.Findings) != 1 || r.Findings[0].ID != "backend-quote" || stderr != "" {
		t.Errorf("%d %v %s%s", code, err, stdout, stderr)
	}
	if stdout, _, code := pay("--backend", "--order", "TEST1", "--short"); code != 1 || !strings.HasPrefix(stdout, "✗ backend-quote (localhost): the backend gives order TEST1 no price") {
		t.Errorf("%d %s", code, stdout)
	}
	if stdout, _, code := pay("--backend", "--site", "nowhere.test"); code != 3 || stdout != "" {
		t.Errorf("%d %s", code, stdout)
	}
	if stdout, _, code := pay("--explain", "webhook-url"); code != 0 || !strings.Contains(stdout, "domain leads") {
		t.Errorf("%d %s", code, stdout)
	}
	if stdout, _, code := pay("--explain", "webhooks"); code != 1 || stdout != "" {
		t.Errorf("%d %s", code, stdout)
	}
	a.addr = freeAddr(t) // nothing runs there
	for _, args := range [][]string{{}, {"--json"}, {"--backend"}, {"--wait", "100ms"}} {
		var out bytes.Buffer
		err := payCommand(t, &out, append([]string{"check", "--address", a.addr}, args...)...).ExecuteContext(t.Context())
		if exitCode(err) != 3 || out.Len() > 0 || !strings.Contains(err.Error(), "no Caddy answers") {
			t.Errorf("%q: %v %s", args, err, &out)
		}
	}
}
