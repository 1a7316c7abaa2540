package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddypay/caddypay/ledger/ledgertest/pgtest"
	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/session"
)

// soon is how long a webhook may wait for its 503.
const soon = 1200 * time.Millisecond

// faulty is a site whose database has faults.
type faulty struct {
	*shop
	box           *sandbox.Sandbox
	addr, session string
	n             int // webhooks and orders
}

func newFaulty(t *testing.T, dsn string) *faulty {
	t.Helper()
	f := &faulty{shop: newShop(t), addr: freeAddr(t)}
	box, err := sandbox.New(sandbox.Config{App: "app_test1", TestKey: "sk_test_Mark0123456789", SigningKey: pingppKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	f.box = box
	pingxx := httptest.NewServer(box)
	t.Cleanup(pingxx.Close)
	legacy := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if number, ok := strings.CutPrefix(r.URL.Path, "/internal/pay/orders/"); ok {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"order_no":%q,"amount":100,"currency":"cny","subject":"Tea","body":"Green tea"}`, number)
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.got[r.Header.Get("webhook-id")]++
	})
	dir := t.TempDir()
	pay := payBlock(t, dir, "", "allow_http", "upstream "+legacy, "orders GET /internal/pay/orders/{order_no}",
		"events POST /internal/pay/events {\n\t\t\tretry"+strings.Repeat(" 200ms", 100)+"\n\t\t}", "reconcile {\n\t\t\tafter 1h\n\t\t}", "limits {\n\t\t\taddress 10000/s\n\t\t\topenid 10000/s\n\t\t\tattempts 10000\n\t\t}")
	pay = strings.Replace(pay, "\t\t\tkey sk_test_", "\t\t\tendpoint "+pingxx.URL+"\n\t\t\tkey sk_test_", 1)
	run(t, globals(dir, inPostgres(dsn))+"http://"+f.addr+" {\n"+pay+"}\n")
	f.session = token(t, "/pay", session.Identity{OpenID: "o-payer"})
	return f
}

// webhook sends a new payment, or one again, and says what became of it.
func (f *faulty) webhook(t *testing.T, id string) (status int, took time.Duration) {
	t.Helper()
	began := time.Now()
	status = sendWebhook(t, "http://"+f.addr+"/pay/webhooks", webhookEvent(id))
	if took = time.Since(began); status != http.StatusOK && status != http.StatusServiceUnavailable {
		t.Fatalf("a webhook is answered %d", status)
	}
	return status, took
}

func (f *faulty) next() string { f.n++; return fmt.Sprint(f.n) }

// start starts a payment and returns its charge.
func (f *faulty) start(t *testing.T) (charge string) {
	t.Helper()
	if status, _, said := f.order(t); status == http.StatusCreated {
		return said.ID
	}
	t.Fatal("no payment can be started")
	return ""
}

// charge starts a payment, and says what became of that.
func (f *faulty) charge(t *testing.T) (status int, retry, code string) {
	t.Helper()
	status, retry, said := f.order(t)
	return status, retry, said.Code
}

func (f *faulty) order(t *testing.T) (status int, retry string, said struct{ ID, Code string }) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+f.addr+"/pay/charges", strings.NewReader(`{"order_no":"order`+f.next()+`","channel":"wx_lite"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Session", f.session)
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), said
}

// works wants all to go on by itself.
func (f *faulty) works(t *testing.T) {
	t.Helper()
	id := f.next()
	eventually(t, "a webhook is taken", func() bool { status, _ := f.webhook(t, id); return status == http.StatusOK })
	eventually(t, "the backend hears of it", func() bool { return f.heard(id) > 0 })
	eventually(t, "a payment can be started", func() bool { status, _, _ := f.charge(t); return status == http.StatusCreated })
}

// suffers has a fault begin and end. Meanwhile webhooks and new payments get 503, soon, and what is told to come again; once it is over all goes on by itself,
// and what got 200 is delivered.
func (f *faulty) suffers(t *testing.T, begin, end func()) {
	t.Helper()
	f.works(t)
	begin()
	var taken, refused []string
	eventually(t, "a webhook gets its 503 soon", func() bool { // on a machine that is busy the time is not ours alone
		id := f.next()
		status, took := f.webhook(t, id)
		if status == http.StatusOK {
			taken = append(taken, id)
			return false
		}
		refused = append(refused, id)
		return took <= soon
	})
	eventually(t, "a payment is refused clearly", func() bool {
		status, retry, code := f.charge(t)
		if status != http.StatusCreated && (status != http.StatusServiceUnavailable || retry == "" || code != "ledger_unavailable") {
			t.Fatalf("a payment is answered %d %s, Retry-After %q", status, code, retry)
		}
		return status == http.StatusServiceUnavailable
	})
	end()
	f.works(t)
	for _, id := range refused {
		eventually(t, "Ping++ comes again", func() bool { status, _ := f.webhook(t, id); return status == http.StatusOK })
	}
	for _, id := range append(taken, refused...) {
		eventually(t, "the backend hears of each", func() bool { return f.heard(id) > 0 })
	}
}

// Whatever befalls the database, a webhook and a payment get a 503 within about a second, nothing that got 200 is lost, and once it is over all goes on.
func TestDatabaseFaults(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"max_connections": "30", "superuser_reserved_connections": "0"}})
	dsn := server.DSN(t)
	proxy := pgtest.NewProxy(t, dsn)
	f := newFaulty(t, proxy.DSN())
	ctx := context.WithoutCancel(t.Context())
	connect := func() (*pgx.Conn, error) { return pgx.Connect(ctx, dsn) }
	var others []*pgx.Conn
	leave := func() {
		for _, c := range others {
			_ = c.Close(ctx)
		}
		others = nil
	}
	t.Cleanup(leave)
	for _, fault := range []struct {
		name       string
		begin, end func()
	}{
		{"restart", func() { server.Stop(t) }, func() { server.Start(t) }},
		{"kill", func() { server.Kill(t) }, func() { server.Start(t) }},
		{"no route", proxy.Cut, proxy.Heal},
		{"cable pulled", proxy.Swallow, proxy.Heal},
		{"slow", func() { proxy.Delay(2 * soon / 3) }, proxy.Heal},
		{"answers lost", proxy.SwallowAnswers, proxy.Heal},
		{"no connection left", func() {
			proxy.Break()
			for end := time.Now().Add(time.Minute); time.Now().Before(end); { // until all are taken, whoever comes first
				c, err := connect()
				if err == nil {
					others = append(others, c)
				} else if proxy.Break(); len(others) >= 30 {
					return
				}
			}
			t.Fatal("connections are left")
		}, leave},
		{"statements that stand", func() {
			c, err := connect()
			if err == nil {
				others = append(others, c)
				_, err = c.Exec(ctx, "BEGIN; LOCK TABLE caddypay.events, caddypay.charges IN ACCESS EXCLUSIVE MODE", pgx.QueryExecModeSimpleProtocol)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, leave},
		{"replica away", func() { server.Set(t, "synchronous_standby_names", "nobody") }, func() { server.Set(t, "synchronous_standby_names", "") }},
	} {
		t.Run(fault.name, func(t *testing.T) { f.suffers(t, fault.begin, fault.end) })
	}
}

// The server's disk is full: what it cannot write is answered 503, and when there is room again all goes on.
func TestDatabaseDiskFull(t *testing.T) {
	if err := pgtest.CanMount(t); err != nil {
		t.Logf("NOT CHECKED what a full disk of the database does: %v", err)
		return
	}
	server := pgtest.Start(t, pgtest.Options{Disk: 160, Settings: map[string]string{"min_wal_size": "32MB", "max_wal_size": "32MB"}})
	f := newFaulty(t, server.DSN(t))
	f.suffers(t, func() { server.Fill(t) }, func() { server.Clear(t) })
}

// The server dies, and its replica takes over: the site finds it by itself. The replica was not waited for, and lacks what was acknowledged last. The last days
// are compared with Ping++'s list by themselves then, and the backend hears of the payment.
func TestDatabaseFailover(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	dsn := server.DSN(t)
	standby := server.Standby(t, "second")
	f := newFaulty(t, server.Either(t, dsn, standby))
	f.works(t)
	var lost string
	f.suffers(t, func() {
		eventually(t, "the scope's history is on record", func() bool {
			var n int
			c, err := pgx.Connect(t.Context(), dsn)
			if err == nil {
				err = c.QueryRow(t.Context(), `SELECT count(*)::integer FROM caddypay.shared WHERE key LIKE 'history %'`).Scan(&n)
				_ = c.Close(t.Context())
			}
			return err == nil && n == 1
		})
		lost = f.start(t)
		server.Follows(t, standby)
		standby.Stop(t)
		if err := f.box.Pay(lost); err != nil {
			t.Fatal(err)
		}
		event := strings.NewReplacer(`"ch_lost"`, `"`+lost+`"`, "orderlost", "order"+fmt.Sprint(f.n)).Replace(string(webhookEvent("lost")))
		if status := sendWebhook(t, "http://"+f.addr+"/pay/webhooks", []byte(event)); status != http.StatusOK {
			t.Fatalf("a webhook is answered %d", status)
		}
		eventually(t, "the backend hears of it", func() bool { return f.heard("lost") == 1 })
		server.Kill(t)
		standby.Start(t)
	}, func() { standby.Promote(t) })
	eventually(t, "the backend hears of what was lost", func() bool { return f.heard("q_"+lost+"_charge_succeeded") == 1 })
}
