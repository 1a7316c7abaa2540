package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/test/powercut"
)

const (
	eventsPath = "/internal/pay/events"
	ordersPath = "/internal/pay/orders/"
	startLimit = time.Minute // for a process to answer, or to end, on the slowest machine
)

// stage has a shell below strace, which starts the processes that are recorded, and those whom they talk to.
type stage struct {
	dir, bin string
	key      *rsa.PrivateKey // Ping++'s
	box      *sandbox.Sandbox
	ping     *httptest.Server
	backend  *httptest.Server
	secret   string

	said    *bufio.Reader
	logFile *os.File
	strace  *exec.Cmd
	shell   io.WriteCloser
	started []int // pids
}

func newStage(ctx context.Context, dir, bin string) (s *stage, err error) {
	s = &stage{dir: dir, bin: bin}
	if s.bin == "" {
		if s.bin, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	if s.bin, err = filepath.Abs(s.bin); err != nil {
		return nil, err
	}
	if s.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	merchant, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	if s.box, err = sandbox.New(sandbox.Config{SigningKey: s.key, MerchantKey: &merchant.PublicKey}); err != nil {
		return nil, err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(merchant)})
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	s.secret = "whsec_" + base64.StdEncoding.EncodeToString(secret)
	s.ping, s.backend = httptest.NewServer(s.box), httptest.NewServer(http.HandlerFunc(accept))
	err = errors.Join(os.WriteFile(filepath.Join(dir, "merchant.pem"), private, 0o600),
		os.WriteFile(filepath.Join(dir, "pingpp.pub.pem"), s.box.PublicKeyPEM(), 0o600), os.Mkdir(filepath.Join(dir, ledgerHome), 0o700))
	if err == nil {
		err = s.watch(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// accept is a backend that takes every event, and knows every order.
func accept(w http.ResponseWriter, r *http.Request) {
	if number, ok := strings.CutPrefix(r.URL.Path, ordersPath); ok {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"order_no":%q,"amount":%d,"currency":"cny","subject":"Tea","body":"Green tea"}`, number, price)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "success")
}

// watch starts the shell. Whatever it starts is recorded in one record, so that the order of their calls is in it too.
func (s *stage) watch(ctx context.Context) error {
	path, err := exec.LookPath("strace")
	if err != nil {
		return errors.New("strace is missing: it records what is written; make deps installs it on Debian")
	}
	if s.logFile, err = os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	s.strace = exec.CommandContext(ctx, path, "-f", "-yy", "--seccomp-bpf", "-s", "70000", "-e", "signal=none", "-e", powercut.Calls,
		"-o", filepath.Join(s.dir, traceFile), "sh")
	s.strace.Dir, s.strace.Stderr = s.dir, s.logFile
	s.strace.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_DATA_HOME=" + s.dir + "/data", "XDG_CONFIG_HOME=" + s.dir + "/config",
		"TMPDIR=" + s.dir, caddyVariable + "=yes"}
	s.strace.Cancel = func() error { s.killAll(); return nil }
	s.strace.WaitDelay = startLimit
	if s.shell, err = s.strace.StdinPipe(); err != nil {
		return err
	}
	out, err := s.strace.StdoutPipe()
	if err != nil {
		return err
	}
	s.said = bufio.NewReader(out)
	return s.strace.Start()
}

// tell has the shell do something that it answers with a number.
func (s *stage) tell(command string) (int, error) {
	if _, err := io.WriteString(s.shell, command+"\n"); err != nil {
		return 0, err
	}
	answer, err := s.said.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("the shell below strace: %w; see log", err)
	}
	return strconv.Atoi(strings.TrimSpace(answer))
}

func (s *stage) log(format string, args ...any) {
	fmt.Fprintf(s.logFile, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
}

func (s *stage) killAll() {
	for _, pid := range s.started {
		_ = signalTo(pid, syscall.SIGKILL)
	}
	if s.shell != nil {
		_ = s.shell.Close()
	}
}

// signalTo sends a signal to a process that is none of ours.
func signalTo(pid int, signal syscall.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer p.Release()
	return p.Signal(signal)
}

// close ends everything, and waits until the record is written.
func (s *stage) close() (err error) {
	if s.strace != nil && s.strace.Process != nil {
		s.killAll()
		err = s.strace.Wait()
	}
	if s.logFile != nil {
		err = errors.Join(err, s.logFile.Close())
	}
	s.ping.Close()
	s.backend.Close()
	s.box.Close()
	return err
}

// server is one run of Caddy.
type server struct {
	stage *stage
	addr  string
	pid   int
}

// freePorts are ports that nobody listens on. They lie below those that systems give to outgoing connections, and beside those of other packages' tests:
// somebody else could take one before it is used. They are found together, so that they differ.
func freePorts(n int) (ports []int, err error) {
	for tries := 0; len(ports) < n; tries++ {
		port := 31000 + mathrand.IntN(1000)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			defer ln.Close()
			ports = append(ports, port)
		} else if tries > 1000 {
			return nil, fmt.Errorf("no free port: %w", err)
		}
	}
	return ports, nil
}

// start runs a process and waits until it answers.
func (s *stage) start(ctx context.Context, name string) (*server, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	v := &server{stage: s, addr: fmt.Sprintf("127.0.0.1:%d", ports[0])}
	file := "Caddyfile." + name
	if err := os.WriteFile(filepath.Join(s.dir, file), []byte(s.caddyfile(ports[0], ports[1])), 0o600); err != nil {
		return nil, err
	}
	if v.pid, err = s.tell(fmt.Sprintf("'%s' run --config %s 1>&2 & echo $!", s.bin, file)); err != nil {
		return nil, err
	}
	s.started = append(s.started, v.pid)
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for deadline := time.Now().Add(startLimit); ; time.Sleep(5 * time.Millisecond) {
		resp, err := client.Get("http://" + v.addr + "/")
		if err == nil {
			return v, resp.Body.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) || signalTo(v.pid, syscall.Signal(0)) != nil {
			return nil, fmt.Errorf("%s does not answer: %w; see log", name, err)
		}
	}
}

// end sends a signal and waits until the process has ended.
func (v *server) end(signal syscall.Signal, want int) error {
	if err := signalTo(v.pid, signal); err != nil {
		return err
	}
	limit := time.AfterFunc(startLimit, func() { _ = signalTo(v.pid, syscall.SIGKILL) })
	defer limit.Stop()
	status, err := v.stage.tell(fmt.Sprintf("wait %d; echo $?", v.pid))
	if err == nil && status != want {
		err = fmt.Errorf("the process ended with status %d, want %d; see log", status, want)
	}
	return err
}

// caddyfile is what they run: a new process deletes what was settled a moment ago.
func (s *stage) caddyfile(port, admin int) string {
	return strings.NewReplacer("<admin>", fmt.Sprint(admin), "<port>", fmt.Sprint(port), "<dir>", s.dir, "<ledger>", filepath.Join(s.dir, ledgerHome, ledgerFile),
		"<app>", s.box.App(), "<key>", s.box.TestKey(), "<ping>", s.ping.URL, "<appid>", s.box.WxLite().AppID, "<appsecret>", s.box.WxLite().Secret,
		"<backend>", s.backend.Listener.Addr().String(), "<secret>", s.secret, "<token>", strings.Repeat("t", 40)).Replace(`{
	admin localhost:<admin>
	auto_https off
	persist_config off
	storage file_system <dir>/storage
	log {
		level INFO
	}
	pay {
		ledger sqlite <ledger>
		retention 100ms
	}
}
http://127.0.0.1:<port> {
	bind 127.0.0.1
	pay {
		allow_http
		pingpp {
			app         <app>
			key         <key>
			signing_key <dir>/merchant.pem
			webhook_key <dir>/pingpp.pub.pem
			endpoint    <ping>
		}
		wechat wx_lite {
			app_id   <appid>
			secret   <appsecret>
			endpoint <ping>
		}
		upstream <backend>
		backend_token <token>
		limits {
			address 1000000/s
			openid  1000000/s
			attempts 1000000
			app     1000000/s
			refused 1000000/s
		}
		orders GET /internal/pay/orders/{order_no}
		events POST /internal/pay/events {
			secret <secret>
			expect body success
			retry  100ms 200ms 400ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 2s 2s 2s 2s 2s 2s 2s 2s
		}
	}
	respond "the site"
}
`)
}
