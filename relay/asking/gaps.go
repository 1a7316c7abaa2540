package asking

import "time"

// retryGaps are the gaps between attempts at what brought no answer, and between look-ups of refunds: at an age, the longest that it
// is not below.
var retryGaps = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour}

// Gap is how long to wait at an age, ±10 %. random is in [0, 1).
func Gap(age time.Duration, random float64) time.Duration {
	gap := retryGaps[0]
	for _, longer := range retryGaps[1:] {
		if age >= longer {
			gap = longer
		}
	}
	return time.Duration(float64(gap) * (0.9 + 0.2*random))
}
