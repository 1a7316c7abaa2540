package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/ledger"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// outcome makes one attempt through rt and returns its record and what was logged.
func outcome(t *testing.T, rt http.RoundTripper, adapt func(*Config)) (ledger.Delivery, string) {
	t.Helper()
	l := newLedger(t)
	var logged bytes.Buffer
	cfg := config(t, l, rt)
	cfg.Retry = []time.Duration{time.Hour}
	cfg.Logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&logged), zap.DebugLevel))
	if adapt != nil {
		adapt(&cfg)
	}
	record(t, l, newEvent("evt_1", time.Now()))
	stop := start(t, cfg)
	e, d := waitAttempts(t, l, "evt_1", 1)
	stop()
	if d.State != e.State {
		t.Errorf("delivery says %s, event %s", d.State, e.State)
	}
	return d, logged.String()
}

func TestAnswers(t *testing.T) {
	plain := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html") // PHP's default; it decides nothing
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	hijack := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			io.WriteString(conn, answer)
			conn.Close()
		}
	}
	wait := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := []struct {
		name    string
		backend http.HandlerFunc
		expect  string
		error   string // part of the diagnosis; empty: delivered
		status  int
	}{
		{"empty 204", plain(204, ""), "", "", 204},
		{"any text", plain(200, "whatever"), "", "", 200},
		{"expected", plain(200, "\ufeff SUCCESS\r\n"), "success", "", 200},
		{"not expected", plain(200, "successful"), "success", "answered 200 but not \"success\"", 200},
		{"expected, empty", plain(200, ""), "success", "answered 200 but not \"success\"", 200},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login?token=hush", http.StatusFound)
		}, "",
			"your backend answered 302 to /login (a redirect is not a receipt)", 302},
		{"page", plain(200, " <!DOCTYPE html><html><head><title>Please\n log in</title>"), "", `with an HTML page, such as a login or error page; its title is "Please log in"`, 200},
		{"page although expected", plain(200, "<html>success"), "<html>success", "HTML page", 200},
		{"error", plain(500, "oops"), "", "answered 500", 500},
		{"CSRF", plain(419, ""), "", "CSRF", 419},
		{"silence", wait, "", "did not answer within 300ms", 0},
		{"stuck in its answer", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "succ")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "", "answered 200 but did not finish within 300ms", 200},
		{"cut short", hijack("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsuccess"), "", "answered 200 but closed the connection in the middle of its answer", 200},
		{"cut short, chunked", hijack("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsuccess\r\n"), "", "in the middle", 200},
		{"cut short beyond what is judged", hijack("HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\nsuccess" + strings.Repeat(" ", 10000)), "", "in the middle", 200},
		{"hangs up", hijack(""), "", "closed the connection without an answer", 0},
		{"not HTTP", hijack("SSH-2.0-OpenSSH\r\n\r\n"), "", "could not be reached", 0},
		{"without end", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(bytes.Repeat([]byte("y"), 8192)); err != nil {
					return
				}
			}
		}, "", "", 200},
		{"compressed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write([]byte{0x1f, 0x8b, 8})
		}, "", "compressed", 200},
		{"compressed, and the word", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(packed(t, "gzip", "success"))
		}, "success", "", 200},
		{"a fatal error after the word", func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("success\nFatal error: Uncaught Error in /www/pay.php:3"))
		}, "", "PHP error", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, logged := outcome(t, newBackend(t, tt.backend), func(c *Config) {
				c.Expect = Expect{Body: tt.expect}
				if strings.Contains(tt.error, "300ms") {
					c.Timeout = 300 * time.Millisecond
				}
			})
			want := ledger.Pending
			if tt.error == "" {
				want = ledger.Delivered
			}
			if d.State != want || d.Status != tt.status || !strings.Contains(d.Error, tt.error) || (tt.error == "") != (d.Error == "") {
				t.Errorf("%s, status %d, error %q", d.State, d.Status, d.Error)
			}
			if len(d.Snippet) > 512 {
				t.Errorf("snippet of %d bytes", len(d.Snippet))
			}
			for _, bad := range []string{"hush", "Please log in", "oops"} {
				if strings.Contains(logged, bad) || bad == "hush" && strings.Contains(d.Error, bad) {
					t.Errorf("%q is told", bad)
				}
			}
		})
	}
}

