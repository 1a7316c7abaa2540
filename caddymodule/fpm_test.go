package caddymodule

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startFPM runs the machine's php-fpm with a few workers and returns its socket.
func startFPM(t *testing.T) (socket string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(found) == 0 {
		t.Fatal("there is no php-fpm; make deps installs it on Debian")
	}
	dir, err := os.MkdirTemp("", "fpm") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "php-fpm.sock")
	log := filepath.Join(dir, "log")
	conf := write(t, dir, "fpm.conf", fmt.Sprintf("[global]\nerror_log = %s\ndaemonize = no\n[shop]\nuser = %s\nlisten = %s\npm = static\npm.max_children = 8\n", log, who.Username, socket))
	cmd := exec.Command(found[len(found)-1], "-F", "-R", "-y", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it ends its workers
		_ = cmd.Wait()
	})
	eventually(t, "php-fpm listens", func() bool {
		conn, err := net.Dial("unix", socket)
		return err == nil && conn.Close() == nil
	})
	t.Cleanup(func() {
		if raw, _ := os.ReadFile(log); t.Failed() {
			t.Logf("php-fpm says:\n%s", strings.TrimSpace(string(raw)))
		}
	})
	return socket
}

// fpmUpstream is what stands after `upstream` for the scripts in a folder.
func fpmUpstream(socket, root string, more ...string) string {
	return "unix/" + socket + " {\n\t\t\ttransport fastcgi {\n\t\t\t\troot " + root + "\n\t\t\t\tsplit .php\n\t\t\t\t" + strings.Join(more, "\n\t\t\t\t") + "\n\t\t\t}\n\t\t}"
}
