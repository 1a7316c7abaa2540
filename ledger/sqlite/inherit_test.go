package sqlite

import (
	"fmt"
	"math"
	"testing"
)

// TestShortLives: what a process leaves in the -wal file counts for the next one. Processes that are killed again and again, before each has
// written enough for a fold, must not let the file grow for ever.
func TestShortLives(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.writeLax(t.Context(), func(*tx) error { l.writer.folder.after = math.MaxInt; return nil }))
	for i := range foldAfter / 20 {
		e := newEvent(fmt.Sprintf("evt_%d", i))
		e.Body = make([]byte, 20*pageSize)
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	left := openFile(t, losePower(t, l.file, hole{})) // as it was when the process was killed
	eventually(t, "the -wal file is folded in", func() bool {
		done, err := copiedBy(left, "NOOP")
		must(t, err)
		return done.frames > 0 && done.pages == done.frames
	})
}
