package caddypay_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddypay/caddypay"
)

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// blocks returns the code blocks of a page that have a language.
func blocks(t *testing.T, file string) [][2]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found [][2]string
	for _, m := range fence.FindAllStringSubmatch(string(raw), -1) {
		found = append(found, [2]string{m[1], m[2]})
	}
	if len(found) == 0 {
		t.Fatalf("%s has no code blocks", file)
	}
	return found
}

// TestReadmesAgree makes sure that both languages show the same code.
func TestReadmesAgree(t *testing.T) {
	if en, zh := blocks(t, "README.md"), blocks(t, "README.zh-CN.md"); !slices.Equal(en, zh) {
		t.Errorf("README.md and README.zh-CN.md show different code:\n%q\n%q", en, zh)
	}
}

// TestReadmeCommands makes sure that every command exists, and that the two that matter come first. The call of the merchant API is one of
// docs/http-api.md, all of which TestDocumentedMerchantCalls makes.
func TestReadmeCommands(t *testing.T) {
	var commands []string
	for _, b := range blocks(t, "README.md") {
		if b[0] == "sh" {
			commands = append(commands, strings.TrimSpace(b[1]))
		}
	}
	var calls []string
	for _, b := range blocks(t, "docs/http-api.md") {
		if b[0] == "sh" && strings.HasPrefix(b[1], "curl ") {
			calls = append(calls, strings.TrimSpace(b[1]))
		}
	}
	called := len(commands)
	commands = slices.DeleteFunc(commands, func(c string) bool { return slices.Contains(calls, c) })
	want := []string{"go run ./cmd/caddy pay demo", "make test", "xcaddy build --with github.com/caddypay/caddypay"}
	if called != len(want)+1 || !slices.Equal(commands, want) {
		t.Fatalf("README.md shows the commands %q; this test knows %q: run a new one in a test and add it here", commands, want)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"demo", "test", "build", "lint"} {
		if !regexp.MustCompile(`(?m)^` + target + `:`).Match(makefile) {
			t.Errorf("the Makefile has no target %s", target)
		}
	}
	ci, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(ci), "make test") {
		t.Error(".ci/run does not call make test")
	}
}

// TestCaddyfiles validates every Caddyfile that a user is shown, with keys and secrets as the texts ask for them.
func TestCaddyfiles(t *testing.T) {
	files := map[string]string{}
	for _, page := range []string{"README.md", "docs/web.md"} {
		for _, b := range blocks(t, page) {
			if b[0] == "caddyfile" {
				files[page] += b[1]
			}
		}
		if files[page] == "" {
			t.Errorf("%s shows no Caddyfile", page)
		}
	}
	example, err := os.ReadFile("Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	files["Caddyfile.example"] = string(example)
	files["Caddyfile.example, with what is off"] = otherExample(t, string(example))

	dir := t.TempDir()
	writeKeys(t, dir)
	t.Chdir(dir)
	t.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Setenv("PINGPP_KEY", "sk_live_0123456789abcdef01234567")
	t.Setenv("WECHAT_SECRET", "0123456789abcdef0123456789abcdef")
	t.Setenv("WECHAT_PUB_SECRET", "fedcba9876543210fedcba9876543210")
	t.Setenv("PAY_SESSION_KEY", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	t.Setenv("PAY_BACKEND_TOKEN", strings.Repeat("0123456789abcdef", 4))
	t.Setenv("PAY_MERCHANT_TOKEN", strings.Repeat("fedcba9876543210", 4))
	t.Setenv("OPS_PASSWORD_HASH", "$2a$04$J9dbRKgzIaWNyKXLYoYdo.Va3a4mPR3RtUuVYGEyZbQS3Pl.TPnZS")
	t.Setenv("PAY_EVENTS_SECRET", "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	t.Setenv("PAY_WECOM_URL", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0123456789abcdef")
	t.Setenv("PAY_DINGTALK_URL", "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef")
	t.Setenv("PAY_DINGTALK_SECRET", "SEC0123456789abcdef")
	for name, text := range files {
		if formatted := caddyfile.Format([]byte(text)); string(formatted) != text {
			t.Errorf("%s: the Caddyfile is not as caddy fmt writes it", name)
		}
		adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": name})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(warnings) > 0 {
			t.Errorf("%s: %v", name, warnings)
		}
		var cfg caddy.Config
		if err := json.Unmarshal(adapted, &cfg); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "caddy", "pay")); !os.IsNotExist(err) {
		t.Error("validating made files of ours")
	}
}

// otherExample is Caddyfile.example with what it shows as off turned on, in place of what excludes it.
func otherExample(t *testing.T, text string) string {
	t.Helper()
	for _, block := range []string{"orders", "checkout", "upstream"} {
		on := regexp.MustCompile(`(?ms)^\t\t` + block + ` .*?^\t\t}\n`)
		if !on.MatchString(text) {
			t.Fatalf("Caddyfile.example has no block %s", block)
		}
		text = on.ReplaceAllString(text, "")
	}
	text = regexp.MustCompile(`(?m)^\t\t(shop_name|accent) .*\n`).ReplaceAllString(text, "") // they are the payment page's
	off := regexp.MustCompile(`(?m)^(\t+)#(\S|\t)`)
	if n := len(off.FindAllString(text, -1)); n < 4 {
		t.Fatalf("Caddyfile.example has only %d lines that are off", n)
	}
	return off.ReplaceAllString(text, "$1$2")
}

// TestExampleIsComplete makes sure that Caddyfile.example shows every option: those that the errors about unknown ones list.
func TestExampleIsComplete(t *testing.T) {
	example, err := os.ReadFile("Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := filepath.Glob("caddymodule/testdata/adapt/error_unknown_option_*.caddytest")
	if err != nil || len(cases) < 8 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, file := range cases {
		if strings.Contains(file, "sandbox") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`allowed are: ([a-z_, ]+), at `).FindStringSubmatch(string(raw))
		if m == nil {
			t.Fatalf("%s lists no options", file)
		}
		for _, option := range strings.Split(m[1], ", ") {
			if !regexp.MustCompile(`(?m)^\t+#?` + option + `\b`).Match(example) {
				t.Errorf("Caddyfile.example does not show %s, which %s lists", option, file)
			}
		}
	}
}

// writeKeys makes the two PEM files that the examples name.
func writeKeys(t *testing.T, dir string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&theirs.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"merchant.pem":   {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		"pingpp.pub.pem": {Type: "PUBLIC KEY", Bytes: public},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBuildManifest makes sure that xcaddy.json, the build line and go.mod name the same Caddy and the same module.
func TestBuildManifest(t *testing.T) {
	line, err := exec.Command("go", "run", "scripts/xcaddy.go", "-n").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "go tool xcaddy build " + strings.TrimSpace(string(version)) + " --output caddy --with github.com/caddypay/caddypay=."
	if got := strings.TrimSpace(string(line)); got != want {
		t.Errorf("make build runs\n\t%s\nbut go.mod asks for\n\t%s", got, want)
	}
}
