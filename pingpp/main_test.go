package pingpp

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddypay/caddypay/redact"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testApp = "app_0000000000000001"
	testKey = "sk_test_Zm9yLXRlc3RzLW9ubHk"
	liveKey = "sk_live_Zm9yLXRlc3RzLW9ubHk"
	openID  = "oTESTTESTTESTTESTTESTTESTTES"
)

// newKey makes the merchant's key of these tests, once.
var newKey = sync.OnceValue(func() *rsa.PrivateKey { return mustKey(2048) })

func mustKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve starts a server over TCP and returns a client that talks to it with a test key.
func serve(t testing.TB, h http.HandlerFunc, change ...func(*Config)) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return client(t, srv.URL, change...)
}

func client(t testing.TB, endpoint string, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{App: testApp, Key: redact.New(testKey), Endpoint: endpoint, Timeout: 10 * time.Second, Rand: func() float64 { return 0 }}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func params() *ChargeParams {
	return &ChargeParams{
		OrderNo: "T20261123001", Channel: "wx_lite", Amount: 1250, Currency: "cny", ClientIP: "192.0.2.7",
		Subject: "龙井 & <春>", Body: "Green tea, 50 g", Extra: map[string]any{"open_id": openID},
	}
}

// charge is the JSON of the charge that params asks for, with changes; a nil value removes the member.
func charge(changes map[string]any) []byte {
	o := map[string]any{
		"id": "ch_1", "object": "charge", "created": 1795420790, "livemode": false, "paid": false, "refunded": false,
		"app": testApp, "channel": "wx_lite", "order_no": "T20261123001", "client_ip": "192.0.2.7", "amount": 1250,
		"amount_settle": 0, "currency": "cny", "subject": "s", "body": "b", "extra": map[string]any{}, "time_paid": nil,
		"time_expire": 1795427990, "transaction_no": nil, "amount_refunded": 0, "metadata": map[string]any{},
		"credential": map[string]any{"object": "credential"},
	}
	for k, v := range changes {
		if o[k] = v; v == nil {
			delete(o, k)
		}
	}
	b, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprint("charge: ", err))
	}
	return b
}

// answer is a handler that always answers the same.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}
