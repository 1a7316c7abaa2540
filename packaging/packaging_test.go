//go:build linux

// Package packaging holds what is made of the program for those who install it, and the tests that install it: they want root, as a package manager does.
package packaging

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sources lays a commit of all files that git knows, as they are now, into a folder. The same files are the same commit.
func sources(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkout")
	copied := exec.Command("sh", "-c", `mkdir -p "$0" && git ls-files -z | tar --null --files-from=- --create | tar --extract --directory="$0"`, dir)
	copied.Dir = ".."
	run(t, copied)
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "--all"}, {"commit", "--quiet", "--message", "As it is"}} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "core.autocrlf=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
		run(t, cmd)
	}
	return dir
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// dist makes a release for this machine, and returns its folder.
func dist(t *testing.T, checkout string) string {
	t.Helper()
	cmd := exec.Command("go", "run", "packaging/dist.go", "-targets", "linux/"+runtime.GOARCH)
	cmd.Dir = checkout
	t.Log(strings.TrimSpace(run(t, cmd)))
	return filepath.Join(checkout, "dist")
}

// TestRelease makes a release twice, in two folders, installs it in each of its forms, and takes payments with it.
func TestRelease(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test installs the package in a container of systemd's, and runs the image's files in a root folder of their own: run it as root")
	}
	one := dist(t, sources(t))
	t.Run("the same bytes", func(t *testing.T) {
		two := dist(t, sources(t))
		a, b := sums(t, one), sums(t, two)
		if a != b {
			t.Errorf("the same commit gives other bytes in another folder:\n%s\n%s", a, b)
		}
		for _, kind := range []string{".tar.gz", ".deb", ".rpm", ".cdx.json"} {
			if !strings.Contains(a, kind+"\n") {
				t.Errorf("SHA256SUMS names no %s:\n%s", kind, a)
			}
		}
		check := exec.Command("sha256sum", "--check", "--quiet", "SHA256SUMS")
		check.Dir = one
		run(t, check)
	})
	unpacked := t.TempDir()
	run(t, exec.Command("tar", "-xzf", only(t, one, "*.tar.gz"), "-C", unpacked))
	caddy := filepath.Join(unpacked, "caddy")
	t.Run("version", func(t *testing.T) {
		version := run(t, exec.Command(caddy, "version"))
		if !strings.HasPrefix(version, "caddypay v0.0.0-20260102030405-") || !strings.Contains(version, ", Caddy v2.") {
			t.Errorf("caddy version says %q, want caddypay's version and Caddy's", version)
		}
		if ours := run(t, exec.Command(caddy, "pay", "version")); !strings.Contains(ours, "caddypay v0.0.0-20260102030405-") || !strings.Contains(ours, "\nCaddy    v2.") {
			t.Errorf("caddy pay version says %q", ours)
		}
	})
	t.Run("image", func(t *testing.T) { image(t, caddy) })
	t.Run("unit", func(t *testing.T) { unit(t, only(t, one, "*.deb"), only(t, one, "*.rpm")) })
}

func sums(t *testing.T, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) < 4*sha256.Size {
		t.Fatalf("SHA256SUMS is %q", raw)
	}
	return string(raw)
}

func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %v %v, want one", pattern, dir, found, err)
	}
	return found[0]
}

