package main

import (
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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const startLimit = 60 * time.Second // for a process to answer, on the slowest machine

// site is what the processes under test share: the folder with the ledger, and the parts of their configuration.
type site struct {
	bin, dir  string
	app, key  string
	ping      string // URL
	wechat    [2]string
	backend   string // address
	token     string
	secret    string
	reconcile bool
	types     string // a line of the events block

	mu   sync.Mutex
	gone map[string]bool // processes that were killed or are about to be
	log  *os.File
}

// newSite writes the keys.
func newSite(bin, dir string, p *pingpp) (*site, error) {
	s := &site{
		bin: bin, dir: dir, app: p.box.App(), key: p.box.TestKey(), ping: p.URL, wechat: [2]string{p.box.WxLite().AppID, p.box.WxLite().Secret},
		token: rand.Text() + rand.Text(), secret: newSecret(), gone: make(map[string]bool),
	}
	merchant, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(merchant)})
	if s.log, err = os.OpenFile(filepath.Join(dir, "caddy.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	return s, errors.Join(os.WriteFile(filepath.Join(dir, "merchant.pem"), private, 0o600),
		os.WriteFile(filepath.Join(dir, "pingpp.pub.pem"), p.box.PublicKeyPEM(), 0o600))
}

func newSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// ledger is the file that is never given up.
func (s *site) ledger() string { return filepath.Join(s.dir, "ledger.db") }

// leaving marks a process that is about to be killed.
func (s *site) leaving(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone[name] = true
}

func (s *site) isGone(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[name]
}

// caddyfile is the configuration of one process; generations differ, so that each is loaded indeed.
func (s *site) caddyfile(p *process, generation int) string {
	reconcile := ""
	if s.reconcile {
		reconcile = "reconcile {\n\t\t\tafter 2s\n\t\t}"
	}
	return strings.NewReplacer("<admin>", fmt.Sprint(p.admin), "<port>", fmt.Sprint(p.port), "<generation>", fmt.Sprint(generation),
		"<process>", p.name, "<ledger>", p.ledger, "<storage>", p.storage, "<dir>", s.dir, "<app>", s.app, "<key>", s.key, "<ping>", s.ping, "<appid>", s.wechat[0], "<appsecret>", s.wechat[1],
		"<backend>", s.backend, "<token>", s.token, "<secret>", s.secret, "<reconcile>", reconcile, "<types>", s.types).Replace(`{
	admin localhost:<admin>
	auto_https off
	persist_config off
	storage file_system <dir>/<storage>
	log {
		level WARN
	}
	pay {
		ledger <ledger>
	}
}
http://localhost:<port> {
	header X-Generation <generation>
	pay {
		allow_http
		pingpp {
			app         <app>
			key         <key>
			signing_key <dir>/merchant.pem
			webhook_key <dir>/pingpp.pub.pem
			endpoint    <ping>
			timeout     5s
		}
		wechat wx_lite {
			app_id   <appid>
			secret   <appsecret>
			endpoint <ping>
		}
		upstream <backend> {
			header_up X-Crash-Process <process>
		}
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
			secret  <secret>
			expect  body success
			timeout 5s
			<types>
			retry   100ms 200ms 400ms 500ms 500ms 500ms 500ms 500ms 500ms 500ms 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 2s 2s 2s 2s 2s 2s 2s 2s
		}
		<reconcile>
	}
	respond "the site"
}
`)
}

// process is one run of the binary.
type process struct {
	site        *site
	name        string
	port, admin int
	ledger      string // what follows that word in its configuration
	storage     string // folder of Caddy's own
	cmd         *exec.Cmd
	done        chan struct{} // closed when it has ended
	err         error         // how, once done is closed
	aside       bool          // it gets no requests yet
}

// start runs a process whose ledger is the file; it is not waited for. wrap goes before the command.
func (s *site) start(name string, port, admin int, wrap ...string) (*process, error) {
	p := &process{site: s, name: name, port: port, admin: admin, ledger: "sqlite " + s.ledger(), storage: "storage"}
	return p, p.start(wrap...)
}

