package sandbox_test

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewMakesWhatIsMissing(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for what, c := range map[string]struct {
		got, prefix string
		length      int
	}{
		"app":      {b.App(), "app_", 20},
		"test key": {b.TestKey(), "sk_test_", 32},
		"live key": {b.LiveKey(), "sk_live_", 32},
		"app id":   {b.WxLite().AppID, "wx", 18},
		"secret":   {b.WxLite().Secret, "", 32},
	} {
		if !strings.HasPrefix(c.got, c.prefix) || len(c.got) != c.length {
			t.Errorf("%s: %q", what, c.got)
		}
	}
	s, err := sandbox.New(sandbox.Config{App: "app_1"}) // and a key of its own
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.App() != "app_1" || bytes.Equal(s.PublicKeyPEM(), b.PublicKeyPEM()) {
		t.Error("the configured app was not taken, or the key is not a new one")
	}
}

func TestNewRefuses(t *testing.T) {
	for want, cfg := range map[string]sandbox.Config{
		"sk_test_":    {TestKey: "sk_live_x"},
		"sk_live_":    {LiveKey: "sk_live_"},
		"time_scale":  {TimeScale: -1},
		"randomness":  {Rand: strings.NewReader("x")},
		"signing_key": {SigningKey: &rsa.PrivateKey{}},
	} {
		s, err := sandbox.New(cfg)
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not name %s", err, want)
		}
	}
}

func TestUnknownPathsAndLargeBodies(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404}, {"GET", "/v1/", 404}, {"GET", "/v1/charges/", 404}, {"GET", "/v1/charges/a/b", 404},
		{"POST", "/v1/charges/ch_1", 404}, {"GET", "/v1/charges/ch_1/reverse", 404}, {"POST", "/v1/charges/ch_1/reverse/now", 404}, {"POST", "/v1/charges//reverse", 404},
		{"POST", "/v1/charges/ch_1/refunds/re_1", 404}, {"GET", "/v1/charges/ch_1/refunds/re_1/x", 404}, {"GET", "/v1/charges/ch_1/refunds/", 404},
		{"DELETE", "/v1/charges/ch_1", 404}, {"POST", "/v1/events/evt_1", 404}, {"GET", "/v1/refunds", 404},
		{"POST", "/notify/charges/ch_1?livemode=false", 405}, {"GET", "/sandbox/", 404}, {"GET", "/sandbox/faults", 404},
	} {
		if a := b.API(c.method, c.path, ""); a.Status != c.status {
			t.Errorf("%s %s answered %d, want %d", c.method, c.path, a.Status, c.status)
		}
	}
	large := strings.Repeat(" ", 1<<20+1)
	for _, path := range []string{"/v1/charges", "/sandbox/webhooks"} {
		if a := b.API("POST", path, large); a.Status != 413 {
			t.Errorf("%s took a body of %d bytes: %d", path, len(large), a.Status)
		}
	}
}

func TestServes(t *testing.T) {
	for path, want := range map[string]bool{"/v1/charges": true, "/sandbox/state": true, "/sns/x": true, "/notify/charges/ch_1": true, "/": false, "/v1": false, "/pay/webhooks": false} {
		if sandbox.Serves(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

// The Node SDK gets a connection for each call, and nobody in its process leaves it one that served before; everybody else keeps theirs.
func TestConnections(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	const charge = "/v1/charges/ch_1?"
	for _, c := range []struct {
		path, agent string
		times       int
	}{
		{charge, "Pingpp/v1 NodeBindings/2.1.6", 1}, {charge, "caddypay/devel", 3},
		{"/sandbox/state", "node", 1}, {"/notify/charges/ch_1?livemode=false", "node", 1}, {"/mock.php", "node", 1}, {"/sns/jscode2session", "node", 1},
	} {
		path, agent, times := c.path, c.agent, c.times
		conn, err := tls.Dial("tcp", b.Server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		in := bufio.NewReader(conn)
		for i := range times {
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, agent, b.TestKey())
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s %s, call %d: %v", path, agent, i+1, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close != (times == 1) {
				t.Errorf("%s %s, call %d: %v, closed %t", path, agent, i+1, err, resp.Close)
			}
		}
	}
}
