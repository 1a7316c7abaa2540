package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// shop is a backend that counts what it hears of each event.
type shop struct {
	addr string
	mu   sync.Mutex
	got  map[string]int
}

func newShop(t testing.TB) *shop {
	s := &shop{got: make(map[string]int)}
	s.addr = backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got[r.Header.Get("webhook-id")]++
	})
	return s
}

func (s *shop) heard(event string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got["evt_"+event]
}

// site is a whole Caddyfile of a site that delivers to the shop.
func (s *shop) site(t testing.TB, dir, addr string, more ...string) string {
	return globals(dir, append([]string{ledgerIn(dir)}, more...)...) +
		"http://" + addr + " {\n" + payBlock(t, dir, "", "allow_http", "upstream "+s.addr, "events POST /internal/pay/events") + "}\n"
}

func references(t testing.TB, file string) int {
	t.Helper()
	path, err := ledgerPath(file)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := stores.References(path)
	return n
}

// `caddy validate` opens no ledger and no connection, and leaves nothing behind.
func TestValidateTouchesNothing(t *testing.T) {
	keys, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, filepath.Join(dir, "home"))
	}
	var connections atomic.Int32
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ConnState = func(net.Conn, http.ConnState) { connections.Add(1) }
	srv.Start()
	t.Cleanup(srv.Close)

	database := "pay {\n\t\tledger postgres postgres://" + strings.TrimPrefix(srv.URL, "http://") + "/pay\n\t}"
	for _, ledger := range []string{ledgerIn(dir), "pay {\n\t\tledger sqlite\n\t}", "", database} {
		file := strings.Replace(globals(dir, ledger), "output file "+filepath.Join(dir, "log")+" {\n\t\t\troll_disabled\n\t\t}", "output discard", 1) +
			"http://" + freeAddr(t) + " {\n" + payBlock(t, keys, "", "allow_http", "upstream "+srv.URL,
			"orders GET /internal/pay/orders/{order_no}", "events POST /internal/pay/events") +
			"\tpay_sandbox /sandbox/* {\n\t\twebhook " + srv.URL + "\n\t}\n}\n"
		file = strings.Replace(file, "app app_test1", "app app_test1\n\t\t\tendpoint "+srv.URL, 1)
		if err := validate(t, file); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if path != dir {
				t.Errorf("%s was made", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := connections.Load(); n != 0 {
			t.Errorf("%d connections", n)
		}
		if n := references(t, filepath.Join(dir, "ledger.db")) + references(t, ""); n != 0 {
			t.Errorf("%d references are left", n)
		}
	}
}

func TestCleanupAfterFailedProvision(t *testing.T) {
	dir := t.TempDir()
	good := newShop(t).site(t, dir, freeAddr(t))
	for _, tc := range []struct{ name, old, new, want string }{
		{"handler", "app app_test1", "app user_1", "is not an app id"},
		{"second handler", "http://", "http://" + freeAddr(t) + " {\n" + payBlock(t, dir, "/x//y") + "}\nhttp://", "prefix"},
		{"app", "ledger sqlite ", "ledger sqlite " + filepath.Join(dir, "merchant.pem"), "not a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := validate(t, strings.Replace(good, tc.old, tc.new, 1)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatal(err)
			}
			if n := references(t, filepath.Join(dir, "ledger.db")); n != 0 {
				t.Errorf("%d references are left", n)
			}
		})
	}
	t.Run("other ledger", func(t *testing.T) {
		raw := strings.Replace(string(adapt(t, good)), `"driver":"sqlite"`, `"driver":"mysql"`, 1)
		if err := validateJSON(t, raw); err == nil || !strings.Contains(err.Error(), `pay on all sites: ledger: "mysql" is not a kind of ledger that is known here; write ledger sqlite`) {
			t.Error(err)
		}
		if n := references(t, filepath.Join(dir, "ledger.db")); n != 0 {
			t.Errorf("%d references are left", n)
		}
	})
	for _, m := range []caddy.CleanerUpper{new(App), new(Sandbox)} {
		if err := m.Cleanup(); err != nil {
			t.Errorf("%T that was never provisioned: %v", m, err)
		}
	}
}

