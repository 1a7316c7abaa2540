package caddymodule

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/relay"
)

// get asks the backend for a path.
func get(t *testing.T, ctx context.Context, u *upstream, path string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example.com"
	resp, err := u.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

// What php-fpm does not answer whole is no answer: a worker that is killed, or that is still at it when the time is over.
func TestFPMFailures(t *testing.T) {
	socket, dir := startFPM(t), t.TempDir()
	write(t, dir, "ok.php", "<?php echo 'success';")
	write(t, dir, "empty.php", "<?php")
	write(t, dir, "refuses.php", "<?php http_response_code(409);")
	write(t, dir, "killed.php", "<?php exec('kill -9 ' . getmypid()); sleep(600);")
	write(t, dir, "breaks.php", "<?php file_get_contents('php://input'); while (ob_get_level()) ob_end_flush(); echo 'succ'; flush(); usleep(200000); exec('kill -9 ' . getmypid()); sleep(600);")
	write(t, dir, "slow.php", "<?php sleep(600); echo 'success';")
	write(t, dir, "slow_body.php", "<?php echo str_repeat('success', 1000); flush(); sleep(600);")
	u := upstreamOf(t, fpmUpstream(socket, dir))
	for path, want := range map[string]int{"/ok.php": 200, "/empty.php": 200, "/refuses.php": 409, "/none.php": 404} {
		if status, body, err := get(t, t.Context(), u, path); err != nil || status != want || path == "/ok.php" && body != "success" {
			t.Errorf("%s: %d %q %v", path, status, body, err)
		}
	}
	if status, body, err := get(t, t.Context(), u, "/killed.php"); err == nil {
		t.Errorf("a killed worker: %d %q %v", status, body, err)
	}
	breaks := upstreamOf(t, strings.Replace(fpmUpstream(socket, dir), "{\n", "{\n\t\t\trewrite /breaks.php\n", 1))
	if resp, body, err := ask(t.Context(), breaks, `{"a":1}`); err == nil {
		t.Errorf("a worker that is killed within its answer: %d %q", resp.StatusCode, body)
	}
	for _, path := range []string{"/slow.php", "/slow_body.php"} {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		status, body, err := get(t, ctx, u, path)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Minute {
			t.Errorf("%s, after %s: %d %.20q %v", path, time.Since(begin), status, body, err)
		}
	}
	// Asked in HTTP it resets the connection, also in the middle of a long request.
	if _, body, err := ask(t.Context(), upstreamOf(t, "unix/"+socket), strings.Repeat("x", 200<<10)); !errors.Is(err, relay.ErrReset) {
		t.Errorf("in HTTP, at length: %q %v", body, err)
	}
	if status, body, err := get(t, t.Context(), upstreamOf(t, "unix/"+socket), "/ok.php"); !errors.Is(err, relay.ErrReset) {
		t.Errorf("in HTTP: %d %q %v", status, body, err)
	}
}

// A FastCGI server that never answers keeps no connection beyond the request's time.
func TestFastCGIConnectionIsCut(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cut := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			defer conn.Close()
			err = conn.SetReadDeadline(time.Now().Add(time.Minute))
		}
		if err == nil {
			_, err = io.Copy(io.Discard, conn) // until the other side closes it
		}
		cut <- err
	}()
	u := upstreamOf(t, ln.Addr().String()+" {\n\t\t\ttransport fastcgi {\n\t\t\t\troot /srv/shop\n\t\t\t}\n\t\t}")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if status, _, err := get(t, ctx, u, "/slow.php"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(status, err)
	}
	if err := <-cut; err != nil {
		t.Error(err)
	}
}

// PHP that sleeps for minutes holds neither a payer nor what is delivered to others for longer than our own time.
func TestSlowPHPHoldsNobody(t *testing.T) {
	socket, dir := startFPM(t), t.TempDir()
	write(t, dir, "quote.php", "<?php sleep(600);")
	write(t, dir, "login.php", "<?php sleep(600);")
	write(t, dir, "event.php", "<?php if ($_SERVER['HTTP_X_PAY_ORDER_NO'] === 'ordergood') { touch(__DIR__ . '/good'); exit('success'); } touch(__DIR__ . '/slow'); sleep(600);")
	site := siteOfBackend(t, fpmUpstream(socket, dir), "orders GET /quote.php?no={order_no}",
		"events POST /event.php {\n\t\t\ttimeout 300ms\n\t\t\tretry"+strings.Repeat(" 200ms", 200)+"\n\t\t}", "login POST /login.php")

	begin, results := time.Now(), make(chan string, 2)
	go func() {
		status, answer := site.pay(t, "20260101001")
		if status != http.StatusBadGateway || !strings.Contains(answer, "backend_unavailable") {
			t.Errorf("a payer: %d %s", status, answer)
		}
		results <- "payer"
	}()
	go func() {
		req, err := http.NewRequest(http.MethodPost, "http://"+site.addr+"/pay/openid?code="+site.box.NewCode("o-payer"), nil)
		if err != nil {
			t.Error(err)
		} else if status, answer := answered(t, req); status != http.StatusBadGateway || !strings.Contains(answer, "backend_unavailable") {
			t.Errorf("a login: %d %s", status, answer)
		}
		results <- "login"
	}()

	for _, id := range []string{"slow1", "slow2", "slow3", "good"} {
		if status := sendWebhook(t, "http://"+site.addr+"/pay/webhooks", webhookEvent(id)); status != http.StatusOK {
			t.Fatalf("a webhook: %d", status)
		}
	}
	eventually(t, "the other order's event is delivered", func() bool { return exists(dir+"/good") && exists(dir+"/slow") })
	eventually(t, "the slow one's attempt ends", func() bool {
		_, order := site.merchant(t, http.MethodGet, "/pay/orders/orderslow1", "")
		return strings.Contains(order, "did not answer within 300ms")
	})
	for range 2 {
		who := <-results
		if took := time.Since(begin); took > 90*time.Second {
			t.Errorf("the %s waited %s", who, took)
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
