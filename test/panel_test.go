package test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBehindNginx puts nginx in front, as docs/install.md has it for panels: it alone has the certificate, and Caddy believes what it says.
func TestBehindNginx(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	page, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	location := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindStringSubmatch(string(page))
	site := regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindStringSubmatch(string(page))
	if location == nil || site == nil {
		t.Fatal("docs/install.md shows no lines for nginx, or no Caddyfile")
	}
	servers := regexp.MustCompile(`(?ms)^\tservers {.*?^\t}\n`).FindString(site[1])
	_, shop, _ := strings.Cut(site[1], "\n\n")
	// Accounts and limits are the stage's; whom Caddy believes, and all else that the page says, is as it stands there.
	shop = regexp.MustCompile(`(?ms)^\t\tpingpp {.*?^\t\torders [^\n]*\n`).ReplaceAllString(shop, accounts)
	shop = strings.NewReplacer("http://shop.example.com:8000", "http://localhost:<plain>", "127.0.0.1:8001", "<backend>").Replace(shop)
	if servers == "" || !strings.Contains(shop, "<outside>") || !strings.Contains(shop, "localhost:<plain>") {
		t.Fatalf("docs/install.md's Caddyfile has another form now:\n%s", site[1])
	}
	newNginx(t, s, strings.ReplaceAll(location[1], "127.0.0.1:8000", fmt.Sprint("127.0.0.1:", s.plain)))
	globals := strings.NewReplacer("\tpay {", servers+"\tpay {", "\tlocal_certs\n", "", "<dir>/storage", "<dir>/own").Replace(globalOptions)
	s.write("Caddyfile", []byte(s.fill(globals+shop)))
	s.restart()
	eventually(t, shortly, func() error { // nginx answers before Caddy does
		if err := s.caddy.running(); err != nil {
			return &fatalError{err}
		}
		if a := s.call("GET", "/pay/webhooks", nil); a.StatusCode != http.StatusMethodNotAllowed {
			return errorf("%s", a)
		}
		return nil
	})

	openid, session := s.login()
	a := s.call("POST", "/pay/charges", map[string]string{"order_no": "panel1", "channel": "wx_lite"}, "X-Pay-Session", session, "X-Forwarded-For", "203.0.113.9")
	var charge struct {
		ID       string
		ClientIP string `json:"client_ip"`
	}
	a.into(t, &charge)
	if a.StatusCode != http.StatusCreated || charge.ClientIP != "127.0.0.1" {
		t.Fatalf("a charge for a client that claims another address: %s; want 201 and the address that nginx saw", a)
	}
	waiting := make(chan *answer, 1)
	go func() {
		a, err := s.try(s.client, "GET", s.url("/pay/charges/"+charge.ID+"?wait=60s"), nil, "X-Pay-Session", session)
		if err != nil {
			t.Error(err)
		}
		waiting <- a
	}()
	if err := s.box.Pay(charge.ID); err != nil {
		t.Fatal(err)
	}
	if got := <-waiting; got == nil || !strings.Contains(string(got.Body), `"paid":true`) {
		t.Errorf("who waits for the payment is told %v", got)
	}
	eventually(t, shortly, func() error {
		if n := len(s.backend.events("")); n != 1 {
			return errorf("%d events at the backend", n)
		}
		return nil
	})
	if host := s.backend.events("")[0].Host; host != "localhost" {
		t.Errorf("the event came to the backend for the host %q, want the one that the payer sees", host)
	}
	seen := string(s.call("GET", "/", nil, "X-WX-OPENID", "o_stranger", "X-Pay-Session", session).Body)
	if strings.Contains(seen, "o_stranger") || !strings.Contains(seen, openid) {
		t.Errorf("the shop sees %s, want the session's openid and no claimed one", seen)
	}
	if a := s.call("GET", "/internal/pay/orders/panel1", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("the shop's price from outside: %s, want 404", a)
	}
}

// newNginx runs nginx as the site that the world sees, with these lines for it.
func newNginx(t *testing.T, s *stage, location string) {
	t.Helper()
	key := newKey()
	made := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, made, made, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root := s.file("storage/pki/authorities/local/root.crt") // which the stage's clients trust
	if err := os.MkdirAll(filepath.Dir(root), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write("nginx.key", privatePEM(t, key))
	s.write("nginx.conf", fmt.Appendf(nil, `
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/nginx-body;
	proxy_temp_path %[1]s/nginx-proxy;
	fastcgi_temp_path %[1]s/nginx-fastcgi;
	uwsgi_temp_path %[1]s/nginx-uwsgi;
	scgi_temp_path %[1]s/nginx-scgi;
	server {
		listen 127.0.0.1:%[2]d ssl;
		server_name localhost;
		ssl_certificate %[3]s;
		ssl_certificate_key %[1]s/nginx.key;
		%[4]s
	}
}
`, s.dir, s.port, root, location))
	path := "/usr/sbin/nginx"
	if _, err := os.Stat(path); err != nil {
		path = "nginx"
	}
	cmd := exec.Command(path, "-p", s.dir, "-e", s.file("nginx.log"), "-c", s.file("nginx.conf"))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; make deps installs nginx on Debian", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGQUIT); _ = cmd.Wait() })
	listens(t, "tcp", fmt.Sprint("127.0.0.1:", s.port))
}