func TestTransportOddities(t *testing.T) {
	respond := func(status int) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("success"))}
	}
	tests := []struct {
		name  string
		rt    transport
		error string
	}{
		{"abort panic", func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }, "in the middle of its answer"},
		{"other panic", func(*http.Request) (*http.Response, error) { panic("secret of the handler") }, "its log has the details"},
		{"panic in the body", func(*http.Request) (*http.Response, error) {
			r := respond(200)
			r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { panic(http.ErrAbortHandler) }))
			return r, nil
		}, "in the middle of its answer"},
		{"nothing at all", func(*http.Request) (*http.Response, error) { return nil, nil }, "broken off"},
		{"status 0", func(*http.Request) (*http.Response, error) { return respond(0), nil }, "broken off"},
		{"status 499", func(*http.Request) (*http.Response, error) { return respond(499), nil }, "broken off"},
		{"canceled", func(*http.Request) (*http.Response, error) { return nil, context.Canceled }, "broken off"},
		{"late, with a 200", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return respond(200), nil
		}, "did not finish within 50ms"},
		{"refused", func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}, "connection refused"},
		{"unknown host", func(*http.Request) (*http.Response, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "legacy"}
		}, `"legacy" cannot be resolved`},
		{"certificate", func(*http.Request) (*http.Response, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
		}, "not trusted: unknown authority"},
		{"something else", func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("odd\r\nthing") }, "could not be reached: odd thing"},
		{"200 without a body", func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200}, nil
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := outcome(t, tt.rt, func(c *Config) {
				if strings.Contains(tt.error, "50ms") {
					c.Timeout = 50 * time.Millisecond
				}
			})
			if (d.State == ledger.Delivered) != (tt.error == "") || !strings.Contains(d.Error, tt.error) {
				t.Errorf("%s, error %q, want %q", d.State, d.Error, tt.error)
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestConnectionRefused(t *testing.T) {
	d, _ := outcome(t, refusing(), nil)
	if d.State != ledger.Pending || d.Status != 0 || !strings.Contains(d.Error, "connection refused") {
		t.Errorf("%s, %q", d.State, d.Error)
	}
}

func TestLastAttemptIsDead(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	d, logged := outcome(t, b, func(c *Config) { c.Retry = []time.Duration{} })
	if d.State != ledger.Dead || !strings.Contains(logged, `"level":"error"`) || !strings.Contains(logged, "answered 404") {
		t.Errorf("%s: %s", d.State, logged)
	}
}

// What says that the backend is away, and what is the event's own matter.
func TestReach(t *testing.T) {
	answer := func(status int, body string) transport {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
		}
	}
	fails := func(err error) transport {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	tests := []struct {
		name string
		rt   http.RoundTripper
		want reach
	}{
		{"receipt", answer(200, "ok"), succeeded},
		{"page", answer(200, "<html>"), answered},
		{"redirect", answer(302, ""), answered},
		{"not found", answer(404, ""), answered},
		{"too many", answer(429, ""), answered},
		{"error", answer(500, ""), answered},
		{"cut short", transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(readerFunc(func([]byte) (int, error) { panic(http.ErrAbortHandler) }))}, nil
		}), answered},
		{"panic of the server's", transport(func(*http.Request) (*http.Response, error) { panic("bug") }), answered},
		{"bad gateway", answer(502, ""), unreachable},
		{"maintenance", answer(503, "back soon"), unreachable},
		{"gateway timeout", answer(504, ""), unreachable},
		{"status 0", answer(0, ""), unreachable},
		{"status 499", answer(499, ""), unreachable},
		{"silence", transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), unreachable},
		{"aborted", transport(func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }), unreachable},
		{"hangs up", newBackend(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), unreachable},
		{"reset while sending", fails(&net.OpError{Op: "write", Err: syscall.ECONNRESET}), unreachable},
		{"reset by what may be php-fpm", fails(fmt.Errorf("%w: %w", ErrReset, syscall.ECONNRESET)), unreachable},
		{"refused", refusing(), unsent},
		{"refused, and hidden", fails(fmt.Errorf("%w: %v", ErrUnsent, syscall.ECONNREFUSED)), unsent},
		{"unknown host", fails(&net.DNSError{Err: "no such host", Name: "legacy"}), unsent},
		{"certificate", fails(&tls.CertificateVerificationError{Err: errors.New("unknown authority")}), unsent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t, newLedger(t), tt.rt)
			if tt.name == "silence" {
				cfg.Timeout = 200 * time.Millisecond
			}
			r, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			a := r.courier.attempt(context.Background(), newEvent("evt_1", time.Now()), 1, time.Now())
			if a.reach != tt.want || a.ok() != (tt.want == succeeded) {
				t.Errorf("came %d, want %d: %s", a.reach, tt.want, a.why)
			}
			if tt.name == "reset by what may be php-fpm" && !strings.Contains(a.why, "(connection reset); if php-fpm listens there, write transport fastcgi in the upstream block") {
				t.Errorf("diagnosis %q", a.why)
			}
			if strings.HasPrefix(tt.name, "refused") && !strings.Contains(a.why, "does not listen") {
				t.Errorf("diagnosis %q", a.why)
			}
		})
	}
}
