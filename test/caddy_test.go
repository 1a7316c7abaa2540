package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one run of the binary.
type process struct {
	cmd  *exec.Cmd
	log  logBuffer
	done chan struct{} // closed when it has ended
	err  error         // how, once done is closed
}

// logBuffer collects what a process writes.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// tail is the end of a log, for a failure's message.
func (b *logBuffer) tail() string {
	text := b.String()
	if len(text) > 6000 {
		text = "…" + text[len(text)-6000:]
	}
	return text
}

// spawn starts the binary with its data below dir.
func spawn(dir string, env []string, args ...string) (*process, error) {
	return spawnOther(binary, dir, env, args...)
}

// spawnOther starts another binary in the same way.
func spawnOther(binary, dir string, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(cleanEnv(dir), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// cleanEnv is an environment in which nothing of the machine's own is read or written.
func cleanEnv(dir string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_DATA_HOME=" + dir + "/data", "XDG_CONFIG_HOME=" + dir + "/config",
		"TMPDIR=" + dir, "GORACE=halt_on_error=0 exitcode=0"} // checkRace judges
}

// command runs the binary to its end and returns what it wrote.
func command(t testing.TB, dir string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = dir, append(cleanEnv(dir), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("caddy %s: %v", strings.Join(args, " "), err)
	}
	checkRace(t, errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// stop asks the process to end, and fails the test when it does not do so cleanly.
func (p *process) stop(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			t.Errorf("caddy did not exit cleanly: %v\n%s", p.err, p.log.tail())
		}
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGABRT) // shows where its goroutines are
		<-p.done
		t.Errorf("caddy did not exit within %s of SIGTERM\n%s", patience, p.log.String())
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// running is an error once the process has ended.
func (p *process) running() error {
	select {
	case <-p.done:
		return fmt.Errorf("caddy has ended: %v\n%s", p.err, p.log.tail())
	default:
		return nil
	}
}

func checkRace(t testing.TB, log string) {
	t.Helper()
	// Caddy has races of its own, like its TLS app's while events are logged; ours have our code in them.
	for rest := log; ; {
		_, report, found := strings.Cut(rest, "WARNING: DATA RACE")
		if !found {
			break
		}
		report, rest, _ = strings.Cut(report, "==================")
		if strings.Contains(report, "github.com/caddypay/caddypay/") {
			t.Errorf("a data race in the process:\n%.8000s", report)
		} else {
			t.Logf("a data race in Caddy itself:\n%.2000s", report)
		}
	}
	if i := strings.Index(log, "panic:"); i >= 0 {
		t.Errorf("a panic in the process:\n%.4000s", log[i:])
	}
}

// given are the ports that tests have got: Caddy takes its time until it listens, and another test must not find the same port free meanwhile.
var given sync.Map

// freePorts returns ports of the loopback interface that nobody listens on, and that no other test of this process gets. They lie below those
// that systems give to outgoing connections, and beside those of other packages' tests: somebody else could take a port before it is used.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, 0, n)
	for tries := 0; len(ports) < n; tries++ {
		port := 10000 + rand.IntN(10000)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil && tries > 1000 {
			t.Fatal(err)
		}
		if err != nil {
			continue
		}
		ln.Close()
		if _, taken := given.LoadOrStore(port, true); !taken {
			ports = append(ports, port)
		}
	}
	return ports
}

// eventually waits until a condition holds.
func eventually(t testing.TB, limit time.Duration, condition func() error) {
	t.Helper()
	if err := poll(limit, condition); err != nil {
		t.Fatalf("after %s: %v", limit, err)
	}
}

// poll tries until it works or the time is up, and returns the last error. A failed process ends it early.
func poll(limit time.Duration, condition func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := condition()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if fatal := (*fatalError)(nil); errors.As(err, &fatal) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// fatalError is an error that waiting does not heal.
type fatalError struct{ error }

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// shortly is how long to wait for what happens at once on an idle machine.
const shortly = patience

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
