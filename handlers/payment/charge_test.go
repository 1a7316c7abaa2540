package payment

import (
	"testing"
	"time"
)

func TestWaitValues(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "25s": 25 * time.Second, "25": 25 * time.Second, "60": time.Minute, "1m": time.Minute, "1.5s": 1500 * time.Millisecond, "250ms": 250 * time.Millisecond} {
		if got, err := parseWait(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
