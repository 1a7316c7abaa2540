package caddymodule

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// upstreamOf provisions what stands after `upstream` as a site would.
func upstreamOf(t testing.TB, directive string) *upstream {
	t.Helper()
	raw := adapt(t, ":80 {\n\tpay {\n\t\tpingpp {\n\t\t\tapp app_1\n\t\t\tkey {env.PINGPP_KEY}\n\t\t\twebhook_key pingpp.pub.pem\n\t\t}\n\t\tupstream "+directive+"\n\t}\n}\n")
	var cfg struct {
		Apps struct {
			HTTP struct {
				Servers struct {
					Srv0 struct {
						Routes []struct {
							Handle []struct {
								Upstream json.RawMessage `json:"upstream"`
							} `json:"handle"`
						} `json:"routes"`
					} `json:"srv0"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(raw, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(ctx)
	t.Cleanup(cancel)
	mod, err := ctx.LoadModule(&Handler{UpstreamRaw: cfg.Apps.HTTP.Servers.Srv0.Routes[0].Handle[0].Upstream}, "UpstreamRaw")
	if err != nil {
		t.Fatal(err)
	}
	return newUpstream(mod.(caddyhttp.MiddlewareHandler))
}

// backend runs a merchant's backend and returns its address.
func backend(t testing.TB, serve http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(serve)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// ask sends a request as the relay does: a path, and the public host.
func ask(ctx context.Context, u *upstream, body string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/internal/pay/events?x=1", strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Host = "shop.example.com"
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pay-Token", testToken)
	resp, err := u.RoundTrip(req)
	if err != nil {
		if resp != nil {
			return nil, "", fmt.Errorf("a response beside the error %w", err)
		}
		return nil, "", err
	}
	raw, err := io.ReadAll(resp.Body)
	return resp, string(raw), errors.Join(err, resp.Body.Close())
}

func TestUpstreamAnswers(t *testing.T) {
	long := strings.Repeat("x", maxAnswer)
	for _, tc := range []struct {
		name   string
		serve  http.HandlerFunc
		status int
		body   string
		header string // X-Answer
	}{
		{"ok", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Answer", "a")
			fmt.Fprint(w, "success")
		}, 200, "success", "a"},
		{"no content", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, 204, "", ""},
		{"nothing written", func(w http.ResponseWriter, r *http.Request) {}, 200, "", ""},
		{"error", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "broken", 500) }, 500, "broken\n", ""},
		{"bad gateway of its own", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "gone", http.StatusBadGateway) }, 502, "gone\n", ""},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Answer", "to login")
			http.Redirect(w, r, "/login", http.StatusFound)
		}, 302, "", "to login"},
		{"early hints", func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
			}
			fmt.Fprint(w, "success")
		}, 200, "success", ""},
		{"flushes", func(w http.ResponseWriter, r *http.Request) {
			for _, part := range []string{"suc", "cess"} {
				fmt.Fprint(w, part)
				w.(http.Flusher).Flush()
			}
		}, 200, "success", ""},
		{"compressed", func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				fmt.Fprint(w, "success")
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, "success")
			_ = z.Close()
		}, 200, "success", ""},
		{"as long as is kept", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, long) }, 200, long, ""},
		{"longer than is kept", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, long, "y") }, 200, long, ""},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := fmt.Fprint(w, long); err != nil {
					return
				}
			}
		}, 200, long, ""},
		{"endless error", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(503)
			for {
				if _, err := fmt.Fprint(w, long); err != nil {
					return
				}
			}
		}, 503, long, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := upstreamOf(t, backend(t, tc.serve))
			resp, body, err := ask(t.Context(), u, "{}")
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tc.status || resp.Header.Get("X-Answer") != tc.header {
				t.Errorf("answered %d, %v", resp.StatusCode, resp.Header)
			}
			if body != tc.body && tc.status != 302 {
				t.Errorf("the body has %d bytes, not %d: %.100s", len(body), len(tc.body), body)
			}
		})
	}
}

// What the backend did not answer whole is an error and never a response.
func TestUpstreamFailures(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for _, tc := range []struct {
		name    string
		serve   http.HandlerFunc
		timeout time.Duration
		is      error
		says    string
	}{
		{"too slow", hang, 100 * time.Millisecond, context.DeadlineExceeded, ""},
		{"too slow in the body", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "success")
			w.(http.Flusher).Flush()
			hang(w, r)
		}, 100 * time.Millisecond, context.DeadlineExceeded, ""},
		{"closed before the answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, time.Minute, nil, "EOF"},
		{"closed within a body of known length", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "success")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, time.Minute, errAborted, ""},
		{"closed within a chunked body", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "success")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, time.Minute, errAborted, ""},
		{"upgrades", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
			_ = conn.Close()
		}, time.Minute, nil, ""},
		{"not HTTP", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "hello\r\n")
			_ = conn.Close()
		}, time.Minute, nil, "malformed HTTP"},
		{"client closed", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(499) }, time.Minute, nil, "did not answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tc.timeout)
			defer cancel()
			resp, _, err := ask(ctx, upstreamOf(t, backend(t, tc.serve)), "{}")
			if err == nil {
				t.Fatal("answered", resp.StatusCode)
			}
			if tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) {
				t.Error(err)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		_, _, err := ask(t.Context(), upstreamOf(t, freeAddr(t)), "{}")
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Error(err)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		u := upstreamOf(t, backend(t, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			hang(w, r)
		}))
		if _, _, err := ask(ctx, u, "{}"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		u := upstreamOf(t, backend(t, func(w http.ResponseWriter, r *http.Request) {}))
		if _, _, err := ask(ctx, u, "{}"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("passed on", func(t *testing.T) {
		u := upstreamOf(t, backend(t, func(w http.ResponseWriter, r *http.Request) {})+` {
			handle_response {
				vars seen yes
			}
		}`)
		if resp, _, err := ask(t.Context(), u, "{}"); err == nil {
			t.Error("answered", resp.StatusCode)
		}
	})
}

// seen is what a backend got.
type seen struct {
	*http.Request
	body string
}

// recorder is a backend that keeps the last request.
func recorder() (serve http.HandlerFunc, last func() seen) {
	var mu sync.Mutex
	var got seen
	return func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			mu.Lock()
			defer mu.Unlock()
			got = seen{r, string(raw)}
			fmt.Fprint(w, "success")
		}, func() seen {
			mu.Lock()
			defer mu.Unlock()
			return got
		}
}

func TestUpstreamRequest(t *testing.T) {
	serve, last := recorder()
	u := upstreamOf(t, backend(t, serve))
	body := "{\"a\": 1,\r\n \"b\":\"\u4e2d\"}\x00\xff"
	if _, _, err := ask(t.Context(), u, body); err != nil {
		t.Fatal(err)
	}
	got := last()
	if got.Host != "shop.example.com" || got.Method != http.MethodPost || got.RequestURI != "/internal/pay/events?x=1" {
		t.Error(got.Method, got.Host, got.RequestURI)
	}
	if got.body != body {
		t.Errorf("the body is %q", got.body)
	}
	for name, want := range map[string]string{
		"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example.com",
		"User-Agent": "caddypay", "Content-Type": "application/json", "X-Pay-Token": testToken,
	} {
		if v := strings.Join(got.Header.Values(name), " and "); v != want {
			t.Errorf("%s is %q", name, v)
		}
	}

	// A request made for a client says who that is, and one without a body has none.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/internal/pay/orders/%E8%AE%A2", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.RemoteAddr = "shop.example.com", "203.0.113.7:1234"
	req.Header.Set("User-Agent", "MicroMessenger")
	header := req.Header.Clone()
	if _, err := u.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	got = last()
	if got.Header.Get("X-Forwarded-For") != "203.0.113.7" || got.Header.Get("User-Agent") != "MicroMessenger" || got.body != "" || got.RequestURI != "/internal/pay/orders/%E8%AE%A2" {
		t.Error(got.RequestURI, got.Header)
	}
	if fmt.Sprint(req.Header) != fmt.Sprint(header) || req.TLS != nil {
		t.Error("the request itself was changed:", req.Header)
	}
}

func TestUpstreamConcurrently(t *testing.T) {
	u := upstreamOf(t, backend(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if bytes.HasPrefix(raw, []byte("abort")) {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = w.Write(raw)
	}))
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			sent := fmt.Sprintf("%s %d", []string{"abort", "answer"}[i%2], i)
			_, body, err := ask(t.Context(), u, sent)
			if aborted := i%2 == 0; aborted != (err != nil) || !aborted && body != sent {
				t.Errorf("%s: %q, %v", sent, body, err)
			}
		})
	}
	wg.Wait()
}

// An order number of any form reaches the backend as it is, in the path and in the query.
func TestUpstreamEscapes(t *testing.T) {
	var got atomic.Pointer[url.URL]
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) { got.Store(r.URL) })
	u := upstreamOf(t, addr)
	const no = `a;b?c#d&e=f+g%h{i}'"`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/orders/"+url.QueryEscape(no)+"/price?no="+url.QueryEscape(no)+"&x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example.com"
	resp, err := u.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if r := got.Load(); r.Path != "/orders/"+no+"/price" || len(r.Query()) != 2 || r.Query().Get("no") != no {
		t.Errorf("the backend was asked for %s", r)
	}
}
