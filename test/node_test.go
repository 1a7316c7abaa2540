package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// modules installs what the scripts in node need, once.
var modules = sync.OnceValue(func() error {
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("node is not installed: the conformance tests run Ping++'s official SDKs; make test installs it on Debian, or see https://nodejs.org")
	}
	return installed("node")
})

// installed installs what a folder's package-lock.json names, unless it is there.
func installed(dir string) error {
	wanted, err := os.Stat(dir + "/package-lock.json")
	if err != nil {
		return err
	}
	if there, err := os.Stat(dir + "/node_modules/.package-lock.json"); err == nil && !wanted.ModTime().After(there.ModTime()) {
		return nil
	}
	return npm(dir, "ci", "--no-audit", "--no-fund")
}

func npm(dir string, args ...string) error {
	cmd := exec.Command("npm", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm %s in %s: %w\n%s", strings.Join(args, " "), dir, err, out)
	}
	return nil
}

// node runs a script, and returns what it wrote.
func node(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	if err := modules(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// checks runs a script that writes one line of JSON for each check.
func checks(t *testing.T, env []string, args ...string) {
	t.Helper()
	out, err := node(t, "node", env, args...)
	if err != nil {
		t.Errorf("%s: %v\n%s", args[0], err, out)
	}
	n := 0
	for line := range strings.Lines(out) {
		var check struct {
			Check  string
			OK     bool
			Detail string
		}
		if json.Unmarshal([]byte(line), &check) != nil || check.Check == "" {
			continue
		}
		n++
		t.Run(check.Check, func(t *testing.T) {
			if !check.OK {
				t.Error(check.Detail)
			}
		})
	}
	if n == 0 {
		t.Errorf("%s checked nothing:\n%s", args[0], out)
	}
}

// Ping++'s official server SDK cannot tell the sandbox from Ping++.
func TestServerSDK(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	for mode, key := range map[string]string{"test": s.box.TestKey(), "live": s.box.LiveKey()} {
		t.Run(mode, func(t *testing.T) {
			checks(t, []string{"BASE=" + s.outside.URL, "KEY=" + key, "APP=" + s.box.App(), "PRIVATE_KEY_PATH=" + s.file("merchant.pem")}, "server-sdk.js")
		})
	}
}

// The examples that ship with Ping++'s official server SDK run against the sandbox.
func TestServerSDKExamples(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	lite := s.box.WxLite()
	for mode, key := range map[string]string{"test": s.box.TestKey(), "live": s.box.LiveKey()} {
		t.Run(mode, func(t *testing.T) {
			checks(t, []string{"BASE=" + s.outside.URL, "KEY=" + key, "APP=" + s.box.App(), "PRIVATE_KEY_PATH=" + s.file("merchant.pem"),
				"PINGPP_KEY_PATH=" + s.file("pingpp.pub.pem"), "WX_LITE=" + lite.AppID + ":" + lite.Secret}, "examples.js")
		})
	}
}

// The sandbox's webhook verifies as Ping++'s server SDK shows it.
func TestWebhookVerifiesInNode(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	_, session := s.login()
	if err := s.box.Pay(s.newCharge(session, "N10001")); err != nil {
		t.Fatal(err)
	}
	eventually(t, shortly, func() error {
		if len(s.backend.events("")) == 0 {
			return errorf("nothing was delivered")
		}
		return nil
	})
	heard := s.backend.events("")[0] // the bytes and the signature as the backend has them
	signature := heard.Header.Get("X-Pingplusplus-Signature")
	s.write("event.json", heard.Body)
	s.write("altered.json", append([]byte(" "), heard.Body...))
	for file, want := range map[string]string{"event.json": "true", "altered.json": "false"} {
		out, err := node(t, "node", nil, "verify-webhook.js", s.file(file), signature, s.file("pingpp.pub.pem"))
		if err != nil || strings.TrimSpace(out) != want {
			t.Errorf("%s: %q, %v; want %s", file, out, err, want)
		}
	}
}

// What a backend receives verifies with the libraries that standardwebhooks.com publishes for Go and for JavaScript, and not when it was altered.
func TestEventVerifiesWithPublishedLibraries(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	paid := s.succeeded("SW10001")
	s.accept(paid)
	h := s.backend.await(t, paid.ID, 1)[0]
	wh, err := standardwebhooks.NewWebhook(s.secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify(h.Body, h.Header); err != nil {
		t.Errorf("it does not verify: %v", err)
	}
	if wh.Verify(append([]byte(" "), h.Body...), h.Header) == nil {
		t.Error("an altered body verifies")
	}
	headers := make(map[string]string)
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		altered := h.Header.Clone()
		altered.Set(name, "1"+altered.Get(name))
		if wh.Verify(h.Body, altered) == nil {
			t.Errorf("it verifies with another %s", name)
		}
		headers[name] = h.Header.Get(name)
	}
	raw, err := json.Marshal(headers)
	if err != nil {
		t.Fatal(err)
	}
	s.write("event.json", h.Body)
	s.write("headers.json", raw)
	checks(t, []string{"EVENT=" + s.file("event.json"), "HEADERS=" + s.file("headers.json"), "SECRET=" + s.secret}, "verify-event.js")
}

// Ping++'s official client SDK takes what /pay/charges answers, in test mode and in live mode, for each channel that pays in a mini program.
func TestClientSDK(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"test", "live"} {
		t.Run(mode, func(t *testing.T) {
			s := newStage(t, mode == "live").startFull(fullSite)
			_, session := s.login()
			for i, channel := range []string{"wx_lite", "isv_lite", "wx_lite_pab", "yeepay_wx_lite"} {
				a := s.call("POST", "/pay/charges", map[string]string{"order_no": fmt.Sprint("C1000000", i), "channel": channel}, "X-Pay-Session", session)
				if a.StatusCode != http.StatusCreated {
					t.Fatalf("%s: %s", channel, a)
				}
				s.write("charge.json", a.Body)
				checks(t, []string{"CHARGE=" + s.file("charge.json"), "MODE=" + mode, "SANDBOX=" + s.outside.URL}, "client-sdk.js")
			}
		})
	}
}

// builtPackage installs what builds and tries the mini program's package, and builds it, once.
var builtPackage = sync.OnceValue(func() error {
	const dir = "../client/miniprogram"
	if err := installed(dir); err != nil {
		return err
	}
	return npm(dir, "run", "build")
})

// The mini program of the examples, built as WeChat's tools build it, with a simulated phone: its own tests, and an order of its shop, examples/node,
// at a running site.
func TestMiniProgram(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	shop := s.startExample()
	s.start(plainSite)
	if err := builtPackage(); err != nil {
		t.Fatal(err)
	}
	s.keepSecret("sandbox-shopper", "a login code")
	out, err := node(t, "../examples/miniprogram", []string{"SHOP=" + s.url(""), "SANDBOX=" + s.outside.URL,
		"NODE_EXTRA_CA_CERTS=" + s.file("storage/pki/authorities/local/root.crt")}, "--test", "test/shop.test.js")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	m := regexp.MustCompile(`paid: (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no order was paid at the running site:\n%s", out)
	}
	raw, err := os.ReadFile(shop)
	if err != nil || !strings.Contains(string(raw), `"order_no":"`+m[1]+`"`) || !strings.Contains(string(raw), `"state":"paid"`) {
		t.Errorf("the shop has %s, %v", raw, err)
	}
}

// startExample puts examples/node in the place of the stage's backend, and returns its file of orders.
func (s *stage) startExample() (orders string) {
	s.t.Helper()
	orders = s.file("orders.json")
	port := freePorts(s.t, 1)[0]
	cmd := exec.Command("node", "../examples/node/shop.js")
	cmd.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "SHOP_FILE="+orders, "PAY_BACKEND_TOKEN="+s.token, "PAY_MODE=test")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("%v; make deps installs Node on Debian", err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := fmt.Sprint("127.0.0.1:", port)
	listens(s.t, "tcp", address)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	connections := &http.Transport{}
	s.t.Cleanup(connections.CloseIdleConnections)
	proxy.Transport = connections
	s.backend.Config.Handler = proxy
	return orders
}

// The package for mini programs, as it is packed: its own tests under wx, uni and Taro, WeChat's build of it, and orders at a running site.
func TestMiniProgramPackage(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(plainSite)
	if err := modules(); err != nil {
		t.Fatal(err)
	}
	if err := builtPackage(); err != nil {
		t.Fatal(err)
	}
	const dir = "../client/miniprogram"
	for _, shape := range []string{"wx", "uni", "Taro", "SDK"} {
		s.keepSecret("sandbox-"+shape, "a login code")
	}
	sdk, err := filepath.Abs("node/node_modules/pingpp-js")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(dir + "/test/*.test.js")
	if err != nil || len(files) != 4 {
		t.Fatalf("the package's tests are %v, %v", files, err)
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], dir+"/")
	}
	out, err := node(t, dir, []string{"SHOP=" + s.url(""), "SANDBOX=" + s.outside.URL, "ORDER_NO=MP1000", "PINGPP=" + sdk,
		"NODE_EXTRA_CA_CERTS=" + s.file("storage/pki/authorities/local/root.crt")}, append([]string{"--test"}, files...)...)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for shape, how := range map[string]string{"wx": "under wx", "uni": "under uni", "Taro": "under Taro", "SDK": "with Ping++'s SDK"} {
		if !strings.Contains(out, "an order is paid at "+s.url("")+" "+how) {
			t.Errorf("no order was paid at the running site %s:\n%s", how, out)
		}
		eventually(t, shortly, func() error {
			for _, h := range s.backend.events("") {
				if h.Header.Get("X-Pay-Order-No") == "MP1000"+shape {
					return nil
				}
			}
			return errorf("the backend did not hear of MP1000%s", shape)
		})
	}
}
