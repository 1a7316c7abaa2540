package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// short is a plan in which one kind of fault of the disk happens to a process that is taking and delivering events.
func short(i injection) []step {
	return []step{{gap: 300 * time.Millisecond, fault: disk, lasts: time.Second, inject: i}}
}

// TestFailingDisks: whatever the disk fails a running site at, every webhook is answered 200 or 503, the site goes on taking them, and after
// kill -9 and a start with a disk that works all that was acknowledged is there and delivered.
func TestFailingDisks(t *testing.T) {
	bin := binary(t)
	for _, i := range injections {
		t.Run(i.String(), func(t *testing.T) {
			t.Parallel()
			o := options{seed: rand.Uint64(), rate: 60, bin: bin, disorder: 0.1, drain: 3 * time.Minute, steps: short(i), say: t.Logf}
			if can, err := canInject(o.say); !can {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			rep := perform(t, o)
			for tries := 1; rep.unfelt > 0 && tries < 3; tries++ { // what was left by the kill was so much that no start came to the end of it
				o.seed = rand.Uint64()
				rep = perform(t, o)
			}
			if rep.unfelt > 0 {
				t.Errorf("a process at work did not make such calls; %d calls went wrong, and %d starts", rep.injected, rep.unstarted)
			}
		})
	}
}
