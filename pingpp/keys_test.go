package pingpp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

func der(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func armour(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

type keyCase struct {
	name, text string
	want       string // part of the error; empty: parsed
}

// keyCases are the texts that a merchant may give where a key belongs. private says which of the two is asked for.
func keyCases(private bool) []keyCase {
	key, short := newKey(), mustKey(1024)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	cert := der(x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, &key.PublicKey, key))
	pkcs1, pkcs8 := x509.MarshalPKCS1PrivateKey(key), der(x509.MarshalPKCS8PrivateKey(key))
	spki := der(x509.MarshalPKIXPublicKey(&key.PublicKey))
	both := []keyCase{
		{"empty", " \n", "nothing is there"},
		{"garbage", "hello", "not PEM"},
		{"cut", armour("PUBLIC KEY", spki)[:200], "it was cut"},
		{"of two labels", strings.Replace(armour("PUBLIC KEY", spki), "END PUBLIC", "END RSA PUBLIC", 1), "last line"},
		{"no base64", "-----BEGIN PUBLIC KEY-----\n%%%\n-----END PUBLIC KEY-----", "not base64"},
		{"of nothing", "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----", "not base64"},
	}
	good := armour("PUBLIC KEY", spki)
	if private {
		good = armour("PRIVATE KEY", pkcs8)
	}
	for name, pasted := range map[string]string{
		"escaped breaks":          strings.ReplaceAll(good, "\n", `\n`),
		"escaped Windows breaks":  strings.ReplaceAll(good, "\n", `\r\n`),
		"escaped and quoted":      `"` + strings.ReplaceAll(good, "\n", `\n`) + `"`,
		"escaped and real breaks": strings.ReplaceAll(good, "\n", "\\n\n"),
		"indented":                "\t" + strings.ReplaceAll(good, "\n", "\n\t  "),
		"in one line":             strings.ReplaceAll(good, "\n", ""),
		"in one line of words":    strings.ReplaceAll(good, "\n", " "),
		"old Mac":                 strings.ReplaceAll(good, "\n", "\r"),
		"trailing blanks":         strings.ReplaceAll(good, "\n", " \t\n"),
		"with empty lines":        strings.ReplaceAll(good, "\n", "\n\n"),
		"mark and one line":       "\uFEFF" + strings.ReplaceAll(good, "\n", ""),
		"after a mark and text":   "key:\n\uFEFF" + good,
		"with hard spaces":        strings.ReplaceAll(good, "\n", "\n\u00a0"),
	} {
		both = append(both, keyCase{name, pasted, ""})
	}
	if private {
		return append(both, []keyCase{
			{"PKCS#1", armour("RSA PRIVATE KEY", pkcs1), ""},
			{"PKCS#8", armour("PRIVATE KEY", pkcs8), ""},
			{"PKCS#8 with PKCS#1's label", armour("RSA PRIVATE KEY", pkcs8), ""},
			{"byte order mark and Windows", "\uFEFF" + strings.ReplaceAll(armour("PRIVATE KEY", pkcs8), "\n", "\r\n"), ""},
			{"public key", armour("PUBLIC KEY", spki), "this is a public key"},
			{"RSA public key", armour("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), "this is a rsa public key"},
			{"certificate", armour("CERTIFICATE", cert), "this is a certificate"},
			{"EC", armour("EC PRIVATE KEY", der(x509.MarshalECPrivateKey(ec))), "EC key"},
			{"EC PKCS#8", armour("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(ec))), "no RSA key"},
			{"encrypted", armour("ENCRYPTED PRIVATE KEY", pkcs8), "openssl pkey"},
			{"encrypted, old, indented", "  -----BEGIN RSA PRIVATE KEY-----\n  Proc-Type: 4,ENCRYPTED\n  DEK-Info: AES-128-CBC,00\n\n  AAAA\n  -----END RSA PRIVATE KEY-----\n", "encrypted"},
			{"encrypted, old", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "encrypted"},
			{"short", armour("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short)), "1024 bits"},
			{"damaged", armour("PRIVATE KEY", pkcs8[:100]), "can be read"},
			{"other PEM", armour("DH PARAMETERS", pkcs8), "DH PARAMETERS"},
		}...)
	}
	return append(both, []keyCase{
		{"SPKI", armour("PUBLIC KEY", spki), ""},
		{"SPKI with BOM", "\uFEFF" + armour("PUBLIC KEY", spki), ""},
		{"PKCS#1", armour("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)), ""},
		{"certificate", armour("CERTIFICATE", cert), ""},
		{"private key", armour("PRIVATE KEY", pkcs8), "never share"},
		{"RSA private key", armour("RSA PRIVATE KEY", pkcs1), "private key"},
		{"EC", armour("PUBLIC KEY", der(x509.MarshalPKIXPublicKey(&ec.PublicKey))), "no RSA key"},
		{"short", armour("PUBLIC KEY", der(x509.MarshalPKIXPublicKey(&short.PublicKey))), "1024 bits"},
		{"damaged", armour("PUBLIC KEY", spki[:100]), "can be read"},
	}...)
}

func TestParseKeys(t *testing.T) {
	check := func(c keyCase, same bool, err error) {
		t.Helper()
		switch {
		case c.want == "" && (err != nil || !same):
			t.Errorf("%s: got another key, or %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want …%s…", c.name, err, c.want)
		case c.want != "" && len(c.text) > 200 && strings.Contains(err.Error(), c.text[40:60]):
			t.Errorf("%s: the error shows the key", c.name)
		}
	}
	for _, c := range keyCases(true) {
		key, err := ParsePrivateKey([]byte(c.text))
		check(c, err == nil && key.Equal(newKey()), err)
	}
	for _, c := range keyCases(false) {
		key, err := ParsePublicKey([]byte(c.text))
		check(c, err == nil && key.Equal(&newKey().PublicKey), err)
	}
}
