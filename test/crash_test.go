package test

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// kill -9 while events arrive: what was answered 200 is at the backend afterwards.
func TestKill(t *testing.T) {
	const rounds, perSecond, perRound = 5, 200, 400
	s := newStage(t, false).start(plainSite)
	hooks := s.hooks("K", rounds*perRound)
	acked := make(map[string]bool)
	refused := 0
	for round := range rounds {
		if round > 0 {
			s.restart()
		}
		before := len(s.backend.events(""))
		f := s.flood(slices.Values(hooks[round*perRound:(round+1)*perRound]), perSecond, false)
		eventually(t, shortly, func() error { // while they arrive, at another moment in each round
			if n, _ := f.counts(); n < 40+25*round {
				return errorf("%d acknowledged", n)
			}
			return nil
		})
		s.caddy.kill()
		f.halt()
		n, no := f.counts()
		refused += no
		maps.Copy(acked, f.acked)
		t.Logf("round %d: %d sent, %d acknowledged, %d not, %d delivered before the kill", round+1, f.sent, n, no, len(s.backend.events(""))-before)
	}
	down := time.Now()
	s.restart()
	repeats := s.delivered(acked, shortly)
	t.Logf("%d events acknowledged in %d rounds, %d not; all at the backend %s after the last start; %d delivered twice, under the same webhook-id",
		len(acked), rounds, refused, time.Since(down).Round(time.Millisecond), repeats)
}
