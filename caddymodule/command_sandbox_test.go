package caddymodule

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
)

// A sandbox that is started again is the one that a Caddyfile knows; what is given once it goes by from then on.
func TestSandboxKeepsItsKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept here")
	run := func(args ...string) map[string]any {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out, ended := startSandbox(t, ctx, "\n", append([]string{"--json", "--dir", dir}, args...)...)
		var made map[string]any
		if err := json.Unmarshal([]byte(out), &made); err != nil {
			t.Fatal(err, out)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		delete(made, "url")
		key, err := os.ReadFile(made["webhook_key"].(string))
		if err != nil {
			t.Fatal(err)
		}
		made["key"] = string(key)
		return made
	}
	same := func(what string, a, b map[string]any, but ...string) {
		t.Helper()
		for name, v := range a {
			if changed, want := encodeJSON(t, v) != encodeJSON(t, b[name]), strings.Contains(" "+strings.Join(but, " ")+" ", " "+name+" "); changed != want {
				t.Errorf("%s: %s was %v and is %v", what, name, v, b[name])
			}
		}
	}
	first := run()
	for _, file := range []string{keptNames, keptKey} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	same("started again", first, run())
	given := run("--app", "app_mine", "--wx_lite_app_id", "wx0123456789abcdef", "--wx_lite_secret", "0123456789abcdef0123456789abcdef")
	same("with other names", first, given, "app", "wx_lite_app_id", "wx_lite_secret")
	same("without them again", given, run())
	own := run("--signing_key", write(t, t.TempDir(), "own.pem", privatePEM(pingppKey())))
	if own["key"] != publicPEM(pingppKey()) {
		t.Errorf("the public key is %s", own["key"])
	}
	same("without the key of one's own again", first, run(), "app", "wx_lite_app_id", "wx_lite_secret")

	write(t, dir, keptNames, "{")
	err := payCommand(t, os.Stderr, "sandbox", "--dir", dir, "--listen", "127.0.0.1:0").ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "sandbox.json: unexpected end of JSON input; remove it, and new keys are made") {
		t.Error(err)
	}
	err = payCommand(t, os.Stderr, "sandbox", "--dir", filepath.Join(dir, keptKey), "--listen", "127.0.0.1:0").ExecuteContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "name another folder with --dir") {
		t.Error(err)
	}
}

func encodeJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// The sandbox prints each webhook that it sends and what came back.
func TestSandboxPrintsWebhooks(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("no such page\x1b[2J"))
	}))
	defer backend.Close()
	for _, args := range [][]string{{"--json"}, nil} {
		lines := make(chan string, 100)
		ctx, cancel := context.WithCancel(t.Context())
		made, ended := startSandboxLines(t, ctx, lines, append(args, "--webhook", backend.URL+"/pay/webhooks")...)
		resp, err := client(t).Post(made+"/sandbox/events", "application/json", strings.NewReader(`{"type":"charge.succeeded\u001b[2J","object":{"id":"ch_1"}}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		timeout := time.After(time.Minute)
		for line := ""; ; {
			select {
			case line = <-lines:
			case <-timeout:
				t.Fatal("no webhook is printed")
			}
			if !strings.Contains(line, "charge.succeeded") {
				continue
			}
			if args == nil {
				for _, want := range []string{`charge.succeeded\u001b[2J (evt_`, ") → " + backend.URL + "/pay/webhooks: 404 in ", `, "no such page\x1b[2J"; try 1 failed, the next in `} {
					if !strings.Contains(line, want) || strings.Contains(line, "\x1b") {
						t.Errorf("%q does not say %q", line, want)
					}
				}
				break
			}
			var sent sandbox.Sent
			if err := json.Unmarshal([]byte(line), &sent); err != nil || sent.Status != 404 || sent.Try != 1 || sent.Delivery != "pending" || sent.Next == nil {
				t.Errorf("%s: %v", line, err)
			}
			break
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