// image runs what the container image holds as its user in a root folder of its own, in which nothing else is, and asks it with the commands of the
// image's and Kubernetes' probes.
func image(t *testing.T, caddy string) {
	root := filepath.Join(t.TempDir(), "root")
	rootfs := exec.Command("sh", "packaging/rootfs.sh", caddy, root)
	rootfs.Dir = ".."
	run(t, rootfs)
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // its user has to reach it
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	inside := func(ctx context.Context, uid uint32, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = "/etc/caddy"
		cmd.Env = []string{"HOME=/data", "XDG_DATA_HOME=/data", "XDG_CONFIG_HOME=/config", "WECHAT_SECRET=0123456789abcdef0123456789abcdef",
			"PAY_BACKEND_TOKEN=0123456789abcdef0123456789abcdef"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		return cmd
	}
	for _, name := range []string{"merchant.pem", "sandbox.pem"} {
		run(t, inside(t.Context(), 0, "/usr/bin/caddy", "pay", "keygen", "signing_key", "--out", name))
		if err := os.Chown(filepath.Join(root, "etc/caddy", name), 1000, 1000); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile("testdata/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	shop, sandbox, backend := port(t), port(t), port(t)
	changed := strings.NewReplacer("http://:80", "http://:"+shop, ":8484", ":"+sandbox, ":9000", ":"+backend, "127.0.0.1/pay", "127.0.0.1:"+shop+"/pay").Replace(string(config))
	if err := os.WriteFile(filepath.Join(root, "etc/caddy/Caddyfile"), []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	docker := read(t, "../Dockerfile")
	start := words(t, docker, "ENTRYPOINT")
	served := inside(t.Context(), 1000, append(start, words(t, docker, "CMD")...)...)
	var log bytes.Buffer
	served.Stdout, served.Stderr = &log, &log
	served.Cancel = func() error { return served.Process.Signal(syscall.SIGTERM) }
	if err := served.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", log.Bytes())
		}
	})
	probes := [][]string{words(t, docker, "HEALTHCHECK")}
	for line := range strings.Lines(read(t, "kubernetes.yaml")) {
		if _, command, ok := strings.Cut(line, "exec: {command: ["); ok {
			command, _, _ = strings.Cut(command, "]")
			probes = append(probes, strings.Split(command, ", "))
		}
	}
	if len(probes) != 3 {
		t.Errorf("the image and Kubernetes have the probes %q, want three", probes)
	}
	for _, probe := range probes {
		deadline := time.Now().Add(time.Minute)
		for {
			out, err := inside(t.Context(), 1000, probe...).CombinedOutput()
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v\n%s", strings.Join(probe, " "), err, out)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	if err := served.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := served.Wait(); err != nil {
		t.Errorf("SIGTERM ends it with %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "data/caddy/pay/ledger.db")); err != nil {
		t.Errorf("the ledger is not in the volume: %v", err)
	}
	for _, probe := range probes {
		if out, err := inside(t.Context(), 1000, probe...).CombinedOutput(); err == nil {
			t.Errorf("%s succeeds with no Caddy there: %s", strings.Join(probe, " "), out)
		}
	}
}

// unit installs the packages in a container that systemd boots, over this machine's files, of which it changes none.
func unit(t *testing.T, deb, rpm string) {
	layers, root := filepath.Join(t.TempDir(), "layers"), filepath.Join(t.TempDir(), "root")
	for _, dir := range []string{layers, root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, "tmpfs", layers, "size=1g")
	for _, dir := range []string{"upper/caddypay-test", "upper/etc/systemd/system", "work"} {
		if err := os.MkdirAll(filepath.Join(layers, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, "overlay", root, fmt.Sprintf("lowerdir=/,upperdir=%[1]s/upper,workdir=%[1]s/work", layers))
	for from, to := range map[string]string{
		deb: "caddypay.deb", distribution(t, "deb"): "distribution.deb", rpm: "caddypay.rpm", distribution(t, "rpm"): "distribution.rpm",
		"testdata/unit.sh": "unit.sh", "testdata/Caddyfile": "Caddyfile",
	} {
		if err := os.WriteFile(filepath.Join(root, "caddypay-test", to), []byte(read(t, from)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	job := `[Unit]
After=network.target
FailureAction=exit
[Service]
Type=oneshot
TimeoutStartSec=300s
ExecStart=/bin/sh /caddypay-test/unit.sh
StandardOutput=append:/caddypay-test/log
StandardError=append:/caddypay-test/log
`
	if err := os.WriteFile(filepath.Join(root, "etc/systemd/system/caddypay-test.service"), []byte(job), 0o644); err != nil {
		t.Fatal(err)
	}
	boot := exec.Command("systemd-nspawn", "--directory="+root, "--private-network", "--register=no", "--keep-unit", "--machine=caddypay-test", "--boot", "systemd.unit=caddypay-test.service")
	out, err := boot.CombinedOutput()
	status, _ := os.ReadFile(filepath.Join(root, "caddypay-test/status"))
	if string(status) != "0\n" {
		log, _ := os.ReadFile(filepath.Join(root, "caddypay-test/log"))
		t.Fatalf("the package in a container of systemd's: %v, status %q\n%s\n%s", err, status, log, out)
	}
}

// distribution makes what a distribution calls caddy, a deb or an rpm, and returns its file.
func distribution(t *testing.T, kind string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "caddy."+kind)
	pack := exec.Command(tool(t, "nfpm"), "package", "--config", "packaging/testdata/distribution/nfpm.yaml", "--packager", kind, "--target", file)
	pack.Dir, pack.Env = "..", append(os.Environ(), "ARCH="+runtime.GOARCH)
	run(t, pack)
	return file
}

func mount(t *testing.T, kind, on, options string) {
	t.Helper()
	if err := syscall.Mount(kind, on, kind, 0, options); err != nil {
		t.Fatalf("mounting %s on %s: %v", kind, on, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(on, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// TestUnitIsClosed holds the unit to what systemd itself says of how much it leaves open: 2.0 of 10 at most.
func TestUnitIsClosed(t *testing.T) {
	t.Log(run(t, exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", "caddy.service")))
}

// TestWorkflows has the release's workflow read as its runner would.
func TestWorkflows(t *testing.T) {
	lint := exec.Command(tool(t, "actionlint"), "-shellcheck=", "-pyflakes=")
	lint.Dir = ".."
	run(t, lint)
}

// tool returns the program of a tool that packaging/tools has.
func tool(t *testing.T, name string) string {
	t.Helper()
	which := exec.Command("go", "-C", "tools", "tool", "-n", name)
	which.Env, which.Stderr = append(os.Environ(), "GOFLAGS=-trimpath"), os.Stderr // where Go says what it downloads
	out, err := which.Output()
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(which.Args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// words reads the list in the line of a Dockerfile that begins with an instruction: CMD ["run", "it"].
func words(t *testing.T, docker, instruction string) []string {
	t.Helper()
	for line := range strings.Lines(docker) {
		if _, list, ok := strings.Cut(strings.TrimSpace(line), "["); ok && strings.HasPrefix(line, instruction+" ") {
			return strings.Split(strings.ReplaceAll(strings.TrimSuffix(list, "]"), `"`, ""), ", ")
		}
	}
	t.Fatalf("no %s in the Dockerfile", instruction)
	return nil
}

func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
