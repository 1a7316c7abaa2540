package caddymodule

import (
	"context"
	"database/sql"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// The audit log says where a decision came from as Caddy knows it; who the request says it was stands beside that. Whoever may not open
// the socket of the example's admin endpoint decides nothing.
func TestAdminSocket(t *testing.T) {
	sockets, err := os.MkdirTemp("", "s") // a socket's path has little room
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	socket := filepath.Join(sockets, "admin.sock")
	run(t, withAdmin(t, d.site(t, dir, addr), "unix/"+socket+"|0600"))
	if mode := must(os.Stat(socket)).Mode(); mode != os.ModeSocket|0o600 {
		t.Fatal(mode)
	}
	if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent("a")); status != http.StatusOK {
		t.Fatal(status)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	post := func(body string) int {
		t.Helper()
		req := must(http.NewRequest(http.MethodPost, "http://127.0.0.1/pay/events/evt_a/replay", strings.NewReader(body)))
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
		req.Header.Set("Forwarded", "for=192.0.2.1")
		resp := must((&http.Client{Transport: transport}).Do(req))
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if status := post(`{"said":"the boss","reason":"mine","again":true}`); status != http.StatusOK {
		t.Error(status)
	}
	if status := post(`{"by":"the boss","reason":"mine"}`); status != http.StatusBadRequest {
		t.Errorf("by itself is taken from the request: %d", status)
	}

	// The commands find the socket in the Caddyfile, or by --address.
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte("{\n\tadmin unix/"+socket+"|0600\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--config", file, "--adapter", "caddyfile"}, {"--address", "unix/" + socket}} {
		c := payCommand(t, io.Discard, append([]string{"events", "replay", "evt_a", "--reason", "by hand", "--again"}, args...)...)
		if err := c.Execute(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	if address, err := caddycmd.DetermineAdminAPIAddress("", nil, file, "caddyfile"); err != nil || address != "unix/"+socket+"|0600" {
		t.Error(address, err)
	}

	db := must(sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db")+"?mode=ro"))
	defer db.Close()
	var total, boss, command int
	err = db.QueryRow(`SELECT count(*), count(*) FILTER (WHERE said = 'the boss'), count(*) FILTER (WHERE said <> '' AND reason = 'by hand')
		FROM audit WHERE by = ?`, "unix socket "+socket).Scan(&total, &boss, &command)
	if err != nil || total != 3 || boss != 1 || command != 2 {
		t.Errorf("the audit log has %d decisions by the socket, %d said to be the boss's, %d of the command, %v", total, boss, command, err)
	}
}
