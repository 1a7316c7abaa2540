package pingpp

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// minBits is the shortest RSA key that is worth anything; Ping++'s own keys have 2048.
const minBits = 2048

// ParsePrivateKey reads the merchant's signing key from PEM text: PKCS#1 ("RSA PRIVATE KEY") or PKCS#8 ("PRIVATE KEY"),
// RSA, 2048 bits or more, not encrypted. Errors say what is there instead and which command helps; none holds key bytes.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, err := decodePEM(text)
	if err != nil {
		return nil, fmt.Errorf("pingpp: private key: %w", err)
	}
	if strings.Contains(block.Type, "PUBLIC KEY") || block.Type == "CERTIFICATE" {
		return nil, fmt.Errorf("pingpp: private key: this is a %s: give the private key whose public half is in the Ping++ dashboard", strings.ToLower(block.Type))
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("pingpp: private key: the key is encrypted: decrypt it with `openssl pkey -in encrypted.pem -out merchant.pem` and protect the file by its mode")
	}
	if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, fmt.Errorf("pingpp: private key: the PEM block is %q: give one that is PRIVATE KEY or RSA PRIVATE KEY", clean(block.Type, 40))
	}
	key, err := privateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("pingpp: private key: %w", err)
	}
	if err := checkPrivateKey(key); err != nil {
		return nil, fmt.Errorf("pingpp: private key: %w", err)
	}
	return key, nil
}

// privateKey goes by the bytes, since labels are often wrong.
func privateKey(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if key, ok := key.(*rsa.PrivateKey); ok {
			return key, nil
		}
		return nil, errors.New("this is no RSA key: make one with `openssl genrsa -out merchant.pem 2048`")
	}
	if _, err := x509.ParseECPrivateKey(der); err == nil {
		return nil, errors.New("this is an EC key: Ping++ wants RSA, make one with `openssl genrsa -out merchant.pem 2048`")
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, errors.New("the PEM block holds no key that can be read: was it cut or edited? Make one with `openssl genrsa -out merchant.pem 2048`")
	}
	return key, nil
}

func checkPrivateKey(key *rsa.PrivateKey) error {
	if key.N == nil || key.D == nil {
		return errors.New("the key is incomplete: make one with `openssl genrsa -out merchant.pem 2048`")
	}
	if err := checkBits(&key.PublicKey); err != nil {
		return err
	}
	if err := key.Validate(); err != nil {
		return errors.New("the key's numbers do not belong together: was it edited? Make one with `openssl genrsa -out merchant.pem 2048`")
	}
	return nil
}

func checkBits(key *rsa.PublicKey) error {
	if n := key.N.BitLen(); n < minBits {
		return fmt.Errorf("the key has %d bits: %d are the least, and 2048 are usual", n, minBits)
	}
	return nil
}

// ParsePublicKey reads Ping++'s public key from PEM text: SPKI ("PUBLIC KEY", as the dashboard shows it), PKCS#1 ("RSA
// PUBLIC KEY") or a certificate; RSA, 2048 bits or more. Errors say what is there instead.
func ParsePublicKey(text []byte) (*rsa.PublicKey, error) {
	block, err := decodePEM(text)
	if err != nil {
		return nil, fmt.Errorf("pingpp: public key: %w", err)
	}
	if strings.Contains(block.Type, "PRIVATE KEY") {
		return nil, errors.New("pingpp: public key: this is a private key: give the public key of Ping++ that the dashboard shows, and never share this one")
	}
	key, err := publicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("pingpp: public key: %w", err)
	}
	if err := checkBits(key); err != nil {
		return nil, fmt.Errorf("pingpp: public key: %w", err)
	}
	return key, nil
}

func publicKey(der []byte) (*rsa.PublicKey, error) {
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		cert, certErr := x509.ParseCertificate(der)
		if certErr != nil {
			return nil, errors.New("the PEM block holds no key that can be read: was it cut or edited? Copy it from the Ping++ dashboard again")
		}
		key = cert.PublicKey
	}
	if key, ok := key.(*rsa.PublicKey); ok {
		return key, nil
	}
	return nil, errors.New("this is no RSA key: Ping++ signs with RSA, copy its key from the dashboard")
}

var (
	pemBlock = regexp.MustCompile(`-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END ([A-Z0-9 ]+)-----`)

	// Environment files and JSON have line breaks as two characters.
	lineBreaks = strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", `\r`, "\n", "\r\n", "\n", "\r", "\n")
	blanks     = regexp.MustCompile(`[\s\x{FEFF}\x{00A0}]+`)
)

// decodePEM finds the first PEM block, whatever stands before it (editors add a byte order mark, openssl adds attributes) and however
// it was pasted: indented, with its line breaks escaped, or all in one line.
func decodePEM(text []byte) (*pem.Block, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\uFEFF")))
	if len(text) == 0 {
		return nil, errors.New("nothing is there: give a PEM file or its text")
	}
	if block, _ := pem.Decode(text); block != nil {
		return block, nil
	}
	if !bytes.Contains(text, []byte("-----BEGIN")) {
		return nil, errors.New("this is not PEM: the text begins with -----BEGIN …----- and ends with -----END …-----")
	}
	m := pemBlock.FindStringSubmatch(lineBreaks.Replace(string(text)))
	if m == nil || m[1] != m[3] {
		return nil, errors.New("the PEM block cannot be read: it was cut, or its last line is not that of its first")
	}
	if strings.Contains(m[2], "DEK-Info") {
		return &pem.Block{Type: m[1], Headers: map[string]string{"DEK-Info": "yes"}}, nil
	}
	der, err := base64.StdEncoding.DecodeString(blanks.ReplaceAllString(m[2], ""))
	if err != nil || len(der) == 0 {
		return nil, errors.New("the PEM block cannot be read: what stands between its first and last line is not base64")
	}
	return &pem.Block{Type: m[1], Bytes: der}, nil
}
