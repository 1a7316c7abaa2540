package file

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// openBare opens a file with one table, and nothing in it.
func openBare(t *testing.T) *File {
	t.Helper()
	f, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "ledger.db")}, Engine{
		Schema: Schema{Application: 1, Version: 1, Script: "CREATE TABLE a (n)"},
		Sound:  func(*Conn, int) ([]string, error) { return nil, nil },
		Opened: func(*Conn) error { return nil },
		Signal: func(...ledger.Topic) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A writer that was disconnected connects again: an opening that fails half-way is tried once more.
func TestConnectedAgain(t *testing.T) {
	f := openBare(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := errors.Join(f.presence.begin(), f.writer.connect(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := f.writer.conn.Run("INSERT INTO a VALUES (1)", nil); err != nil {
			t.Error(err)
		}
		if err := f.writer.disconnect(); err != nil {
			t.Error(err)
		}
	}
}