func (p *process) start(wrap ...string) error {
	s := p.site
	p.done = make(chan struct{})
	file := filepath.Join(s.dir, fmt.Sprintf("Caddyfile.%d", p.port))
	if err := os.WriteFile(file, []byte(s.caddyfile(p, 0)), 0o600); err != nil {
		return err
	}
	args := append(wrap, s.bin, "run", "--config", file)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Dir = s.dir
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_DATA_HOME=" + s.dir + "/data", "XDG_CONFIG_HOME=" + s.dir + "/config", "TMPDIR=" + s.dir}
	log := struct{ io.Writer }{s.log} // not the file itself, whose size the limit would be for as well, but a pipe
	p.cmd.Stdout, p.cmd.Stderr = log, log
	fmt.Fprintf(s.log, "---- %s %s starts\n", time.Now().Format(clock), p.name)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

func (p *process) base() string { return fmt.Sprintf("http://localhost:%d", p.port) }

// ready waits until it answers, and returns when it first did.
func (p *process) ready(ctx context.Context) (time.Time, error) {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(startLimit)
	for {
		resp, err := client.Get(p.base() + "/pay/webhooks")
		if err == nil {
			resp.Body.Close()
			return time.Now(), nil
		}
		select {
		case <-p.done:
			return time.Time{}, fmt.Errorf("%s ended by itself: %v; see caddy.log", p.name, p.err)
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return time.Time{}, fmt.Errorf("%s does not answer within %s: %w", p.name, startLimit, err)
		}
	}
}

// loaded waits until its configuration is loaded: it may answer before, and still refuse it and end. Caddy answers this one after that.
func (p *process) loaded(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://localhost:%d/config/", p.admin), nil)
	if err != nil {
		return err
	}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	var body []byte
	resp, err := client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
	}
	if err == nil && strings.TrimSpace(string(body)) != "null" {
		return nil
	}
	select {
	case <-p.done:
		return fmt.Errorf("%s has not loaded its configuration: %w", p.name, p.err)
	case <-ctx.Done():
		return fmt.Errorf("%s does not load its configuration: %w", p.name, errors.Join(err, ctx.Err()))
	}
}

// over says whether it has ended.
func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill is kill -9. It returns when.
func (p *process) kill() time.Time {
	p.site.leaving(p.name)
	at := time.Now()
	_ = p.cmd.Process.Kill()
	<-p.done
	fmt.Fprintf(p.site.log, "---- %s %s was killed\n", at.Format(clock), p.name)
	return at
}

// term is SIGTERM; the process has to end cleanly.
func (p *process) term() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("SIGTERM to %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(startLimit):
		p.kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.name, startLimit)
	}
}

// load gives the process a configuration, as `caddy reload` does.
func (p *process) load(caddyfile string) error {
	client := &http.Client{Timeout: startLimit}
	defer client.CloseIdleConnections()
	resp, err := client.Post(fmt.Sprintf("http://localhost:%d/load", p.admin), "text/caddyfile", strings.NewReader(caddyfile))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

// limit bounds the size of every file that the process writes, or lifts the bound: what a full disk is to it. Only the soft limit is
// touched, so no privilege is needed. The -shm file of a -wal file that is as long as it gets still has room: without it nothing starts.
func (p *process) limit(on bool) error {
	size := "unlimited"
	if on {
		size = "131072"
	}
	out, err := exec.Command("prlimit", "--pid", fmt.Sprint(p.cmd.Process.Pid), "--fsize="+size+":").CombinedOutput()
	if err != nil {
		return fmt.Errorf("prlimit: %w %s", err, out)
	}
	return nil
}

// freePorts are ports of the loopback interface that nobody listens on. They lie below those that systems give to outgoing
// connections, and beside those of other packages' tests: one of those could take the port of a process that is away for a moment. They are found
// together, so that they differ.
func freePorts(n int) (ports []int, err error) {
	for tries := 0; len(ports) < n; tries++ {
		port := 30000 + mathrand.IntN(1000)
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
