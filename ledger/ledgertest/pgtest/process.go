package pgtest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watch ends what a process of tests leaves behind, and deletes its folder ($1), once its standard input ends: with that process, however it ended.
const watch = `cat >/dev/null
cd "$1" || exit
stop() { for f in */pgbouncer.pid */data/postmaster.pid; do [ -r "$f" ] && read -r pid <"$f" && kill "-$1" "$pid" 2>/dev/null; done; }
stop TERM; stop QUIT
for _ in 1 2 3 4 5 6 7 8 9 10; do stop 0 || break; sleep 1; done
stop KILL
for d in */data; do umount -l "$d" 2>/dev/null; done
cd / && rm -rf "$1"`

var base struct {
	sync.Mutex
	dir  string
	n    int
	ends io.WriteCloser // the watcher's standard input: open as long as this process lives
}

// folder makes an empty folder for a server's files, with a short name, since that of a socket has to be.
func folder(t testing.TB) string {
	t.Helper()
	base.Lock()
	defer base.Unlock()
	if base.dir == "" {
		dir, err := os.MkdirTemp("", "pg")
		if err == nil {
			err = os.Chmod(dir, 0o711)
		}
		if err != nil {
			t.Fatal(err)
		}
		watcher := exec.Command("sh", "-c", watch, "sh", dir)
		apart(watcher, nil)
		if base.ends, err = watcher.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := watcher.Start(); err != nil {
			t.Fatal(err)
		}
		base.dir = dir
	}
	base.n++
	dir := filepath.Join(base.dir, strconv.Itoa(base.n))
	err := os.Mkdir(dir, 0o700)
	if who := runner(t); err == nil && who != nil {
		err = os.Chown(dir, who.uid, who.gid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// account is a user of the system's.
type account struct{ uid, gid int }

// runner is who runs the servers, since they refuse root: then it is the user postgres, whom Debian's package made; nil: who runs the tests.
func runner(t testing.TB) *account {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL does not run as root, and there is no user postgres: %v; make deps installs Debian's package, which makes it", err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	return &account{uid, gid}
}

func command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGSSLMODE=disable")
	apart(cmd, runner(t))
	return cmd
}

// run runs a program to its end.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := command(t, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// process is a program that runs until it is ended.
type process struct {
	mu  sync.Mutex
	cmd *exec.Cmd // nil: it does not run
}

// start starts a program that writes to a log.
func (p *process) start(t testing.TB, log, name string, args ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		t.Fatalf("%s runs", name)
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := command(t, name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.cmd = cmd
}

// ended says whether it ended by itself. Nobody waits for it otherwise: a goroutine that did would seem to leak.
func (p *process) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return true
	}
	if !reaped(p.cmd.Process.Pid) {
		return false
	}
	_ = p.cmd.Process.Release()
	p.cmd = nil
	return true
}

// end signals it and waits for its end.
func (p *process) end(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if !p.kill(signal) {
		t.Fatal("it does not run")
	}
}

func (p *process) kill(signal syscall.Signal) (ran bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	_ = p.cmd.Process.Signal(signal)
	_ = p.cmd.Wait()
	p.cmd = nil
	return true
}

// Signal sends a signal to the server's first process, such as SIGSTOP: it accepts no connection then.
func (s *Server) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	if s.process.cmd == nil {
		t.Fatal("it does not run")
	}
	if err := s.process.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// until waits until something has happened.
func until(t testing.TB, happened func() error, log string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := happened()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v\n%s", fmt.Errorf("after %s: %w", patience, err), tail(log))
		}
		time.Sleep(wait)
	}
}

// tail is the end of a log.
func tail(log string) string {
	raw, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	const most = 8 << 10
	return string(bytes.TrimSpace(raw[max(0, len(raw)-most):]))
}
