package asking

import (
	"testing"
	"time"
)

// What brings no answer is asked for at gaps that grow with its age, a tenth more or less.
func TestGap(t *testing.T) {
	for _, tt := range []struct{ age, gap time.Duration }{
		{-time.Hour, time.Minute}, {0, time.Minute}, {2*time.Minute - 1, time.Minute}, {2 * time.Minute, 2 * time.Minute}, {5 * time.Minute, 5 * time.Minute},
		{29 * time.Minute, 10 * time.Minute}, {30 * time.Minute, 30 * time.Minute}, {time.Hour, time.Hour}, {119 * time.Minute, time.Hour}, {2 * time.Hour, 2 * time.Hour},
		{6*time.Hour - 1, 2 * time.Hour}, {6 * time.Hour, 6 * time.Hour}, {1000 * time.Hour, 6 * time.Hour},
	} {
		for random, part := range map[float64]time.Duration{0: 90, 0.5: 100, 0.75: 105} {
			if got, want := Gap(tt.age, random), tt.gap/100*part; got.Round(time.Millisecond) != want {
				t.Errorf("at the age of %s, random %g: %s, want %s", tt.age, random, got, want)
			}
		}
	}
}
