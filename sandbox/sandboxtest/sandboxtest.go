// Package sandboxtest runs a sandbox behind a real HTTPS server, for the tests of its rooms.
package sandboxtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// Key is Ping++'s in every test; it is made once: a 2048-bit key takes a while.
var Key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(nil, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// Clock is a hand-set clock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is what it shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves it on.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Bench is a sandbox behind a real HTTPS server.
type Bench struct {
	*sandbox.Sandbox
	T      testing.TB
	Server *httptest.Server
	Client *http.Client
	Clock  *Clock
	Dice   *dice.Dice // for numbers that are not used yet
}

// Start runs a sandbox until the end of the test. Its clock is set by hand, unless the configuration brings one.
func Start(t testing.TB, cfg sandbox.Config) *Bench {
	t.Helper()
	b := &Bench{T: t, Clock: &Clock{now: time.Date(2026, 8, 16, 8, 7, 55, 0, time.UTC)}, Dice: dice.New(rand.Reader)}
	if cfg.SigningKey == nil {
		cfg.SigningKey = Key()
	}
	if cfg.Now == nil {
		cfg.Now = b.Clock.Now
	}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Sandbox = s
	b.Server = httptest.NewTLSServer(s)
	b.Client = b.Server.Client()
	b.Client.Transport.(*http.Transport).DisableKeepAlives = true // on a connection that served before, net/http asks again by itself
	t.Cleanup(func() {
		b.Client.CloseIdleConnections()
		s.Close()
		b.Server.Close()
	})
	return b
}

// Answer is what came back, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Field reads a dotted path of the JSON body; nil when there is none.
func (a Answer) Field(path string) any {
	var v any
	if json.Unmarshal(a.Body, &v) != nil {
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

// ID is the answered object's.
func (a Answer) ID() string {
	id, _ := a.Field("id").(string)
	return id
}

// Request makes one, with headers by name and value.
func (b *Bench) Request(method, path, body string, header ...string) *http.Request {
	b.T.Helper()
	r, err := http.NewRequest(method, b.Server.URL+path, strings.NewReader(body))
	if err != nil {
		b.T.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// Do sends a request and wants an answer.
func (b *Bench) Do(r *http.Request) Answer {
	b.T.Helper()
	a, err := b.Try(r)
	if err != nil {
		b.T.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return a
}

// Try sends a request.
func (b *Bench) Try(r *http.Request) (Answer, error) {
	res, err := b.Client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, res.Header, body}, err
}

// API calls Ping++ with the test key.
func (b *Bench) API(method, path, body string, header ...string) Answer {
	b.T.Helper()
	return b.Do(b.Request(method, path, body, append([]string{"Authorization", "Bearer " + b.TestKey()}, header...)...))
}

// Lever pulls one and wants success.
func (b *Bench) Lever(method, path, body string) Answer {
	b.T.Helper()
	a := b.Do(b.Request(method, path, body))
	if a.Status/100 != 2 {
		b.T.Fatalf("%s %s answered %d %s", method, path, a.Status, a.Body)
	}
	return a
}

// Order is the body of a charge's creation; changes set members, nil removes one.
func (b *Bench) Order(orderNo string, changes ...any) string {
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

// Create makes a charge.
func (b *Bench) Create(orderNo string, changes ...any) Answer {
	b.T.Helper()
	a := b.API("POST", "/v1/charges", b.Order(orderNo, changes...))
	if a.Status != 200 {
		b.T.Fatalf("creating %s answered %d %s", orderNo, a.Status, a.Body)
	}
	return a
}

// Verify checks a signature of Ping++'s with the published key.
func (b *Bench) Verify(body []byte, signature string) error {
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

// Until waits for a condition.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// MemberNames lists the members of a JSON object in their order.
func MemberNames(t *testing.T, raw []byte) string {
	t.Helper()
	o, err := rawjson.Parse(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	var names []string
	for _, m := range o {
		names = append(names, m.Key)
	}
	return strings.Join(names, " ")
}
