package file_test

import (
	"testing"
	"time"
)

// TestLaxShareAForcing: what nobody waits for is not forced to the disk each by itself, and not put off for ever where more of it comes all the time.
func TestLaxShareAForcing(t *testing.T) {
	const delay = 100 * time.Millisecond
	l, g := openGated(t)
	g.lift()
	eventually(t, "nothing is left to the system", func() bool { return !l.inside.Loose() })
	lax := func() { must(t, l.writeLax(t.Context(), func(*tx) error { return nil })) }
	before, began := g.forced.Load(), time.Now()
	for range 100 {
		lax()
	}
	if most, n := 1+int64(time.Since(began)/delay), g.forced.Load()-before; n > most {
		t.Errorf("forced to the disk %d times in %s, want no more than every %s", n, time.Since(began), delay)
	}
	before = g.forced.Load()
	eventually(t, "it is forced while more comes", func() bool { lax(); return g.forced.Load() > before })
}

// TestClaimBesideWhatIsNoEvent: what the disk has not taken yet keeps back the events in it, and none that were there before.
func TestClaimBesideWhatIsNoEvent(t *testing.T) {
	l, g := openGated(t)
	g.lift()
	appendEvents(t, l, "evt_1")
	g.open = make(chan struct{}) // shut, while the disk has nothing to do
	done := make(chan error, 1)
	go func() {
		done <- l.write(t.Context(), func(*tx) error { return nil })
	}()
	eventually(t, "the disk is busy", func() bool { return l.inside.Outstanding.Load() == 1 })
	es, err := claim(l)
	g.lift()
	if err != nil || len(es) != 1 {
		t.Errorf("claimed %v, %v", es, err)
	}
	must(t, <-done)
}
