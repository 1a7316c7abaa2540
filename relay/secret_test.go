package relay

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func encode(n int) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xa7}, n)) }

func TestParseSecret(t *testing.T) {
	tests := []struct {
		in, error string
	}{
		{"whsec_" + encode(24), ""},
		{" whsec_" + encode(64) + "\n", ""},
		{"", "it is empty"},
		{" \n", "it is empty"},
		{encode(32), "does not begin with whsec_"},
		{"WHSEC_" + encode(32), "does not begin with whsec_"},
		{"whsk_" + encode(64), "asymmetric"},
		{"whsec_", "it has 0 bytes"},
		{"whsec_" + encode(23), "it has 23 bytes"},
		{"whsec_" + encode(65), "it has 65 bytes"},
		{"whsec_" + strings.TrimRight(encode(25), "="), "base64"},
		{"whsec_" + strings.Repeat("-_", 20), "base64"},
		{"whsec_" + encode(24) + "\n" + encode(24), "line break"},
		{"whsec_{env.PAY_EVENTS_SECRET}", "base64"},
	}
	for _, tt := range tests {
		s, err := ParseSecret(tt.in)
		if tt.error == "" {
			if err != nil || !s.valid() {
				t.Errorf("%q: %v", tt.in, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.error) || !strings.Contains(err.Error(), "openssl rand") {
			t.Errorf("%q: error %v, want %q", tt.in, err, tt.error)
		}
		if err != nil && len(tt.in) > 20 && strings.Contains(err.Error(), tt.in[6:]) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func TestSecretHides(t *testing.T) {
	s, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct{ s Secret }
	type open struct{ S []Secret }
	key := "0123456789abcdef"
	for _, v := range []any{s, &s, []Secret{s}, hidden{s}, &hidden{s}, open{[]Secret{s}}} {
		js, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, out := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%s %q %x", v, v, v), string(js)} {
			if strings.Contains(out, secret[6:]) || strings.Contains(out, key) || strings.Contains(out, "30313233") || strings.Contains(out, "48 49 50 51") || strings.Contains(out, "0x30, 0x31") {
				t.Errorf("%T tells the secret: %s", v, out)
			}
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add(secret)
	f.Add("whsec_" + encode(24) + "\r\n")
	f.Add("whsec_" + encode(64) + "=")
	f.Add("whpk_x")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseSecret(in)
		if err != nil {
			if len(in) > 60 && strings.Contains(err.Error(), in[8:]) {
				t.Errorf("the error repeats the input: %v", err)
			}
			return
		}
		if n := len(s.key()); n < 24 || n > 64 {
			t.Fatalf("%d bytes", n)
		}
		// Whatever is taken, a backend with the reference library must be able to use.
		wh, err := standardwebhooks.NewWebhook(strings.TrimSpace(in))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1_790_000_000, 0)
		want, err := wh.Sign("evt_1", at, []byte("{}"))
		if got := s.Sign("evt_1", at, []byte("{}")); err != nil || got != want {
			t.Errorf("signature %s, want %s, %v", got, want, err)
		}
	})
}
