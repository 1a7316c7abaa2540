package file_test

import "testing"

// TestLooseIsForced: what no caller waits to have on disk gets there by itself soon after, each time, though nothing else is written.
func TestLooseIsForced(t *testing.T) {
	l, g := openGated(t)
	g.lift()
	_, err := l.Append(t.Context(), newEvent("evt_1"))
	must(t, err)
	for range 3 {
		before := g.forced.Load()
		_, err := claim(l)
		must(t, err)
		eventually(t, "a claim is on disk", func() bool { return g.forced.Load() > before })
		eventually(t, "nothing is left to the system", func() bool { return !l.inside.Loose() })
	}
}
