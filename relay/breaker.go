package relay

import "time"

const (
	patience   = 3                // attempts in a row, not all of one event, that may find the backend unreachable until deliveries pause
	few        = 3                // events that are all that is tried may each be one that the backend dies of; more of them are an outage
	turns      = 2 * few          // attempts in a row after which that can be told: each event has had its turn
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
// holds nothing up. Only a connection that does not come about says enough by itself: no event can cause that. When a few events by
// turns are all that is tried, and each comes so far that a connection stands, nobody can tell: it is an outage, in which the attempts of
// these few count all the same, but seldom (see pace).
//
// It has no clock and no lock: the caller brings the time, and calls one method at a time.
type breaker struct {
	limit int            // deliveries at one time
	rand  func() float64 // in [0,1)

	allowed int    // of the limit, at the moment; at least 1
	round   int    // successes that are missing until allowed doubles
	missed  []miss // the last attempts in a row that did not reach the backend, at most turns
	heard   bool   // the backend has answered since this breaker was made
	reached bool   // an attempt has succeeded since this breaker was made, or since patience of them missed in a row
	started int    // attempts
	back    int    // of those, the ones that went out before the backend turned out to be back

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

// pass is what an attempt has from its start to its end.
type pass struct {
	n     int // how many had started then, it included
	probe bool
}

// start notes that a delivery goes out.
func (b *breaker) start() pass {
	b.started++
	if !b.open || b.probing {
		return pass{n: b.started}
	}
	b.probing = true
	return pass{n: b.started, probe: true}
}

// pace is how often attempts count, of an event that they do not bring to the backend.
type pace int

const (
	bySchedule pace = iota // as often as the schedule has them: it is the event's own matter
	unsure                 // the first counts, in case it is; the next say more
	daily                  // not more than one a day: an outage, unless the few events are to blame
	never                  // the backend is away
)

// wait is how an event goes on that an attempt did not bring to the backend.
type wait struct {
	pace  pace
	still time.Duration // until its next attempt, whatever the schedule says; 0: as the schedule says
}

// turn is what an attempt did to the breaker.
type turn int

const (
	unchanged turn = iota
	opened
	closed   // the backend is back
	narrowed // closed too: what it looked like was the matter of one event
	first    // the first success, or the first for long: what waits for the backend, also since an earlier process, need not wait
)

// end takes in how an attempt to deliver an event ended. While the breaker is open an event that an attempt did not bring to the
// backend stands still until the next probe. That goes for the one that opened it too.
func (b *breaker) end(event string, how reach, p pass, now time.Time) (w wait, did turn) {
	if p.probe {
		b.probing = false
	}
	switch how {
	case succeeded:
		return w, b.succeed()
	case answered:
		b.missed, b.heard = nil, true
		if p.probe { // somebody is there: the next event may have more luck
			b.gap = firstProbe
			b.next = now.Add(b.jittered())
		}
		return w, unchanged
	}
	late := p.n <= b.back // it went out before the backend was back: it says nothing, and its event may have more luck now
	if !late {
		did = b.miss(miss{event, how == unsent}, p.probe, now)
	}
	switch {
	case b.open:
		w.pace = never
		if b.few() && !late {
			w.pace = daily
		}
		if w.still = b.next.Sub(now); w.still <= 0 { // the next probe is overdue, or out
			w.still = firstProbe
		}
	case late:
		w.pace, w.still = never, firstProbe
	case !b.heard && len(b.missed) < patience:
		w.pace = unsure
	}
	return w, did
}

// miss takes in an attempt that did not reach the backend.
func (b *breaker) miss(m miss, probe bool, now time.Time) (did turn) {
	if b.missed = append(b.missed, m); len(b.missed) > turns {
		b.missed = b.missed[1:]
	}
	if len(b.missed) >= patience {
		b.reached = false
	}
	away := b.away()
	switch {
	case b.open && !away && len(b.missed) >= patience: // nobody else took a turn: either nothing else is due, or the others got through
		b.open, b.allowed, b.round, did = false, 1, 1, narrowed
	case b.open && probe:
		b.gap = min(2*b.gap, lastProbe)
		b.next = now.Add(b.jittered())
	case !b.open && away:
		b.open, b.since, b.gap, did = true, now, firstProbe, opened
		b.next = now.Add(b.jittered())
		b.missed = b.row() // the turns of others begin now
	}
	return did
}

// away says whether what failed in a row says that the backend is unreachable.
func (b *breaker) away() bool {
	row, several := b.row(), false
	for _, m := range row {
		if m.unsent {
			return true
		}
		several = several || m.event != row[0].event
	}
	return several && len(row) == patience
}

func (b *breaker) row() []miss { return b.missed[max(0, len(b.missed)-patience):] }

// few says whether only a few events were tried, by turns, and all of them over a connection that stood.
func (b *breaker) few() bool {
	events := make(map[string]bool, turns)
	for _, m := range b.missed {
		if m.unsent {
			return false
		}
		events[m.event] = true
	}
	return len(b.missed) == turns && len(events) <= few
}

func (b *breaker) succeed() (did turn) {
	b.missed, b.heard = nil, true
	if !b.reached {
		b.reached, did = true, first
	}
	if b.open {
		b.open, b.allowed, b.round, did = false, 1, 1, closed
	}
	if did != unchanged {
		b.back = b.started
	}
	if did == closed || b.allowed == b.limit {
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
