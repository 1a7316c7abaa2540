package caddymodule

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// The commands find the admin API in ./Caddyfile, as `caddy reload` does, and say what to do about one that cannot be read.
func TestCaddyfileBeside(t *testing.T) {
	dir := t.TempDir()
	file := newDesk(t).site(t, dir, freeAddr(t))
	a := runAdmin(t, file)
	list := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := payCommand(t, &out, append([]string{"events", "list"}, args...)...).ExecuteContext(t.Context())
		return out.String(), err
	}
	t.Chdir(t.TempDir())
	write(t, ".", "Caddyfile", strings.Replace(file, "admin off", "admin "+a.addr, 1))
	if out, err := list(); err != nil || out != "No events.\n" {
		t.Errorf("%v\n%s", err, out)
	}
	write(t, ".", "Caddyfile", "{\n\tadmin "+a.addr+"\n")
	if _, err := list(); err == nil || !strings.Contains(err.Error(), "Caddyfile:2") || !strings.Contains(err.Error(), "name the admin API with --address") {
		t.Error(err)
	}
	if out, err := list("--address", a.addr); err != nil || out != "No events.\n" {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := list("--address", "a b:1-9"); err == nil || !strings.Contains(err.Error(), "is no address of an admin API") {
		t.Error(err)
	}
}

// What operators see and decide knows nothing of Caddy: a page of another server may mount it.
func TestAdminAPIKnowsNoCaddy(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../adminapi").Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "github.com/caddyserver/caddy") {
			t.Errorf("package adminapi needs %s", line)
		}
	}
}
