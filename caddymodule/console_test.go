package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// The console stands behind a login, below a prefix, and knows who acts; whom Caddy does not know by name it does not let in.
func TestConsoleBehindALogin(t *testing.T) {
	hash := string(must(bcrypt.GenerateFromPassword([]byte("tea"), bcrypt.MinCost)))
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir, ledgerIn(dir))+"http://"+addr+" {\n"+payBlock(t, dir, "", "allow_http")+`
	handle_path /ops/* {
		basic_auth {
			mark `+hash+`
		}
		pay_console
	}
	handle /watch/* {
		basic_auth {
			mark `+hash+`
		}
		pay_console read_only
	}
	handle_path /open/* {
		pay_console
	}
}
`)
	ask := func(method, path, password string, form url.Values) (int, string) {
		t.Helper()
		req := must(http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(form.Encode())))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if password != "" {
			req.SetBasicAuth("mark", password)
		}
		c := client(t)
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp := must(c.Do(req))
		defer resp.Body.Close()
		return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
	}
	pause := url.Values{"app": {"app_test1"}, "mode": {"test"}, "reason": {"moving house"}}
	for _, tc := range []struct {
		method, path, password string
		form                   url.Values
		status                 int
		text                   string
	}{
		{"GET", "/ops/", "", nil, 401, ""},
		{"GET", "/ops/", "coffee", nil, 401, ""},
		{"GET", "/open/", "", nil, 403, "put a login before pay_console, like basic_auth"},
		{"POST", "/open/pause", "", pause, 403, ""},
		{"GET", "/ops/", "tea", nil, 200, "Money at risk"},
		{"GET", "/ops/console.css", "tea", nil, 200, "--ink"},
		{"POST", "/watch/pause", "tea", pause, 403, "read-only"},
		{"POST", "/ops/pause", "tea", pause, 303, ""},
		{"GET", "/watch/audit", "tea", nil, 200, "<td>mark</td>"},
		{"GET", "/watch/", "tea", nil, 200, "moving house"},
	} {
		if status, body := ask(tc.method, tc.path, tc.password, tc.form); status != tc.status || !strings.Contains(body, tc.text) {
			t.Errorf("%s %s: %d %s, want %d %q", tc.method, tc.path, status, body, tc.status, tc.text)
		}
	}
}

// `caddy pay console` serves it on this machine alone, under an address that nobody guesses.
func TestConsoleCommand(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(must(os.MkdirTemp("", "pay")), "admin.sock")
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(socket)) })
	run(t, withAdmin(t, globals(dir, ledgerIn(dir))+"http://"+freeAddr(t)+" {\n"+payBlock(t, dir, "", "allow_http")+"}\n", "unix/"+socket+"|0600"))

	var out bytes.Buffer
	err := payCommand(t, &out, "console", "--address", "unix/"+socket, "--listen", "0.0.0.0:0").ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is not on this machine alone; write localhost:") {
		t.Error(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- payCommand(t, w, "console", "--address", "unix/"+socket).ExecuteContext(ctx)
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-done)
	}
	address := must(url.Parse(strings.TrimSpace(line)))
	for path, want := range map[string]int{address.Path: 200, address.Path + "orders": 200, "/": 404, "/orders": 404, "/guess/": 404} {
		resp := must(client(t).Get("http://" + address.Host + path))
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
