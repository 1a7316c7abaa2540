package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
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
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox"
)

// stage is everything that a run needs: keys, Ping++ and WeChat (the sandbox), and the processes that it has started.
type stage struct {
	ctx        context.Context
	dir        string
	binary     string // Caddy with this module
	hasConsole bool   // and with the operators' console, which older ones have not
	signer     *signer
	merchant   *rsa.PrivateKey
	box        *sandbox.Sandbox
	outside    *timed // in front of the sandbox
	hooks      *hooks

	processes []*process
	servers   []*http.Server
}

func newStage(ctx context.Context, dir, binary string) (*stage, error) {
	modules, err := exec.CommandContext(ctx, binary, "list-modules").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its modules: %w", binary, err)
	}
	s := &stage{ctx: ctx, dir: dir, binary: binary, hasConsole: bytes.Contains(modules, []byte("http.handlers.pay_console\n"))}
	if s.signer, err = newSigner(); err != nil {
		return nil, err
	}
	if s.merchant, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(s.merchant)
	if err != nil {
		return nil, err
	}
	if err := s.write("merchant.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, err
	}
	if err := s.write("pingpp.pub.pem", s.signer.publicPEM()); err != nil {
		return nil, err
	}
	if s.box, err = sandbox.New(sandbox.Config{MerchantKey: &s.merchant.PublicKey, Logger: zap.NewNop()}); err != nil {
		return nil, err
	}
	s.outside = &timed{handler: s.box}
	if s.outside.addr, err = s.serve(s.outside); err != nil {
		return nil, err
	}
	s.hooks = &hooks{signer: s.signer, app: s.box.App()}
	return s, nil
}

func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) write(name string, content []byte) error {
	return os.WriteFile(s.file(name), content, 0o600)
}

// serve runs a handler on a port of its own.
func (s *stage) serve(h http.Handler) (addr string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h}
	s.servers = append(s.servers, srv)
	go func() { _ = srv.Serve(ln) }()
	return ln.Addr().String(), nil
}

// close ends everything.
func (s *stage) close() {
	for _, p := range s.processes {
		p.stop()
	}
	for _, srv := range s.servers {
		_ = srv.Close()
	}
	if s.box != nil {
		s.box.Close()
	}
}

// timed adds up how long a handler takes to answer.
type timed struct {
	handler http.Handler
	addr    string
	took    atomic.Int64 // nanoseconds
}

func (h *timed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	h.handler.ServeHTTP(w, r)
	h.took.Add(int64(time.Since(start)))
}

// backend is a merchant's backend that answers at once and notes when an event arrived.
type backend struct {
	timed
	down     atomic.Bool
	received atomic.Int64

	mu      sync.Mutex
	arrived map[uint32]time.Time // by number; nil: not noted
}

func (s *stage) newBackend() (*backend, error) {
	b := &backend{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /internal/pay/orders/{order_no}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"order_no": r.PathValue("order_no"), "amount": 1999, "subject": "Green tea 绿茶"})
	})
	mux.HandleFunc("POST /internal/pay/events", b.event)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	b.handler = mux
	var err error
	b.addr, err = s.serve(&b.timed)
	return b, err
}

func (b *backend) event(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	if b.down.Load() {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if number, ok := hookNumber(r.Header.Get("Webhook-Id")); ok {
		b.mu.Lock()
		if _, again := b.arrived[number]; b.arrived != nil && !again {
			b.arrived[number] = at
		}
		b.mu.Unlock()
	}
	b.received.Add(1)
	_, _ = io.WriteString(w, "success")
}

// note begins to note arrivals anew, or ends that, and returns what was noted until now.
func (b *backend) note(on bool) map[uint32]time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	noted := b.arrived
	b.arrived = nil
	if on {
		b.arrived = make(map[uint32]time.Time)
	}
	return noted
}

// drain waits until the backend has not been told of anything for a moment, or the limit is over.
func (b *backend) drain(limit time.Duration) {
	end := time.Now().Add(limit)
	for last := int64(-1); time.Now().Before(end); {
		now := b.received.Load()
		if now == last {
			return
		}
		last = now
		time.Sleep(150 * time.Millisecond)
	}
}

// site is a Caddy process with one site.
type site struct {
	*process
	addr    string
	admin   string
	dir     string
	backend *backend
}

