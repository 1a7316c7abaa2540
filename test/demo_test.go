package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var demoSteps = []string{"https", "login", "openid", "order_quote", "charge_created", "user_paid", "webhook_verified", "event_stored",
	"event_delivered", "client_confirmed", "money_frozen", "shipping_reported", "money_released"}

func TestDemo(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	for _, asJSON := range []bool{true, false} {
		t.Run(fmt.Sprintf("json=%t", asJSON), func(t *testing.T) {
			args := []string{"pay", "demo", "--once", "--port", fmt.Sprint(freePorts(t, 1)[0])}
			if asJSON {
				args = append(args, "--json")
			}
			stdout, stderr, code := command(t, dir, []string{"TMPDIR=" + temp}, args...)
			if code != 0 {
				t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
			}
			var steps []string
			for line := range strings.Lines(stdout) {
				steps = append(steps, demoStep(t, line, asJSON))
			}
			if !slices.Equal(steps, demoSteps) {
				t.Errorf("the steps are %q, want %q", steps, demoSteps)
			}
			checkNothingLeft(t, temp)
		})
	}
}

// demoStep reads one line of the demo's output.
func demoStep(t *testing.T, line string, asJSON bool) string {
	t.Helper()
	if !asJSON {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[0] != "✓" || fields[3] != "ms" {
			t.Fatalf("not a step: %q", line)
		}
		return fields[1]
	}
	var step struct {
		Step string
		OK   bool
		Saw  string
		MS   float64
	}
	if err := json.Unmarshal([]byte(line), &step); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	if !step.OK || step.Saw == "" || step.MS < 0 {
		t.Errorf("step %q", line)
	}
	return step.Step
}

// checkNothingLeft looks for what the demo wrote into the temporary folder and did not remove.
func checkNothingLeft(t *testing.T, temp string) {
	t.Helper()
	entries, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("the demo left %s behind", e.Name())
	}
}

// A temporary folder may be named anything; on some systems it holds the user's name.
func TestDemoInAFolderWithSpaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/a folder"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := command(t, dir, nil, "pay", "demo", "--once", "--port", fmt.Sprint(freePorts(t, 1)[0]))
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestDemoPortInUse(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	stdout, stderr, code := command(t, dir, nil, "pay", "demo", "--once", "--port", fmt.Sprint(port))
	if code == 0 || !strings.Contains(stderr, fmt.Sprint(port)) || !strings.Contains(stderr, "--port") || stdout != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q; want an error that names the port and --port", code, stdout, stderr)
	}
	checkNothingLeft(t, dir)
}

// With files of at most 4 KiB the ledger cannot be made, so Caddy cannot start.
func TestDemoNamesTheStepThatFailed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `ulimit -f 8; exec "$@"`, "sh", binary, "pay", "demo", "--once", "--json", "--port", fmt.Sprint(freePorts(t, 1)[0]))
	cmd.Dir, cmd.Env = dir, cleanEnv(dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err == nil || !strings.Contains(stderr.String(), "the demo failed at the step https") {
		t.Errorf("%v\n%s%s", err, stdout, stderr.String())
	}
	var step struct {
		Step string
		OK   bool
	}
	if err := json.Unmarshal(stdout, &step); err != nil || step.Step != "https" || step.OK {
		t.Errorf("stdout is %s", stdout)
	}
}

// A browser plays with the page that the demo stays up for.
func TestDemoPage(t *testing.T) {
	dir, port := t.TempDir(), freePorts(t, 1)[0]
	p, err := spawn(dir, nil, "pay", "demo", "--port", fmt.Sprint(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.running() == nil {
			p.stop(t)
		}
		checkRace(t, p.log.String())
	})
	site := fmt.Sprintf("https://localhost:%d/", port)
	eventually(t, shortly, func() error {
		if err := p.running(); err != nil {
			return &fatalError{err}
		}
		if !strings.Contains(p.log.String(), "open "+site+" in a browser") {
			return errorf("the demo does not name its page: %s", p.log.String())
		}
		return nil
	})
	checks(t, []string{"SITE=" + site, "SHOTS=" + os.Getenv("SHOTS")}, "demo.js")
}
