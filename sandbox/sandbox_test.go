package sandbox

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox/rawjson"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey is made once: a 2048-bit key takes a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(nil, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// clock is a hand-set clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a sandbox behind a real HTTPS server.
type bench struct {
	*Sandbox
	t      testing.TB
	server *httptest.Server
	client *http.Client
	clock  *clock
}

func start(t testing.TB, cfg Config) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: time.Date(2026, 8, 16, 8, 7, 55, 0, time.UTC)}}
	if cfg.SigningKey == nil {
		cfg.SigningKey = testKey()
	}
	if cfg.Now == nil {
		cfg.Now = b.clock.Now
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Sandbox = s
	b.server = httptest.NewTLSServer(s)
	b.client = b.server.Client()
	b.client.Transport.(*http.Transport).DisableKeepAlives = true // on a connection that served before, net/http asks again by itself
	t.Cleanup(func() {
		b.client.CloseIdleConnections()
		s.Close()
		b.server.Close()
	})
	return b
}

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// field reads a dotted path of the JSON body; nil when there is none.
func (a answer) field(path string) any {
	var v any
	if json.Unmarshal(a.body, &v) != nil {
		return nil
	}
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

func (a answer) id() string {
	id, _ := a.field("id").(string)
	return id
}

func (b *bench) request(method, path, body string, header ...string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (b *bench) do(r *http.Request) answer {
	b.t.Helper()
	a, err := b.try(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return a
}

func (b *bench) try(r *http.Request) (answer, error) {
	res, err := b.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, body}, err
}

// api calls Ping++ with the test key.
func (b *bench) api(method, path, body string, header ...string) answer {
	b.t.Helper()
	return b.do(b.request(method, path, body, append([]string{"Authorization", "Bearer " + b.TestKey()}, header...)...))
}

// lever pulls one and wants success.
func (b *bench) lever(method, path, body string) answer {
	b.t.Helper()
	a := b.do(b.request(method, path, body))
	if a.status/100 != 2 {
		b.t.Fatalf("%s %s answered %d %s", method, path, a.status, a.body)
	}
	return a
}

// order is the body of a charge's creation; changes set members, nil removes one.
func (b *bench) order(orderNo string, changes ...any) string {
	m := map[string]any{
		"order_no": orderNo, "app": map[string]any{"id": b.App()}, "channel": "wx_lite", "amount": 100,
		"currency": "cny", "client_ip": "192.0.2.10", "subject": "Tea & <cake>", "body": "绿茶",
		"extra": map[string]any{"open_id": "oABCDEFGHIJKLMNOPQRSTUVWXYZ1"},
	}
	for i := 0; i < len(changes); i += 2 {
		if m[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(m, changes[i].(string))
		}
	}
	return string(rawjson.Encode(m))
}

func (b *bench) create(orderNo string, changes ...any) answer {
	b.t.Helper()
	a := b.api("POST", "/v1/charges", b.order(orderNo, changes...))
	if a.status != 200 {
		b.t.Fatalf("creating %s answered %d %s", orderNo, a.status, a.body)
	}
	return a
}

// verify checks a signature of Ping++'s with the published key.
func (b *bench) verify(body []byte, signature string) error {
	block, _ := pem.Decode(b.PublicKeyPEM())
	if block == nil {
		return errors.New("the public key is no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	return rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, sum[:], sig)
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestNewMakesWhatIsMissing(t *testing.T) {
	b := start(t, Config{})
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
	s, err := New(Config{App: "app_1"}) // and a key of its own
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.App() != "app_1" || bytes.Equal(s.PublicKeyPEM(), b.PublicKeyPEM()) {
		t.Error("the configured app was not taken, or the key is not a new one")
	}
}

func TestNewRefuses(t *testing.T) {
	for want, cfg := range map[string]Config{
		"sk_test_":    {TestKey: "sk_live_x"},
		"sk_live_":    {LiveKey: "sk_live_"},
		"time_scale":  {TimeScale: -1},
		"randomness":  {Rand: strings.NewReader("x")},
		"signing_key": {SigningKey: &rsa.PrivateKey{}},
	} {
		s, err := New(cfg)
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not name %s", err, want)
		}
	}
}

func TestUnknownPathsAndLargeBodies(t *testing.T) {
	b := start(t, Config{})
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
		if a := b.api(c.method, c.path, ""); a.status != c.status {
			t.Errorf("%s %s answered %d, want %d", c.method, c.path, a.status, c.status)
		}
	}
	large := strings.Repeat(" ", maxBody+1)
	for _, path := range []string{"/v1/charges", "/sandbox/webhooks"} {
		if a := b.api("POST", path, large); a.status != 413 {
			t.Errorf("%s took a body of %d bytes: %d", path, len(large), a.status)
		}
	}
}

func TestServes(t *testing.T) {
	for path, want := range map[string]bool{"/v1/charges": true, "/sandbox/state": true, "/sns/x": true, "/notify/charges/ch_1": true, "/": false, "/v1": false, "/pay/webhooks": false} {
		if Serves(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

// The Node SDK gets a connection for each call, and nobody in its process leaves it one that served before; everybody else keeps theirs.
func TestConnections(t *testing.T) {
	b := start(t, Config{})
	const charge = "/v1/charges/ch_1?"
	for _, c := range []struct {
		path, agent string
		times       int
	}{
		{charge, "Pingpp/v1 NodeBindings/2.1.6", 1}, {charge, "caddypay/devel", 3},
		{"/sandbox/state", "node", 1}, {"/notify/charges/ch_1?livemode=false", "node", 1}, {mockPath, "node", 1}, {"/sns/jscode2session", "node", 1},
	} {
		path, agent, times := c.path, c.agent, c.times
		conn, err := tls.Dial("tcp", b.server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
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
