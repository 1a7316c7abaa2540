package relay

import (
	"fmt"
	"testing"
)

// A secret says that it is one and no more, and is equal to itself alone: one that is none equals none.
func TestSecretShown(t *testing.T) {
	parse := func(n int) Secret {
		s, err := ParseSecret("whsec_" + encode(n))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := parse(24), parse(25)
	if got := fmt.Sprintf("%s %v %#v", a, a, a); got != "whsec_[redacted] whsec_[redacted] whsec_[redacted]" {
		t.Error(got)
	}
	for name, c := range map[string]struct {
		a, b Secret
		want bool
	}{"itself": {a, parse(24), true}, "another": {a, b, false}, "none": {a, Secret{}, false}, "none and one": {Secret{}, a, false}, "none and none": {Secret{}, Secret{}, false}} {
		if c.a.Equal(c.b) != c.want {
			t.Errorf("%s: %t", name, !c.want)
		}
	}
}
