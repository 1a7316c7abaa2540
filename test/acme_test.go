package test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Automatic HTTPS by ACME: one Caddy is the authority, another gets its site's certificate from it, and takes a webhook
// over it. The authority checks shop.example.com on port 80; a forward proxy, which it is told of by HTTP_PROXY, takes it
// to the site's port instead, so that the test needs neither that port nor a name server.
func TestACME(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	const host = "shop.example.com"

	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		mu.Lock()
		asked = append(asked, r.In.URL.String())
		mu.Unlock()
		r.Out.URL.Host = fmt.Sprintf("127.0.0.1:%d", s.plain)
		r.Out.Host = r.In.Host
	}})
	defer proxy.Close()

	ports := freePorts(t, 2)
	s.write("Authority", []byte(strings.NewReplacer("<plain>", fmt.Sprint(ports[0]), "<port>", fmt.Sprint(ports[1]), "<dir>", s.dir).Replace(`{
	admin off
	http_port <plain>
	https_port <port>
	skip_install_trust
	persist_config off
	auto_https disable_redirects
	storage file_system <dir>/authority
}
https://localhost:<port> {
	tls internal
	acme_server {
		challenges http-01
	}
}
`)))
	authority, err := spawn(s.dir, []string{"HTTP_PROXY=" + proxy.URL}, "run", "--config", s.file("Authority"), "--adapter", "caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		authority.stop(t)
		if t.Failed() {
			t.Logf("the authority's log ends with:\n%s", authority.log.tail())
		}
	}()
	root := s.file("authority/pki/authorities/local/root.crt")
	ca := &http.Client{Transport: &trusting{root: root, tr: &http.Transport{}}}
	directory := fmt.Sprintf("https://localhost:%d/acme/local/directory", ports[1])
	eventually(t, shortly, func() error {
		if err := authority.running(); err != nil {
			return &fatalError{err}
		}
		a, err := s.try(ca, "GET", directory, nil)
		if err == nil && a.StatusCode != http.StatusOK {
			err = errorf("%s: %s", directory, a)
		}
		return err
	})
	ca.CloseIdleConnections()

	s.write("Caddyfile", []byte(s.fill(strings.NewReplacer("<directory>", directory, "<root>", root).Replace(`{
	admin off
	http_port <plain>
	https_port <port>
	acme_ca <directory>
	acme_ca_root <root>
	persist_config off
	storage file_system <dir>/storage
	pay {
		ledger sqlite <dir>/ledger.db
	}
}
`+host+` {
	<pay>
	reverse_proxy <backend>
}
`))))
	if s.caddy, err = spawn(s.dir, s.env(), "run", "--config", s.file("Caddyfile")); err != nil {
		t.Fatal(err)
	}
	defer s.finish(s.caddy)

	tr := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", s.port))
	}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: &trusting{root: root, tr: tr}}
	hook := s.succeeded("ACME1")
	var got *answer
	eventually(t, 2*shortly, func() (err error) {
		if err := s.caddy.running(); err != nil {
			return &fatalError{err}
		}
		got, err = s.try(client, "POST", "https://"+host+"/pay/webhooks", hook.Body, "X-Pingplusplus-Signature", hook.Signature)
		return err
	})
	if got.StatusCode != http.StatusOK {
		t.Fatalf("the webhook: %s", got)
	}
	cert := got.TLS.PeerCertificates[0]
	if err := cert.VerifyHostname(host); err != nil {
		t.Error(err)
	}
	heard := s.backend.await(t, hook.ID, 1)[0]
	if heard.Host != host || heard.Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("the backend saw %s, X-Forwarded-Proto %s", heard.Host, heard.Header.Get("X-Forwarded-Proto"))
	}

	// The certificate came by ACME, after a challenge.
	mu.Lock()
	defer mu.Unlock()
	if len(asked) == 0 || !strings.HasPrefix(asked[0], "http://"+host+"/.well-known/acme-challenge/") {
		t.Errorf("the authority asked for %q", asked)
	}
	files, _ := filepath.Glob(s.file("storage/certificates/*acme-local-directory/" + host + "/*.crt"))
	if len(files) != 1 {
		t.Errorf("certificates in Caddy's storage: %q", files)
	}
	if _, err := os.Stat(s.file("storage/pki")); !os.IsNotExist(err) {
		t.Errorf("the site's process has an authority of its own: %v", err)
	}

	// Over plain HTTP Caddy redirects; that is no receipt.
	plain, err := s.try(&http.Client{CheckRedirect: s.client.CheckRedirect}, "POST", fmt.Sprintf("http://127.0.0.1:%d/pay/webhooks", s.plain), hook.Body, "X-Pingplusplus-Signature", hook.Signature)
	if err != nil || plain.StatusCode < 300 {
		t.Errorf("a webhook over plain HTTP: %v %s", err, plain)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
