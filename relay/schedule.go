package relay

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// DefaultRetry are the gaps between attempts when the configuration gives none: twelve attempts in about three days.
var DefaultRetry = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour,
}

const (
	jitter        = 0.2       // gaps vary by this part to either side, so that what failed together does not come back together
	maxRetryAfter = time.Hour // a backend may ask for patience, not for oblivion
)

// schedule is when an event is tried again.
type schedule struct {
	retry []time.Duration // gaps between attempts
	rand  func() float64  // in [0,1), for jitter
}

// next returns how long to wait after the given failed attempt (1 is the first), or false when it was the last one.
func (s *schedule) next(attempt int) (time.Duration, bool) {
	if attempt > len(s.retry) {
		return 0, false
	}
	gap := s.retry[max(attempt-1, 0)]
	return time.Duration(float64(gap) * (1 - jitter + 2*jitter*s.rand())), true
}

// retryAfter reads a Retry-After header: seconds or a date. 0 when it says nothing or nothing that can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789") == "" {
		seconds, err := strconv.ParseInt(v, 10, 32)
		if err != nil { // too many digits
			return maxRetryAfter
		}
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	date, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}

// backoff spaces the tries of something that keeps failing: doubling from 50 ms to 5 s, by half less or more at random.
func (s *schedule) backoff(failures int) time.Duration {
	d := 5 * time.Second
	if failures < 8 {
		d = min(d, 25*time.Millisecond<<max(failures, 1))
	}
	return time.Duration(float64(d) * (0.5 + s.rand()))
}
