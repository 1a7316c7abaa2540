package relay

import "time"

const (
	patience   = 3                // attempts in a row, not all of one event, that may find the backend unreachable until deliveries pause
	firstProbe = time.Second      // from then to the first probe; doubles with each that fails
	lastProbe  = 30 * time.Second // at most
	longestGap = lastProbe * (100 + 100*jitter) / 100
)

// reach is how far an attempt came.
type reach int

const (
	succeeded   reach = iota // the backend acknowledged the event
	answered                 // it answered, but not with a receipt: the event's own matter
	unreachable              // no HTTP answer, or one that a server in front of the backend gives when it is away (502, 503, 504)
	unsent                   // not even a connection
)

// breaker decides how many deliveries may be under way. While the backend is unreachable it lets a single probe out at a
// time, at growing gaps; when one succeeds the deliveries grow again from one to the limit, so that a backend that has just
// come back is not run over.
//
// That the backend is unreachable is a fact about the backend, and not about one event: an event that a server in front of the
// backend answers with 502 whenever it comes, while nothing else is tried, is that event's own matter. It goes by its schedule, and
// holds nothing up. Only a connection that does not come about says enough by itself: no event can cause that.
//
// It has no clock and no lock: the caller brings the time, and calls one method at a time.
type breaker struct {
	limit int            // deliveries at one time
	rand  func() float64 // in [0,1)

	allowed int    // of the limit, at the moment; at least 1
	round   int    // successes that are missing until allowed doubles
	missed  []miss // the last attempts in a row that did not reach the backend, at most patience
	reached bool   // an attempt has succeeded since this breaker was made

	open    bool
	since   time.Time     // it opened
	gap     time.Duration // between the last probe and the next, before jitter
	next    time.Time     // the next probe may go out
	probing bool          // one is out
}

// miss is an attempt that did not reach the backend.
type miss struct {
	event  string
	unsent bool
}

func newBreaker(limit int, rand func() float64) *breaker {
	return &breaker{limit: limit, rand: rand, allowed: limit}
}

// room returns how many more deliveries may start while so many are under way, and, when time alone can make room, how long
// that takes.
func (b *breaker) room(now time.Time, under int) (n int, wait time.Duration) {
	switch {
	case !b.open:
		return max(0, b.allowed-under), 0
	case b.probing || under >= b.limit:
		return 0, 0
	case now.Before(b.next) && b.next.Sub(now) <= longestGap: // else the clock was put back
		return 0, b.next.Sub(now)
	}
	return 1, 0
}

// start notes that a delivery goes out, and says whether it is the probe.
func (b *breaker) start() (probe bool) {
	if !b.open || b.probing {
		return false
	}
	b.probing = true
	return true
}

// turn is what an attempt did to the breaker.
type turn int

const (
	unchanged turn = iota
	opened
	closed   // the backend is back
	narrowed // closed too: what it looked like was the matter of one event
	first    // the first success: what an earlier process left waiting for the backend need not wait
)

// end takes in how an attempt to deliver an event ended. While the breaker is open an attempt that did not reach the backend does
// not count: its event stands still for the time returned. That goes for the one that opened it too.
func (b *breaker) end(event string, how reach, probe bool, now time.Time) (standstill time.Duration, did turn) {
	if probe {
		b.probing = false
	}
	switch how {
	case succeeded:
		did = b.succeed()
	case answered:
		b.missed = nil
		if probe { // somebody is there: the next event may have more luck
			b.gap = firstProbe
			b.next = now.Add(b.jittered())
		}
	case unreachable, unsent:
		b.miss(miss{event, how == unsent})
		away := b.away()
		switch {
		case b.open && !away && len(b.missed) == patience: // nobody else took a turn: either nothing else is due, or the others got through
			b.open, b.allowed, b.round, did = false, 1, 1, narrowed
		case b.open && probe:
			b.gap = min(2*b.gap, lastProbe)
			b.next = now.Add(b.jittered())
		case !b.open && away:
			b.open, b.since, b.gap, did = true, now, firstProbe, opened
			b.next = now.Add(b.jittered())
		}
		if b.open {
			if standstill = b.next.Sub(now); standstill <= 0 { // the next probe is overdue, or out
				standstill = firstProbe
			}
		}
	}
	return standstill, did
}

// miss adds an attempt to those that failed in a row.
func (b *breaker) miss(m miss) {
	b.missed = append(b.missed, m)
	if len(b.missed) > patience {
		b.missed = b.missed[1:]
	}
}

// away says whether what failed in a row says that the backend is unreachable.
func (b *breaker) away() bool {
	several := false
	for _, m := range b.missed {
		if m.unsent {
			return true
		}
		several = several || m.event != b.missed[0].event
	}
	return several && len(b.missed) == patience
}

func (b *breaker) succeed() (did turn) {
	b.missed = nil
	if !b.reached {
		b.reached, did = true, first
	}
	if b.open {
		b.open = false
		b.allowed, b.round = 1, 1
		return closed
	}
	if b.allowed == b.limit {
		return did
	}
	if b.round--; b.round == 0 {
		b.allowed = min(2*b.allowed, b.limit)
		b.round = b.allowed
	}
	return did
}

func (b *breaker) jittered() time.Duration {
	return time.Duration(float64(b.gap) * (1 - jitter + 2*jitter*b.rand()))
}
