package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// payCommand is `caddy pay` as the command line has it.
func payCommand(t testing.TB, out io.Writer, args ...string) *cobra.Command {
	t.Helper()
	registered, ok := caddycmd.Commands()["pay"]
	if !ok {
		t.Fatal("there is no command pay")
	}
	cmd := &cobra.Command{Use: "pay", Short: registered.Short, Long: registered.Long, SilenceErrors: true}
	registered.CobraFunc(cmd)
	cmd.SetOut(out)
	cmd.SetErr(out)
	cmd.SetArgs(append([]string{}, args...)) // nil would be the arguments of the test
	return cmd
}

func TestCommandHelp(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"caddy pay demo", "caddy pay sandbox", "Available Commands"}},
		{[]string{"demo", "--help"}, []string{"--once", "--json", "--port", "8443", "no money moves"}},
		{[]string{"sandbox", "--help"}, []string{"--listen", "--json", "--app", "--test_key", "--live_key", "--merchant_key", "--signing_key",
			"--wx_lite_app_id", "--wx_lite_secret", "--webhook", "--time_scale", "/sandbox/charges/"}},
	} {
		var out bytes.Buffer
		if err := payCommand(t, &out, tc.args...).ExecuteContext(t.Context()); err != nil {
			t.Error(tc.args, err)
		}
		for _, want := range tc.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("pay %s does not say %q:\n%s", strings.Join(tc.args, " "), want, &out)
			}
		}
	}
}

func TestCommandMistakes(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()[strings.LastIndex(taken.Addr().String(), ":")+1:]
	for _, tc := range []struct {
		args string
		want string
	}{
		{"demo --once --port " + port, "address already in use; choose another port with --port"},
		{"demo now", "unknown command"},
		{"demo --twice", "unknown flag"},
		{"sandbox --listen :" + port, "address already in use; choose another address with --listen"},
		{"sandbox --time_scale 0", "--time_scale takes a factor from 1 to 1e9, not 0"},
		{"sandbox --time_scale NaN", "--time_scale takes a factor from 1 to 1e9, not NaN"},
		{"sandbox --wx_lite_secret s", "give --wx_lite_app_id and --wx_lite_secret both, or neither"},
		{"sandbox --signing_key absent.pem", "pay on the sandbox: pay_sandbox signing_key: open absent.pem: no such file or directory; name a PEM file"},
		{"sandbox --merchant_key absent.pem", "pay_sandbox merchant_key"},
		{"sandbox --test_key sk_live_1", "test_key"},
	} {
		var out bytes.Buffer
		err := payCommand(t, &out, strings.Fields(tc.args)...).ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("pay %s: %v", tc.args, err)
		}
	}
}

