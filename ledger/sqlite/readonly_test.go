package sqlite

import "testing"

// TestOpenedForReadingOnly: where a file cannot be opened for writing, SQLite opens it for reading, and says so only to who writes. A process that is
// short of descriptors for a moment, when the writer's connection is opened, must not refuse everything until it is started again.
func TestOpenedForReadingOnly(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.writeLax(t.Context(), func(t *tx) error { // what such a connection is like
		return t.conn.run("PRAGMA query_only = 1", nil)
	}))
	_, _ = l.Append(t.Context(), newEvent("evt_1")) // may be refused
	if _, err := l.Append(t.Context(), newEvent("evt_1")); err != nil {
		t.Errorf("when it comes again: %v", err)
	}
}