// A configuration that is refused, in whatever step, leaves the running one as it is.
func TestRejectedReload(t *testing.T) {
	dir, s, addr := t.TempDir(), newShop(t), freeAddr(t)
	good := s.site(t, dir, addr)
	run(t, good)
	ledger, hook := filepath.Join(dir, "ledger.db"), "http://"+addr+"/pay/webhooks"
	held := references(t, ledger)
	if held == 0 {
		t.Fatal("nobody holds the ledger")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	damaged := write(t, dir, "damaged.db", strings.Repeat("this is not a database ", 100))
	path, _ := ledgerPath(ledger)
	before := acquireStore(path, fileStorage(t))
	defer func() { _ = releaseStore(path) }()
	held++

	for i, bad := range []string{
		strings.Replace(good, "app app_test1", "app user_1", 1),
		good + "http://" + freeAddr(t) + " {\n" + payBlock(t, dir, "", "upstream elsewhere:80", "events POST /elsewhere") + "}\n",
		good + "http://" + taken.Addr().String() + " {\n\trespond ok\n}\n",
		strings.Replace(good, ledger, damaged, 1),
	} {
		if err := caddy.Load(adapt(t, bad), true); err == nil {
			t.Fatal("loaded", bad)
		}
		eventually(t, "the references are what they were", func() bool { return references(t, ledger) == held })
		if n := references(t, damaged); n != 0 {
			t.Errorf("%d references to the ledger that was refused", n)
		}
		if before.closed {
			t.Fatal("the running ledger was closed")
		}
		id := fmt.Sprintf("afterReject%d", i)
		if status := sendWebhook(t, hook, webhookEvent(id)); status != http.StatusOK {
			t.Fatal("the webhook is answered", status)
		}
		eventually(t, "the backend hears of "+id, func() bool { return s.heard(id) == 1 })
	}
}

// A ledger that cannot be opened is an error of the start, which says what is the matter.
func TestStartWithDamagedLedger(t *testing.T) {
	dir := t.TempDir()
	file := newShop(t).site(t, dir, freeAddr(t))
	ledger := write(t, dir, "ledger.db", strings.Repeat("this is not a database ", 100))
	t.Cleanup(func() { _ = caddy.Stop() })
	err := caddy.Load(adapt(t, file), true)
	if err == nil || !strings.Contains(err.Error(), "\npay on all sites: ledger: ") || !placeAtEnd.MatchString(err.Error()) || !strings.Contains(err.Error(), ledger) || !strings.Contains(err.Error(), "not an SQLite file; name another file") {
		t.Error(err)
	}
	if n := references(t, ledger); n != 0 {
		t.Errorf("%d references are left", n)
	}
}

// Without a pay block there is nothing to open.
func TestStartWithoutSites(t *testing.T) {
	dir := t.TempDir()
	run(t, globals(dir, ledgerIn(dir))+"http://"+freeAddr(t)+" {\n\trespond ok\n}\n")
	if _, err := os.Stat(filepath.Join(dir, "ledger.db")); err == nil {
		t.Error("the ledger was opened")
	}
}

// Reloads under load lose nothing, and every effect reaches the backend once.
func TestReloads(t *testing.T) {
	dir, s, addr := t.TempDir(), newShop(t), freeAddr(t)
	file := s.site(t, dir, addr)
	run(t, file)
	ledger, hook := filepath.Join(dir, "ledger.db"), "http://"+addr+"/pay/webhooks"
	path, _ := ledgerPath(ledger)
	_, old := running(t)

	var wg sync.WaitGroup
	var sent []string
	for worker := range 4 {
		var ids []string
		for i := range 15 {
			ids = append(ids, fmt.Sprintf("reload%dx%d", worker, i))
		}
		sent = append(sent, ids...)
		wg.Go(func() {
			for _, id := range ids {
				for sendWebhook(t, hook, webhookEvent(id)) == http.StatusServiceUnavailable { // Ping++ comes again
				}
			}
		})
	}
	for range 5 {
		if err := caddy.Load(adapt(t, file), true); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	for _, id := range sent {
		eventually(t, "the backend hears of "+id, func() bool { return s.heard(id) > 0 })
	}
	for _, h := range old {
		select {
		case <-h.resolved.Closing:
		default:
			t.Error("waiting requests of the first configuration are not told to end")
		}
	}
	eventually(t, "the old configurations let go", func() bool { return references(t, ledger) == 2 })
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ledger is closed", func() bool { _, ok := stores.References(path); return !ok })
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.got {
		if n != 1 {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
}

// Two sites of one app share the ledger: what one has taken, the other knows.
func TestTwoSitesOneLedger(t *testing.T) {
	dir, s, a, b := t.TempDir(), newShop(t), freeAddr(t), freeAddr(t)
	block := payBlock(t, dir, "", "allow_http", "upstream "+s.addr, "events POST /internal/pay/events")
	run(t, globals(dir, ledgerIn(dir))+"http://"+a+" {\n"+block+"}\nhttp://"+b+" {\n"+block+"}\n")
	for _, addr := range []string{a, b, a} {
		if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent("shared")); status != http.StatusOK {
			t.Error(addr, "answers", status)
		}
	}
	eventually(t, "the backend hears of it", func() bool { return s.heard("shared") > 0 })
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ledger is closed", func() bool { return references(t, filepath.Join(dir, "ledger.db")) == 0 })
	if n := s.heard("shared"); n != 1 {
		t.Errorf("it arrived %d times", n)
	}
}

// probe is an app that runs a function while the configuration is being provisioned, before any app has started.
type probe struct{}

var probed func(caddy.Context) error

func init() { caddy.RegisterModule(probe{}) }

func (probe) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pay_test_probe", New: func() caddy.Module { return new(probe) }}
}
func (*probe) Provision(ctx caddy.Context) error { return probed(ctx) }
func (*probe) Start() error                      { return nil }
func (*probe) Stop() error                       { return nil }

// Webhooks are taken before the app has started, and are refused so that they come again once the ledger is closed.
func TestIntakeOutsideStartAndStop(t *testing.T) {
	dir, s, addr := t.TempDir(), newShop(t), freeAddr(t)
	var srv *caddyhttp.Server
	post := func(id string) *httptest.ResponseRecorder {
		body := webhookEvent(id)
		req := httptest.NewRequest(http.MethodPost, "http://"+addr+"/pay/webhooks", bytes.NewReader(body))
		req.Header.Set("X-Pingplusplus-Signature", signature(t, body))
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, req)
		return rec
	}
	probed = func(ctx caddy.Context) error {
		app, err := ctx.App("http")
		if err != nil {
			return err
		}
		for _, srv = range app.(*caddyhttp.App).Servers {
			if rec := post("early"); rec.Code != http.StatusOK {
				t.Errorf("before the start: %d %s", rec.Code, rec.Body)
			}
		}
		return nil
	}
	var cfg map[string]map[string]any
	raw := adapt(t, s.site(t, dir, addr))
	if err := json.Unmarshal(raw, &cfg); err != nil {
		t.Fatal(err)
	}
	cfg["apps"]["pay_test_probe"] = struct{}{}
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	if err := caddy.Load(raw, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the early event is delivered", func() bool { return s.heard("early") == 1 })

	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ledger is closed", func() bool { return references(t, filepath.Join(dir, "ledger.db")) == 0 })
	rec := post("late")
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), `"ledger_unavailable"`) {
		t.Errorf("after the end: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}
