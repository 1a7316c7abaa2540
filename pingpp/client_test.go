package pingpp

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/redact"
)

func TestNew(t *testing.T) {
	good := Config{App: testApp, Key: redact.New(testKey)}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string // part of the error; empty: none
	}{
		{"test", func(*Config) {}, ""},
		{"live", func(c *Config) { c.Key = redact.New(liveKey) }, ""},
		{"own endpoint", func(c *Config) { c.Key, c.Endpoint = redact.New(liveKey), "https://pay.example:8443/" }, ""},
		{"http with a test key", func(c *Config) { c.Endpoint = "http://sandbox.example" }, ""},
		{"live to loopback", func(c *Config) { c.Key, c.Endpoint = redact.New(liveKey), "http://127.0.0.1:9000" }, ""},
		{"live to loopback, v6", func(c *Config) { c.Key, c.Endpoint = redact.New(liveKey), "http://[::1]:9000" }, ""},
		{"live to localhost", func(c *Config) { c.Key, c.Endpoint = redact.New(liveKey), "http://localhost:9000" }, ""},
		{"live over http", func(c *Config) { c.Key, c.Endpoint = redact.New(liveKey), "http://api.pingxx.com" }, "write https://api.pingxx.com"},
		{"live to a name like loopback", func(c *Config) { c.Key, c.Endpoint = redact.New(liveKey), "http://127.0.0.1.evil.example" }, "unencrypted"},
		{"no scheme", func(c *Config) { c.Endpoint = "api.pingxx.com" }, "write it like https://"},
		{"other scheme", func(c *Config) { c.Endpoint = "ftp://api.pingxx.com" }, `scheme "ftp"`},
		{"path", func(c *Config) { c.Endpoint = "https://api.pingxx.com/v1" }, "more than scheme and host"},
		{"query", func(c *Config) { c.Endpoint = "https://api.pingxx.com?x=1" }, "more than scheme and host"},
		{"user", func(c *Config) { c.Endpoint = "https://" + testKey + "@api.pingxx.com" }, "more than scheme and host"},
		{"port alone", func(c *Config) { c.Endpoint = "https://:443" }, "not a URL"},
		{"no app", func(c *Config) { c.App = "" }, "not an app id"},
		{"app is a charge", func(c *Config) { c.App = "ch_1" }, "begins with app_"},
		{"app with a line break", func(c *Config) { c.App = "app_1\n" }, "not an app id"},
		{"no key", func(c *Config) { c.Key = redact.New("") }, "empty"},
		{"publishable key", func(c *Config) { c.Key = redact.New("pk_live_x") }, "publishable"},
		{"unknown prefix", func(c *Config) { c.Key = redact.New("Zm9yLXRlc3RzLW9ubHk") }, "neither sk_test_ nor sk_live_"},
		{"prefix alone", func(c *Config) { c.Key = redact.New("sk_test_") }, "cut short"},
		{"key with a line break", func(c *Config) { c.Key = redact.New(c.Key.Reveal() + "\n") }, "line break"},
		{"timeout", func(c *Config) { c.Timeout = -1 }, "negative"},
		{"language", func(c *Config) { c.Language = "zh\r\nX: y" }, "Accept-Language"},
		{"short signing key", func(c *Config) { c.SigningKey = mustKey(1024) }, "1024 bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			cl, err := New(cfg)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if cl.App() != testApp || cl.Live() != (cfg.Key.Reveal() == liveKey) {
					t.Errorf("app %s, live %v", cl.App(), cl.Live())
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want …%s…", err, c.want)
			}
			withoutLeaks(t, err)
			if strings.Contains(err.Error(), "Zm9y") {
				t.Errorf("the error shows a part of the key: %v", err)
			}
		})
	}
}