// The demo makes its payment, step by step, and leaves nothing running.
func TestDemo(t *testing.T) {
	addr := freeAddr(t)
	var out bytes.Buffer
	err := payCommand(t, &out, "demo", "--once", "--json", "--port", addr[strings.LastIndex(addr, ":")+1:]).ExecuteContext(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	want := []string{"https", "login", "openid", "order_quote", "charge_created", "user_paid", "webhook_verified", "event_stored", "event_delivered", "client_confirmed",
		"money_frozen", "shipping_reported", "money_released"}
	var got []string
	for line := range strings.Lines(out.String()) {
		var step struct {
			Step, Saw string
			OK        bool
			MS        float64
		}
		if err := json.Unmarshal([]byte(line), &step); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if !step.OK || step.Saw == "" || step.MS < 0 {
			t.Error(line)
		}
		got = append(got, step.Step)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the steps are %v", got)
	}
}

// startSandbox runs the command until ctx ends; it returns the output up to the first line that holds `until`.
func startSandbox(t *testing.T, ctx context.Context, until string, args ...string) (output string, ended <-chan error) {
	t.Helper()
	lines := make(chan string, 1000)
	ended = runSandboxCommand(t, ctx, lines, args...)
	var b strings.Builder
	for !strings.Contains(b.String(), until) {
		line, ok := <-lines
		if !ok {
			t.Fatalf("%v: %s", <-ended, &b)
		}
		b.WriteString(line)
	}
	return b.String(), ended
}

// startSandboxLines runs the command until ctx ends; it returns where the sandbox is, and sends what it prints after that.
func startSandboxLines(t *testing.T, ctx context.Context, lines chan string, args ...string) (url string, ended <-chan error) {
	t.Helper()
	ended = runSandboxCommand(t, ctx, lines, args...)
	for url == "" {
		line, ok := <-lines
		if !ok {
			t.Fatal(<-ended)
		}
		url = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`).FindString(line)
	}
	return url, ended
}

func runSandboxCommand(t *testing.T, ctx context.Context, lines chan<- string, args ...string) <-chan error {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // what it keeps
	r, w := io.Pipe()
	cmd := payCommand(t, w, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, args...)...)
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.ExecuteContext(ctx)
		_ = w.Close()
	}()
	go func() {
		defer close(lines)
		for in := bufio.NewReader(r); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	return ended
}

func TestSandboxCommandJSON(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, ended := startSandbox(t, ctx, "\n", "--json", "--app", "app_mine", "--test_key", "sk_test_mine0123456789",
		"--wx_lite_app_id", "wx0123456789abcdef", "--wx_lite_secret", "0123456789abcdef0123456789abcdef", "--time_scale", "60",
		"--signing_key", write(t, dir, "pingpp.pem", privatePEM(pingppKey())), "--merchant_key", write(t, dir, "merchant.pem", publicPEM(merchantKey())),
		"--webhook", "http://127.0.0.1:1/a", "--webhook", "http://127.0.0.1:1/b")
	var made struct {
		URL, App     string
		TestKey      string `json:"test_key"`
		LiveKey      string `json:"live_key"`
		WxLiteAppID  string `json:"wx_lite_app_id"`
		WxLiteSecret string `json:"wx_lite_secret"`
		Webhook      []string
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err, out)
	}
	if made.App != "app_mine" || made.TestKey != "sk_test_mine0123456789" || !strings.HasPrefix(made.LiveKey, "sk_live_") ||
		made.WxLiteAppID != "wx0123456789abcdef" || made.WxLiteSecret == "" || len(made.Webhook) != 2 {
		t.Errorf("%+v", made)
	}
	resp, err := client(t).Get(made.URL + "/sandbox/pingpp.pub.pem")
	if err != nil {
		t.Fatal(err)
	}
	key, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || string(key) != publicPEM(pingppKey()) {
		t.Errorf("the public key is %s, %v", key, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error("at the end:", err)
	}
	if _, err := client(t).Get(made.URL); err == nil {
		t.Error("it still answers")
	}
}

// What the sandbox prints can be pasted into a Caddyfile. SIGTERM ends it.
func TestSandboxCommandText(t *testing.T) {
	const last = "No webhooks are sent"
	out, ended := startSandbox(t, t.Context(), last)
	_, block, ok := strings.Cut(out, "In the Caddyfile:\n\n")
	if !ok {
		t.Fatal(out)
	}
	block, _, _ = strings.Cut(block, last)
	dir := t.TempDir()
	t.Chdir(dir)
	if err := validate(t, globals(dir)+"shop.example.com {\n"+block+"}\n"); err != nil {
		t.Errorf("%v\n%s", err, block)
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGTERM)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error("at the end:", err)
	}
}

func TestSandboxDirective(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	run(t, globals(dir)+"http://"+addr+" {\n\tpay_sandbox {\n\t\tapp app_mine\n\t\twechat wx_lite {\n\t\t\tapp_id wx0123456789abcdef\n\t\t\tsecret 0123456789abcdef0123456789abcdef\n\t\t}\n\t}\n\trespond \"elsewhere\"\n}\n")
	resp, err := client(t).Get("http://" + addr + "/sandbox/state")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !json.Valid(must(io.ReadAll(resp.Body))) {
		t.Error(resp.Status)
	}
	if resp, err = client(t).Get("http://" + addr + "/"); err != nil {
		t.Fatal(err)
	}
	if body := must(io.ReadAll(resp.Body)); string(body) != "elsewhere" || resp.Body.Close() != nil {
		t.Errorf("the site's own path answers %s", body)
	}
	log := string(must(os.ReadFile(filepath.Join(dir, "log"))))
	for _, want := range []string{`"app":"app_mine"`, `"wx_lite_app_id":"wx0123456789abcdef"`, `"test_key":"sk_test_`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not show %s", want)
		}
	}
	for _, tc := range []struct{ options, want string }{
		{"test_key sk_live_1", "pay_sandbox: "},
		{"test_key {env.TEST_UNSET}", "pay_sandbox test_key: {env.TEST_UNSET} resolves to nothing"},
		{"signing_key " + filepath.Join(dir, "absent"), "pay_sandbox signing_key: open"},
		{"merchant_key " + write(t, dir, "private.pem", privatePEM(merchantKey())), "pay_sandbox merchant_key: public key: this is a private key"},
		{"signing_key " + write(t, dir, "public.pem", publicPEM(merchantKey())), "pay_sandbox signing_key: private key: this is a public key"},
		{"webhook {env.TEST_UNSET}", "pay_sandbox webhook: {env.TEST_UNSET} resolves to nothing"},
		{"wechat wx_lite {\n\t\t\tapp_id wx1\n\t\t}", "pay_sandbox wechat wx_lite secret: is missing"},
		{"wechat wx_lite {\n\t\t\tsecret s\n\t\t}", "pay_sandbox wechat wx_lite app_id: is missing"},
	} {
		err := validate(t, globals(t.TempDir())+":8080 {\n\tpay_sandbox {\n\t\t"+tc.options+"\n\t}\n}\n")
		if err == nil || !strings.Contains(err.Error(), "pay on 127.0.0.1:8080: "+tc.want) || !placeAtEnd.MatchString(err.Error()) {
			t.Errorf("%s: %v", tc.options, err)
		}
	}
	raw := string(adapt(t, ":8080 {\n\tpay_sandbox {\n\t\twechat wx_lite {\n\t\t\tapp_id wx1\n\t\t\tsecret s\n\t\t}\n\t}\n}\n"))
	for old, want := range map[string]string{`"wx_lite":{`: `"wx_lite":{"endpoint":"http://x",`, `"wx_lite":`: `"wx_mini":`} {
		if err := validateJSON(t, strings.Replace(raw, old, want, 1)); err == nil || !strings.Contains(err.Error(), "pay_sandbox wechat wx_") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
