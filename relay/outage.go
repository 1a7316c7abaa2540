package relay

import "time"

// Outage is that the backend is unreachable: events wait, and one at a time goes out to see whether it is back.
type Outage struct {
	Since time.Time // zero: the backend is reachable, or nobody has tried
	Probe time.Time // when the next event goes out, at the earliest; zero: one is out
}

// Outage says whether the backend is unreachable now.
func (r *Relay) Outage() Outage {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch b := r.breaker; {
	case !b.open:
		return Outage{}
	case b.probing:
		return Outage{Since: b.since}
	default:
		return Outage{Since: b.since, Probe: b.next}
	}
}

// Attempt is how an attempt to deliver an event ended.
type Attempt struct {
	At     time.Time // when it did
	Status int       // of the backend's answer; 0: none came
	Why    string    // the backend did not acknowledge the event, in words for the operator, without the backend's own; empty: it did
}
