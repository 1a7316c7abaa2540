package command

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/redact"
	"github.com/caddypay/caddypay/relay"
	"github.com/caddypay/caddypay/sandbox"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pay runs one of the commands that need no Caddy.
func pay(t *testing.T, stdin io.Reader, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := &cobra.Command{Use: "pay", SilenceErrors: true, SilenceUsage: true}
	cmd.AddCommand(keygenCommand(), triggerCommand(), verifyCommand(), versionCommand())
	plainOutput(cmd)
	var out bytes.Buffer
	cmd.SetIn(stdin)
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// What keygen makes is what the Caddyfile wants, and no file is written over.
func TestKeygen(t *testing.T) {
	t.Chdir(t.TempDir())
	out, err := pay(t, nil, "keygen", "signing_key")
	if err != nil || !strings.Contains(out, "signing_key merchant.pem") || strings.Contains(out, "PRIVATE") {
		t.Fatalf("%v\n%s", err, out)
	}
	if mode := must(os.Stat("merchant.pem")).Mode(); mode != 0o600 {
		t.Error(mode)
	}
	key := must(pingpp.ParsePrivateKey(must(os.ReadFile("merchant.pem"))))
	if public := must(pingpp.ParsePublicKey(must(os.ReadFile("merchant.pub.pem")))); !public.Equal(&key.PublicKey) {
		t.Error("the two files are no pair")
	}
	before := must(os.ReadFile("merchant.pem"))
	if err := os.WriteFile("other.pub.pem", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--out", "other.pem"}, {"--out", "none/merchant.pem"}} {
		if _, err := pay(t, nil, append([]string{"keygen", "signing_key"}, args...)...); err == nil || !strings.Contains(err.Error(), "name another file with --out") {
			t.Errorf("%q: %v", args, err)
		}
	}
	if !bytes.Equal(before, must(os.ReadFile("merchant.pem"))) {
		t.Error("the key was written over")
	}
	if found := must(filepath.Glob("other.*")); len(found) != 1 {
		t.Errorf("half a pair was written: %q", found)
	}

	seen := map[string]bool{}
	for what, good := range map[string]func(string) bool{
		"secret":      func(s string) bool { _, err := relay.ParseSecret(s); return err == nil },
		"token":       func(s string) bool { return len(s) >= 32 },
		"session_key": func(s string) bool { return len(s) == 44 },
	} {
		for range 2 {
			out, err := pay(t, nil, "keygen", what)
			if text := strings.TrimSuffix(out, "\n"); err != nil || !good(text) || seen[text] {
				t.Errorf("%s: %q, %v", what, out, err)
			}
			seen[out] = true
		}
	}
	for _, args := range [][]string{{"keygen"}, {"keygen", "password"}, {"keygen", "secret", "token"}, {"keygen", "secret", "--out", "x"}} {
		if _, err := pay(t, nil, args...); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

// A webhook that is looked at later is judged as the route judged it; a line end that a shell has added is named.
func TestVerifyCommand(t *testing.T) {
	dir := t.TempDir()
	box := must(sandbox.New(sandbox.Config{}))
	defer box.Close()
	other := must(sandbox.New(sandbox.Config{}))
	defer other.Close()
	write := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	t.Chdir(dir)
	if _, err := pay(t, nil, "keygen", "signing_key"); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"id":"evt_1` + "\u202e" + `","object":"event","type":"charge.succeeded","data":{"object":{"id":"ch_1"}}}`)
	signature := must(pingpp.Sign(must(pingpp.ParsePrivateKey(must(os.ReadFile("merchant.pem")))), body))
	file, longer := write("event.json", body), write("longer.json", append(bytes.Clone(body), '\n'))
	foreign := write("foreign.pem", other.PublicKeyPEM())
	for _, tc := range []struct {
		body, signature, key, reason, want string
	}{
		{file, signature, "merchant.pub.pem", "", "Ping++ signed these bytes"},
		{"-", signature, "merchant.pub.pem", "", "Ping++ signed these bytes"},
		{longer, signature, "merchant.pub.pem", "wrong_key", "it is signed without the line end"},
		{file, signature, foreign, "wrong_key", "fits none of the configured keys"},
		{file, "x", "merchant.pub.pem", "not_base64", "is not one base64 signature"},
		{file, "", "merchant.pub.pem", "empty", "is empty"},
		{file, signature, "merchant.pem", "", "this is a private key"},
		{file, signature, "none.pem", "", "name the file with Ping++'s public key"},
		{"none.json", signature, "merchant.pub.pem", "", "no such file"},
		{write("big", make([]byte, 300<<10)), signature, "merchant.pub.pem", "", "are no webhook"},
	} {
		args := []string{"verify", "--body", tc.body, "--signature", tc.signature, "--key", tc.key}
		out, err := pay(t, bytes.NewReader(body), args...)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, tc.want) || (err == nil) != (tc.want == "Ping++ signed these bytes") || strings.Contains(out, "\u202e") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
		if tc.reason == "" && err != nil {
			continue
		}
		out, _ = pay(t, bytes.NewReader(body), append(args, "--json")...)
		var v verified
		if json.Unmarshal([]byte(out), &v) != nil || v.Valid != (tc.reason == "") || v.Reason != tc.reason || v.Type != "charge.succeeded" {
			t.Errorf("%q: %s", args, out)
		}
	}
	if _, err := pay(t, nil, "verify", "--body", file); err == nil || !strings.Contains(err.Error(), "required flag") {
		t.Error(err)
	}
}

func TestVersionCommand(t *testing.T) {
	if out, err := pay(t, nil, "version"); err != nil || !strings.HasPrefix(out, "caddypay ") || !strings.Contains(out, "\nCaddy    ") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err := pay(t, nil, "version", "--json")
	var v struct{ Caddypay, Caddy, Go string }
	if err != nil || json.Unmarshal([]byte(out), &v) != nil || v.Caddypay == "" || v.Caddy == "" || !strings.HasPrefix(v.Go, "go") {
		t.Errorf("%v\n%s", err, out)
	}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3 ":                 {Main: debug.Module{Path: "caddy"}, Deps: []*debug.Module{{Path: "x"}, {Path: modulePath, Version: "v1.2.3"}}},
		"v1.2.3 => ../here v9 ":   {Deps: []*debug.Module{{Path: modulePath, Version: "v1.2.3", Replace: &debug.Module{Path: "../here", Version: "v9"}}}},
		"v1.2.3, modified abcdef": {Main: debug.Module{Path: modulePath, Version: "v1.2.3"}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abcdef"}, {Key: "vcs.modified", Value: "true"}}},
		"unknown ":                {},
	} {
		if version, commit := ourVersion(info); version+" "+commit != want {
			t.Errorf("%q %q, want %q", version, commit, want)
		}
	}
}

// trigger finds an order's charge by the shop's own number, whatever number Ping++ knows it by.
func TestTriggerCommand(t *testing.T) {
	hooks := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if e, err := pingpp.ParseEvent(must(io.ReadAll(r.Body))); err == nil {
			hooks <- e.Type + " " + e.ChargeID
		}
	}))
	defer hook.Close()
	box := must(sandbox.New(sandbox.Config{Webhooks: []string{hook.URL}, WebhookClient: hook.Client()}))
	srv := httptest.NewServer(box)
	defer srv.Close()
	defer box.Close()
	client := must(pingpp.New(pingpp.Config{App: box.App(), Key: redact.New(box.TestKey()), Endpoint: srv.URL}))
	charge := must(client.CreateCharge(t.Context(), &pingpp.ChargeParams{OrderNo: "1001x7", Channel: "wx_lite", Amount: 1000, Currency: "cny", ClientIP: "192.0.2.1",
		Subject: "s", Body: "b", Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}, Metadata: map[string]any{"pay_order_no": "1001"}}))
	do := func(args ...string) (string, error) {
		return pay(t, nil, append([]string{"trigger", "--sandbox", srv.URL + "/"}, args...)...)
	}
	for _, tc := range []struct{ args, hook string }{
		{"charge.succeeded --order 1001", "charge.succeeded"},
		{"refund.succeeded --order 1001 --amount 300", "refund.succeeded"},
		{"refund.succeeded --order 1001x7 --json", "refund.succeeded"},
		{"charge.succeeded --order 1001 --again", "charge.succeeded"},
		{"charge.reversed --order 1001", "charge.reversed"},
	} {
		if out, err := do(strings.Fields(tc.args)...); err != nil || out == "" || strings.Contains(tc.args, "json") != json.Valid([]byte(out)) {
			t.Errorf("%s: %v\n%s", tc.args, err, out)
		}
		if got := <-hooks; got != tc.hook+" "+charge.ID {
			t.Errorf("%s: the webhook is %s", tc.args, got)
		}
	}
	for args, want := range map[string]string{
		"charge.succeeded --order 1001":              "paid",
		"charge.succeeded --order 1002":              `has no charge of the order "1002" among its last 1000; begin to pay it first`,
		"charge.succeeded --order 1001 --amount 5":   "--amount is that of a refund",
		"refund.succeeded --order 1001 --amount 900": "",
		"charge.succeeded":                           "required flag",
		"--order 1001":                               "accepts 1 arg",
		"x --order 1 --sandbox localhost:1":          "is no address; write one like http://localhost:8484",
		"x --order 1 --sandbox http://127.0.0.1:1":   "start it with caddy pay sandbox",
		"x --order 1 --sandbox " + hook.URL:          "is no sandbox",
	} {
		if out, err := do(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
}

// Nobody answers a question that is put where nobody is, and only yes is yes.
func TestAsks(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.SetErr(io.Discard)
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "": false, "\n": false, "no\n": false, "yesterday\n": false} {
		cmd.SetIn(strings.NewReader(answer))
		if asks(cmd, "Go on?") != want {
			t.Errorf("%q", answer)
		}
	}
	null := must(os.Open(os.DevNull))
	defer null.Close()
	if cmd.SetIn(null); asks(cmd, "Go on?") {
		t.Error("nobody has said yes")
	}
}

// Each command shows how it is used, with an example where it takes anything.
func TestHelpHasExamples(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, below := range c.Commands() {
			if below.Short == "" || below.Args == nil {
				t.Errorf("%s says nothing of itself, or takes anything", below.CommandPath())
			}
			if !strings.Contains(below.Long+"\n"+below.Example, "\n  "+below.CommandPath()) && !strings.Contains(below.Long, "\n  … | "+below.CommandPath()) {
				t.Errorf("the help of %s has no example", below.CommandPath())
			}
			walk(below)
		}
	}
	walk(all().Commands()[0])
}
