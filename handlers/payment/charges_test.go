package payment

import "testing"

func TestClientAddress(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1", "::ffff:192.0.2.7%eth0": "192.0.2.7", "": "", "x": "x",
	} {
		if got := clientIP(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