// The kinds of site.
const (
	plain   = "plain"    // Caddy without pay
	paying  = "pay"      // with pay, delivering events
	watched = "watched"  // the same, with the operators' console
	waiting = "no_event" // with pay, recording events that go nowhere
)

// prepare gives a site its folder, ports and backend. Its ledger is a file, which is made when it first runs.
func (s *stage) prepare(name, kind string) (*site, error) {
	return s.prepareWith(name, kind, "sqlite ledger.db")
}

// prepareWith is prepare with a ledger that is written so.
func (s *stage) prepareWith(name, kind, ledger string) (*site, error) {
	c := &site{dir: s.file(name)}
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if c.backend, err = s.newBackend(); err != nil {
		return nil, err
	}
	if c.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	if c.admin, err = freeAddr(); err != nil {
		return nil, err
	}
	global, block := "", ""
	if kind != plain {
		global = "pay {\n\t\tledger " + ledger + "\n\t}"
		block = payBlock
	}
	console := ""
	if kind == watched && s.hasConsole {
		console = consoleBlock
	}
	if kind == paying || kind == watched {
		block = strings.Replace(block, "<events>", "events POST /internal/pay/events {\n\t\t\tsecret {env.PAY_EVENTS_SECRET}\n\t\t}", 1)
	}
	config := strings.NewReplacer("<admin>", c.admin, "<addr>", c.addr, "<global>", global, "<console>", console, "<block>", block).Replace(siteText)
	config = strings.NewReplacer("<events>", "", "<app>", s.box.App(), "<appid>", s.box.WxLite().AppID, "<outside>", s.outside.addr,
		"<backend>", c.backend.addr).Replace(config)
	return c, os.WriteFile(filepath.Join(c.dir, "Caddyfile"), []byte(config), 0o600)
}

const (
	siteText = `{
	admin <admin>
	persist_config off
	auto_https off
	storage file_system storage
	<global>
}
http://<addr> {
	respond /bench/hello hello
	<console>
	<block>
	reverse_proxy <backend>
}
`
	consoleBlock = `handle /console/* {
		vars operator bench
		pay_console {
			read_only
			by {vars.operator}
		}
	}`
	payBlock = `pay {
		allow_http
		pingpp {
			app         <app>
			key         {env.PINGPP_KEY}
			signing_key ../merchant.pem
			webhook_key ../pingpp.pub.pem
			endpoint    http://<outside>
		}
		wechat wx_lite {
			app_id   <appid>
			secret   {env.WX_SECRET}
			endpoint http://<outside>
		}
		upstream <backend>
		backend_token {env.PAY_BACKEND_TOKEN}
		limits {
			address 1000000/s
			openid  1000000/s
			app     1000000/s
			refused 1000000/s
		}
		orders GET /internal/pay/orders/{order_no}
		<events>
	}`
)

// start runs the site's Caddy and waits until it answers.
func (s *stage) start(c *site) error {
	var err error
	if c.process, err = s.spawn(filepath.Base(c.dir), s.binary, []string{"run", "--config", "Caddyfile"},
		"PINGPP_KEY="+s.box.TestKey(), "WX_SECRET="+s.box.WxLite().Secret,
		"PAY_BACKEND_TOKEN="+rand.Text()+rand.Text(), "PAY_EVENTS_SECRET=whsec_"+base64.StdEncoding.EncodeToString([]byte(rand.Text()+"012345"))); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + c.addr + "/bench/hello")
		if err == nil {
			return resp.Body.Close()
		}
		if c.ended() || time.Now().After(end) {
			return fmt.Errorf("%s did not start: %s", c.dir, c.log())
		}
	}
}

// given are the addresses that sites have got, which listen only later.
var given sync.Map

// freeAddr is an address that nobody listens on. Its port lies below those that systems give to outgoing connections, and beside those of other
// packages' tests: somebody else could take it before it is used.
func freeAddr() (string, error) {
	for tries := 0; ; tries++ {
		addr := fmt.Sprintf("127.0.0.1:%d", 32000+mathrand.IntN(700))
		ln, err := net.Listen("tcp", addr)
		if err != nil && tries > 1000 {
			return "", err
		}
		if err != nil {
			continue
		}
		_ = ln.Close()
		if _, taken := given.LoadOrStore(addr, true); !taken {
			return addr, nil
		}
	}
}
