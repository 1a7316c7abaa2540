package pingpp

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func publicKeyFile(t testing.TB, path ...string) *rsa.PublicKey {
	t.Helper()
	key, err := ParsePublicKey(read(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func verifier(t testing.TB, keys ...*rsa.PublicKey) *Verifier {
	t.Helper()
	v, err := NewVerifier(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Vectors that openssl made, with a key that nobody has any more: a webhook and two requests.
func TestVectors(t *testing.T) {
	v := verifier(t, publicKeyFile(t, "testdata", "pub.pem"))
	for sig, signed := range map[string]string{
		"event.sig":  string(read(t, "testdata", "event.json")),
		"create.sig": string(read(t, "testdata", "create.json")) + "/v1/charges" + "1795420800",
		"list.sig":   "/v1/charges?app%5Bid%5D=app_0000000000000001&limit=3" + "1795420800",
	} {
		if err := v.Verify([]byte(signed), []string{string(read(t, "testdata", sig))}); err != nil {
			t.Errorf("%s: %v", sig, err)
		}
	}
	e, err := ParseEvent(read(t, "testdata", "event.json"))
	if err != nil || e.Charge == nil || e.OrderNo != "T20261123001" {
		t.Errorf("event.json: %+v, %v", e, err)
	}
}

// Vectors that Ping++ published. They are not ours to keep, so they are checked where they lie; ours above stand for them.
func TestPublishedVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "vectors")
	if _, err := os.Stat(dir); err != nil {
		t.Log("the published vectors are not on this machine: checked ours only")
		return
	}
	at := func(name string) string { return string(read(t, dir, name)) }
	b64 := func(name string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(at(name)))} }
	a, b, merchant := publicKeyFile(t, dir, "wh_A_pubkey.pem"), publicKeyFile(t, dir, "wh_B_pubkey.pem"), publicKeyFile(t, dir, "your_pub.pem")
	for name, c := range map[string]struct {
		key    *rsa.PublicKey
		signed string
		sig    []string
	}{
		"webhook A":      {a, at("wh_A_charge_succeeded_live.body"), b64("wh_A_charge_succeeded_live.sig")},
		"webhook B":      {b, at("wh_B_account_summary.body"), b64("wh_B_account_summary.sig")},
		"create":         {merchant, at("post.body") + at("post.uri") + at("ts"), b64("post.sig")},
		"create, base64": {merchant, at("post.tosign"), []string{strings.TrimSpace(at("post.sigb64"))}},
		"list":           {merchant, at("get.uri") + at("ts"), b64("get.sig")},
		"list, base64":   {merchant, at("get.tosign"), []string{strings.TrimSpace(at("get.sigb64"))}},
	} {
		if err := verifier(t, c.key).Verify([]byte(c.signed), c.sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var refused *SignatureError
		if err := verifier(t, &newKey().PublicKey).Verify([]byte(c.signed), c.sig); !errors.As(err, &refused) || refused.Reason != SignatureWrongKey {
			t.Errorf("%s with another key: %v", name, err)
		}
	}
	e, err := ParseEvent([]byte(at("wh_A_charge_succeeded_live.body")))
	if err != nil || !e.Livemode || e.Charge == nil || e.Charge.TimePaid != 1434368074 || e.App != "app_vcPcqDeS88ixrPlu" || e.OrderNo != "2015d019f7cf6c0d" {
		t.Errorf("webhook A: %+v, %v", e, err)
	}
	e, err = ParseEvent([]byte(at("wh_B_account_summary.body")))
	if err != nil || e.ObjectType != "account_daily_summary" || e.App != "" || e.Charge != nil {
		t.Errorf("webhook B: %+v, %v", e, err)
	}
}

func TestVerify(t *testing.T) {
	body := []byte(`{"id":"evt_1"}`)
	sign := func(key *rsa.PrivateKey, body []byte) string {
		sig, err := Sign(key, body)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	other, long := mustKey(2048), mustKey(3072)
	good := sign(newKey(), body)
	v := verifier(t, &other.PublicKey, &long.PublicKey, &newKey().PublicKey)
	for _, c := range []struct {
		name   string
		body   string
		sigs   []string
		reason SignatureReason // empty: verified
	}{
		{"good", string(body), []string{good}, ""},
		{"the longer key's", string(body), []string{sign(long, body)}, ""},
		{"no header", string(body), nil, SignatureMissing},
		{"empty", string(body), []string{""}, SignatureEmpty},
		{"blank", string(body), []string{" \t"}, SignatureEmpty},
		{"twice", string(body), []string{good, good}, ""},
		{"empty and good", string(body), []string{"", good}, ""},
		{"joined by a proxy", string(body), []string{good + ", " + good}, ""},
		{"joined, and once more", string(body), []string{good + "," + good, good}, ""},
		{"commas only", string(body), []string{" , ,"}, SignatureEmpty},
		{"two that differ", string(body), []string{good, sign(other, body)}, SignatureSeveral},
		{"two that differ, joined", string(body), []string{sign(other, body) + "," + good}, SignatureSeveral},
		{"good and something", string(body), []string{good, "***"}, SignatureSeveral},
		{"line break", string(body), []string{good[:76] + "\n" + good[76:]}, SignatureNotBase64},
		{"no padding", string(body), []string{strings.TrimRight(good, "=")}, SignatureNotBase64},
		{"space", string(body), []string{good[:76] + " " + good[76:]}, SignatureNotBase64},
		{"url alphabet", string(body), []string{"-_" + good[2:]}, SignatureNotBase64},
		{"short", string(body), []string{"AAAA"}, SignatureNotBase64},
		{"length of no key", string(body), []string{base64.StdEncoding.EncodeToString(make([]byte, 128))}, SignatureNotBase64},
		{"zeros", string(body), []string{base64.StdEncoding.EncodeToString(make([]byte, 256))}, SignatureWrongKey},
		{"altered body", `{"id":"evt_2"}`, []string{good}, SignatureWrongKey},
		{"longer body", string(body) + "\n", []string{good}, SignatureWrongKey},
		{"empty body", "", []string{good}, SignatureWrongKey},
		{"unknown key", string(body), []string{sign(mustKey(2048), body)}, SignatureWrongKey},
	} {
		err := v.Verify([]byte(c.body), c.sigs)
		if c.reason == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var refused *SignatureError
		if !errors.As(err, &refused) || refused.Reason != c.reason {
			t.Errorf("%s: got %v, want %s", c.name, err, c.reason)
		}
	}
}

func TestNewVerifier(t *testing.T) {
	for name, keys := range map[string][]*rsa.PublicKey{
		"no public key": nil, "is nil": {nil}, "is nil ": {{}}, "1024 bits": {&mustKey(1024).PublicKey},
	} {
		if _, err := NewVerifier(keys...); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSignParts(t *testing.T) {
	whole, err := Sign(newKey(), []byte("{}/v1/charges/ch_X/reverse1735700000"))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := Sign(newKey(), []byte("{}"), nil, []byte("/v1/charges/ch_X/reverse"), []byte("1735700000"))
	if err != nil || parts != whole {
		t.Errorf("parts are signed as one text: %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	v := verifier(b, publicKeyFile(b, "testdata", "pub.pem"))
	body, sig := read(b, "testdata", "event.json"), []string{string(read(b, "testdata", "event.sig"))}
	for b.Loop() {
		if err := v.Verify(body, sig); err != nil {
			b.Fatal(err)
		}
	}
}