// What Ping++ gets: every header, and a signature over exactly the bytes that arrived.
func TestWire(t *testing.T) {
	v, err := NewVerifier(&newKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var got *http.Request
	var body []byte
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		_, _ = w.Write(charge(nil))
	}, func(c *Config) {
		c.SigningKey, c.Language = newKey(), "en"
		c.Now = func() time.Time { return time.Unix(1795420800, 5) }
	})
	check := func(target string) {
		t.Helper()
		if got.RequestURI != target {
			t.Errorf("target %s, want %s", got.RequestURI, target)
		}
		for name, want := range map[string]string{
			"Authorization": "Bearer " + testKey, RequestTimestampHeader: "1795420800", "Accept-Language": "en",
			"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": userAgent(),
			"Pingplusplus-Version": "", "X-Pingpp-Client-User-Agent": "",
		} {
			if v := got.Header.Get(name); v != want {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
		signed := string(body) + got.RequestURI + got.Header.Get(RequestTimestampHeader)
		if err := v.Verify([]byte(signed), got.Header.Values(RequestSignatureHeader)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := cl.CreateCharge(t.Context(), params()); err != nil {
		t.Fatal(err)
	}
	check("/v1/charges")
	if want := read(t, "testdata", "create.json"); string(body) != string(want) {
		t.Errorf("body\n%s\nwant\n%s", body, want)
	}
	if ct := got.Header.Get("Content-Type"); ct != "application/json; charset=UTF-8" {
		t.Errorf("Content-Type %q", ct)
	}
	if _, err := cl.GetCharge(t.Context(), "ch_1"); err != nil {
		t.Fatal(err)
	}
	check("/v1/charges/ch_1")
	if len(body) != 0 || got.Header.Get("Content-Type") != "" {
		t.Errorf("a query has the body %q", body)
	}
	_, err = cl.ListCharges(t.Context(), ListParams{Limit: 3})
	wantKind(t, err, Malformed, true)
	check("/v1/charges?app%5Bid%5D=" + testApp + "&limit=3")
	_, err = cl.ReverseCharge(t.Context(), "ch_1")
	wantKind(t, err, Malformed, true)
	if check("/v1/charges/ch_1/reverse"); got.Method != "POST" || string(body) != "{}" {
		t.Errorf("%s %q", got.Method, body)
	}
	for target, ask := range map[string]func() error{
		"/v1/events/evt_1":            func() error { _, err := cl.GetEvent(t.Context(), "evt_1"); return err },
		"/v1/charges/ch_1/refunds/re": func() error { _, err := cl.GetRefund(t.Context(), "ch_1", "re"); return err },
		"/v1/charges/ch_1/refunds":    func() error { _, err := cl.ListRefunds(t.Context(), "ch_1", ListRefundsParams{}); return err },
		"/v1/charges/ch_1/refunds?limit=3&starting_after=re_1": func() error {
			_, err := cl.ListRefunds(t.Context(), "ch_1", ListRefundsParams{Limit: 3, StartingAfter: "re_1"})
			return err
		},
	} {
		wantKind(t, ask(), Malformed, true)
		if check(target); got.Method != "GET" || len(body) != 0 {
			t.Errorf("%s %q", got.Method, body)
		}
	}
}

// Every try has the time of its own, since Ping++ compares it with its clock.
func TestEachTryIsSignedAfresh(t *testing.T) {
	v, err := NewVerifier(&newKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Unix(1795420800, 0)
	var stamps []string
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stamp := r.Header.Get(RequestTimestampHeader)
		stamps = append(stamps, stamp)
		if err := v.Verify([]byte(string(body)+r.RequestURI+stamp), r.Header.Values(RequestSignatureHeader)); err != nil {
			t.Error(err)
		}
		w.WriteHeader(429)
	}, func(c *Config) {
		c.SigningKey = newKey()
		c.Now = func() time.Time { clock = clock.Add(time.Second); return clock }
	})
	_, err = cl.CreateCharge(t.Context(), params())
	wantKind(t, err, RateLimit, false)
	if len(stamps) != 3 || stamps[0] == stamps[1] || stamps[1] == stamps[2] {
		t.Errorf("timestamps %v, want three different ones", stamps)
	}
}

func TestUnsigned(t *testing.T) {
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(RequestSignatureHeader) != "" || r.Header.Get(RequestTimestampHeader) == "" {
			t.Errorf("without a key there is a timestamp and no signature: %v", r.Header)
		}
		_, _ = w.Write(charge(nil))
	})
	if _, err := cl.CreateCharge(t.Context(), params()); err != nil {
		t.Error(err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var elsewhere bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { elsewhere = true }))
	defer other.Close()
	cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, err := cl.GetCharge(t.Context(), "ch_1")
	wantKind(t, err, Malformed, true)
	if elsewhere {
		t.Error("the key went elsewhere")
	}
}

// One client, many calls at once, over HTTP/1.1 and HTTP/2 with TLS.
func TestConcurrentTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if (r.ProtoMajor == 2) != h2 {
				t.Errorf("protocol %s", r.Proto)
			}
			if r.URL.Path == "/v1/charges" {
				_, _ = w.Write(charge(nil))
				return
			}
			id := strings.TrimPrefix(r.URL.Path, "/v1/charges/")
			if id == "ch_lost" {
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(charge(map[string]any{"id": id}))
		}))
		srv.EnableHTTP2 = h2
		srv.StartTLS()
		cl := client(t, srv.URL, func(c *Config) { c.Transport, c.SigningKey = srv.Client().Transport, newKey() })
		if h2 { // net/http's server waits two seconds for a connection's first frames, which so many handshakes at once can use up: one does for all
			if _, err := cl.GetCharge(t.Context(), "ch_first"); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error)
		const calls = 40
		for i := range calls {
			go func() {
				_, err := cl.CreateCharge(context.Background(), params())
				if err == nil {
					_, err = cl.GetCharge(context.Background(), "ch_"+strings.Repeat("x", i+1))
				}
				done <- err
			}()
		}
		for range calls {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		_, err := cl.GetCharge(t.Context(), "ch_lost") // over a connection that is in use already
		wantKind(t, err, Lost, true)
		srv.Close()
	}
}

// Calls share a connection; once the client is closed they leave none behind.
func TestConnections(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(charge(nil)) }))
	var made, ended atomic.Int32
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			made.Add(1)
		case http.StateClosed:
			ended.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	cl := client(t, srv.URL)
	call := func(want int32) {
		t.Helper()
		for range 3 {
			if _, err := cl.CreateCharge(t.Context(), params()); err != nil {
				t.Fatal(err)
			}
		}
		if n := made.Load(); n != want {
			t.Errorf("%d connections, want %d", n, want)
		}
	}
	call(1)
	cl.Close()
	call(4)
	for end := time.Now().Add(time.Minute); ended.Load() != 4; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of 4 connections were closed", ended.Load())
		}
	}
}
