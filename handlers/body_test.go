package handlers

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What package body gives a body: time, and memory before anything of it has come and in all.
const (
	bodyTime  = 10 * time.Second
	firstRead = 512
	maxUnread = 64 << 20
)

// raw opens a connection and sends the head of a request whose body is still to come.
func (w *world) raw(method, path string, length int, header ...string) net.Conn {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.server.Listener.Addr().String(), w.client.Transport.(*http.Transport).TLSClientConfig.Clone())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", method, path, length)
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", header[i], header[i+1])
	}
	fmt.Fprint(conn, "\r\n")
	return conn
}

func answerOn(t *testing.T, conn net.Conn) answer {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

// A signature that fits no body is refused by the request's head.
func TestRefusedBeforeTheBodyIsRead(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, code string
		header     []string
	}{
		{"no signature", "signature_missing", nil},
		{"no base64", "signature_invalid", []string{"X-Pingplusplus-Signature", "%"}},
		{"the length of no key", "signature_invalid", []string{"X-Pingplusplus-Signature", "eA=="}},
		{"two that differ", "signature_invalid", []string{"X-Pingplusplus-Signature", "eA==", "X-Pingplusplus-Signature", "eQ=="}},
	} {
		conn := w.raw("POST", "/pay/webhooks", 1000, c.header...)
		read := time.Now()
		wantProblem(t, answerOn(t, conn), 401, c.code)
		if took := time.Since(read); took >= bodyTime {
			t.Errorf("%s: answered after %s, when the body was given up", c.name, took)
		}
		conn.Close()
	}
}

// A body that stalls or trickles ends after ten seconds, whatever the route does with it.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began := time.Now()
	wantProblem(t, answerOn(t, w.raw("POST", "/pay/nothing", 100)), 404, "not_found")
	if took := time.Since(began); took >= bodyTime {
		t.Errorf("answered after %s, when the body was given up", took)
	}
	sig := []string{"X-Pingplusplus-Signature", strings.Repeat("A", 342) + "=="}
	start := time.Now()
	stalls := w.raw("POST", "/pay/charges", 100)
	fmt.Fprint(stalls, `{"order_no"`)
	trickles := w.raw("POST", "/pay/webhooks", 100_000, sig...)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				if _, err := trickles.Write([]byte(" ")); err != nil {
					return
				}
			}
		}
	}()

	overH2 := httptest.NewUnstartedServer(w.handler(w.site))
	overH2.EnableHTTP2 = true
	overH2.StartTLS()
	defer overH2.Close()
	body, more := io.Pipe()
	defer more.Close()
	r, err := http.NewRequestWithContext(context.Background(), "POST", overH2.URL+"/pay/charges", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := overH2.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 400 {
		t.Errorf("over HTTP/2: %s %d", resp.Proto, resp.StatusCode)
	}

	wantProblem(t, answerOn(t, stalls), 400, "json_invalid")
	wantProblem(t, answerOn(t, trickles), 400, "json_invalid")
	if took := time.Since(start); took < bodyTime || took > 3*bodyTime {
		t.Errorf("given up after %s", took)
	}
}

// A request whose body has come is not ended by the body's time: it may wait longer for its payment.
func TestBodyTimeEndsWithTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session := w.session(payer)
	asked := w.answerQuote(nil)
	w.setInside(func(rw http.ResponseWriter, r *http.Request) {
		select { // longer than a body may take
		case <-r.Context().Done():
		case <-time.After(bodyTime + 500*time.Millisecond):
		}
		asked(rw, r)
	})
	w.config.Orders.Timeout = time.Minute
	w.created(session, "1001")
}

// The memory of what is being read is bounded, and comes back however the reading ends.
func TestMemoryOfBodies(t *testing.T) {
	w := newWorld(t)
	session := w.session(payer)
	fill := int64(maxUnread - firstRead + 1)
	webhook := func() answer {
		return w.do("POST", "/pay/webhooks", "{}", "X-Pingplusplus-Signature", strings.Repeat("A", 342)+"==")
	}
	w.config.Budgets.Webhooks.Add(fill)
	wantLimited(t, webhook(), 1)
	w.created(session, "1001") // a flood of webhooks keeps nobody from paying
	w.config.Budgets.Webhooks.Add(-fill)
	w.config.Budgets.Bodies.Add(fill)
	wantLimited(t, w.pay(session, "1001"), 1)
	wantProblem(t, webhook(), 401, "signature_invalid")
	w.config.Budgets.Bodies.Add(-fill)
	wantProblem(t, w.do("POST", "/pay/charges", strings.Repeat("[", maxChargeBody), "X-Pay-Session", session), 400, "json_invalid")

	conn := w.raw("POST", "/pay/charges", 1000)
	fmt.Fprint(conn, "{")
	until(t, "the body is being read", func() bool { return w.config.Budgets.Bodies.Load() == firstRead })
	conn.Close()
	until(t, "its memory is free again", func() bool { return w.config.Budgets.Bodies.Load() == 0 })
}
