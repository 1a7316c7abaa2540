package pingxx

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
)

// signer signs as Ping++ does.
type signer struct{ key *rsa.PrivateKey }

// newSigner tries the key, and writes its public half as the dashboard shows it.
func newSigner(key *rsa.PrivateKey) (sg signer, public []byte, err error) {
	sum := sha256.Sum256(nil)
	if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
		return sg, nil, fmt.Errorf("sandbox: signing_key cannot sign: %w", err)
	}
	if public, err = publicPEM(&key.PublicKey); err != nil {
		return sg, nil, fmt.Errorf("sandbox: signing_key: %w", err)
	}
	return signer{key}, public, nil
}

// headers adds those of the API's answers.
func (sg signer) headers(h http.Header, body []byte) {
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS, DELETE")
	h.Set("Access-Control-Max-Age", "300")
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Pingplusplus-Signature", sg.sign(body))
}

// sign is Ping++'s signature over a body: RSA PKCS#1 v1.5 with SHA-256, in base64.
func (sg signer) sign(body []byte) string {
	sum := sha256.Sum256(body)
	sig, err := rsa.SignPKCS1v15(nil, sg.key, crypto.SHA256, sum[:])
	if err != nil {
		// Only a key that is broken or too small for the hash gets here, and New has tried it.
		panic("sandbox: signing: " + err.Error())
	}
	return base64.StdEncoding.EncodeToString(sig)
}

func publicPEM(key *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
