package adminapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Only what Caddy has verified counts: a certificate on its remote admin endpoint, else the address of the connection.
func TestAdminCaller(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	self := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mark", Organization: []string{"Shop"}}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, self, self, &key.PublicKey, key))
	pool := x509.NewCertPool()
	pool.AddCert(must(x509.ParseCertificate(der)))
	for name, tc := range map[string]struct {
		auth tls.ClientAuthType
		want string
	}{
		"verified":     {tls.RequireAndVerifyClientCert, "certificate CN=mark,O=Shop"},
		"not verified": {tls.RequireAnyClientCert, "address 127.0.0.1"}, // anybody can make one
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, callerOf(r)) }))
			srv.TLS = &tls.Config{ClientAuth: tc.auth, ClientCAs: pool}
			srv.StartTLS()
			defer srv.Close()
			c := srv.Client()
			c.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
			req := must(http.NewRequest(http.MethodGet, srv.URL, nil))
			req.Header.Set("X-Forwarded-For", "192.0.2.1")
			resp := must(c.Do(req))
			defer resp.Body.Close()
			if got := string(must(io.ReadAll(resp.Body))); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
