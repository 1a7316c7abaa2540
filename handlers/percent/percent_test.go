package percent

import "testing"

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a b": "a b", "%61": "a", "%2561": "a", "%252561": "a", "%2%35": "%", "%%36%31": "a", "%zz%61": "%zza", "%": "%", "%4": "%4", "%E8%8c%b6": "茶",
	} {
		if got := Decode(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
