package caddymodule

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Nothing here may touch the ledger, the storage or the configuration of whoever runs the tests.
	home, err := os.MkdirTemp("", "caddymodule-test-")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		os.Setenv(name, home)
	}
	goleak.VerifyTestMain(m,
		goleak.Cleanup(func(code int) {
			os.RemoveAll(home)
			os.Exit(code)
		}),
		// The storage's locks notice after seconds that they are released, dynamic upstreams after minutes that they are idle.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.(*Upstream).fillDynamicHost.func1.1"),
	)
}

// adapt turns a Caddyfile into JSON.
func adapt(t testing.TB, file string) []byte {
	t.Helper()
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, file)
	}
	return raw
}

// validate does what `caddy validate` does.
func validate(t testing.TB, file string) error {
	t.Helper()
	return validateJSON(t, string(adapt(t, file)))
}

func validateJSON(t testing.TB, raw string) error {
	t.Helper()
	cfg := new(caddy.Config)
	if err := json.Unmarshal([]byte(raw), cfg); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(cfg)
}

// globals are the global options of a Caddy that writes into dir alone and keeps its ports to itself.
func globals(dir string, more ...string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	default_bind 127.0.0.1
	grace_period 5s
	storage_clean_interval off
	storage file_system %s
	log {
		output file %s {
			roll_disabled
		}
	}
	%s
}
`, filepath.Join(dir, "storage"), filepath.Join(dir, "log"), strings.Join(more, "\n\t"))
}

func ledgerIn(dir string) string {
	return "pay {\n\t\tledger sqlite " + filepath.Join(dir, "ledger.db") + "\n\t}"
}

var (
	merchantKey = sync.OnceValue(newKey)
	pingppKey   = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func privatePEM(key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func publicPEM(key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	testToken      = "token-Mark-0123456789abcdefghijkl"
	testSessionKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

// payBlock is a whole pay block with the lines that are given more; the keys are in dir.
func payBlock(t testing.TB, dir, head string, more ...string) string {
	t.Helper()
	return fmt.Sprintf(`	pay %s {
		pingpp {
			app app_test1
			key sk_test_Mark0123456789
			signing_key %s
			webhook_key %s
		}
		wechat wx_lite {
			app_id wx0123456789abcdef
			secret Mark0123456789abcdef0123456789ab
		}
		session {
			key %s
		}
		backend_token %s
		%s
	}
`, head, write(t, dir, "merchant.pem", privatePEM(merchantKey())), write(t, dir, "pingpp.pub.pem", publicPEM(pingppKey())),
		testSessionKey, testToken, strings.Join(more, "\n\t\t"))
}

// given are the ports that tests have got.
var given sync.Map

// freeAddr is an address on this machine that nothing listens on. Its port lies below those that systems give to outgoing connections, and beside
// those of other packages' tests: somebody else could take it before it is used.
func freeAddr(t testing.TB) string {
	t.Helper()
	for tries := 0; ; tries++ {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+mathrand.IntN(10000))
		ln, err := net.Listen("tcp", addr)
		if err != nil && tries > 1000 {
			t.Fatal(err)
		}
		if err != nil {
			continue
		}
		ln.Close()
		if _, taken := given.LoadOrStore(addr, true); !taken {
			return addr
		}
	}
}

// run loads a Caddyfile into the Caddy of this process, which is stopped at the end of the test; such tests do not run in parallel.
func run(t testing.TB, file string) {
	t.Helper()
	runJSON(t, adapt(t, file))
}

// runJSON is run for a configuration in JSON.
func runJSON(t testing.TB, config []byte) {
	t.Helper()
	if err := caddy.Load(config, true); err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	t.Cleanup(func() {
		app, _ := caddy.ActiveContext().AppIfConfigured("pay")
		_ = caddy.Stop()
		a, ok := app.(*App)
		if !ok {
			return
		}
		// It finishes in the background what is under way, as between two configurations, and may write into the test's folder meanwhile.
		done := make(chan struct{})
		go func() { a.work.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(exitGrace):
		}
	})
}

// running returns the servers and pay handlers of the running configuration.
func running(t testing.TB) (servers map[string]*caddyhttp.Server, found []*Handler) {
	t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		t.Fatal(err)
	}
	servers = app.(*caddyhttp.App).Servers
	var walk func(caddyhttp.RouteList)
	walk = func(routes caddyhttp.RouteList) {
		for _, r := range routes {
			for _, h := range r.Handlers {
				switch h := h.(type) {
				case *Handler:
					found = append(found, h)
				case *caddyhttp.Subroute:
					walk(h.Routes)
				}
			}
		}
	}
	for _, srv := range servers {
		walk(srv.Routes)
	}
	return servers, found
}

// webhookEvent is a charge.succeeded as Ping++ sends it.
func webhookEvent(id string) []byte {
	return fmt.Appendf(nil, `{"id":"evt_%s","created":1427555101,"livemode":false,"type":"charge.succeeded","object":"event",
"data":{"object":{"id":"ch_%[1]s","object":"charge","created":1427555076,"livemode":false,"paid":true,"refunded":false,
"app":"app_test1","channel":"wx_lite","order_no":"order%[1]s","client_ip":"127.0.0.1","amount":100,"amount_settle":100,
"currency":"cny","subject":"s","body":"b","time_paid":1427555101,"time_expire":1427562276}},"pending_webhooks":0}`, id)
}

// sendWebhook posts an event as Ping++ does and returns the status.
func sendWebhook(t testing.TB, url string, body []byte) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pingplusplus-Signature", signature(t, body))
	resp, err := client(t).Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func signature(t testing.TB, body []byte) string {
	t.Helper()
	sum := sha256.Sum256(body)
	sig, err := rsa.SignPKCS1v15(rand.Reader, pingppKey(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sig)
}

// client is an HTTP client that keeps no connection, and tries again when one breaks before the answer: a reload closes the old
// socket with those that Caddy has not accepted yet.
func client(t testing.TB) *http.Client {
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: again{tr}, Timeout: time.Minute}
}

type again struct{ *http.Transport }

func (a again) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	for range 10 {
		once := r.Clone(r.Context())
		if r.GetBody != nil {
			once.Body, _ = r.GetBody()
		}
		resp, err = a.Transport.RoundTrip(once)
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, io.EOF) {
			break
		}
	}
	return resp, err
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("never: " + what)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
