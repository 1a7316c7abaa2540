package file_test

import (
	"path/filepath"
	"testing"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// A file that could be opened only at the second try, after the first had brought it up to date, is kept as it was before all the same.
func TestKeepsTheOldOfAnEarlierTry(t *testing.T) {
	path := newFile(t)
	open := func(version int, opened func() error) {
		t.Helper()
		f, err := file.Open(t.Context(), file.Options{Path: path}, file.Engine{
			Schema: file.Schema{Application: 1, Version: version, Script: "CREATE TABLE a (n)", Upgrades: map[int]string{1: "CREATE TABLE b (n)"}},
			Sound:  func(*conn, int) ([]string, error) { return nil, nil },
			Opened: func(*conn) error { return opened() },
			Signal: func(...ledger.Topic) {},
		})
		must(t, err)
		eventually(t, "the old one is kept", func() bool {
			kept, err := filepath.Glob(path + ".schema1-*Z")
			return err == nil && (version == 1 || len(kept) == 1)
		})
		must(t, f.Close())
	}
	tries := 0
	open(1, func() error { return nil })
	open(2, func() error {
		if tries++; tries == 1 {
			return ledger.ErrDamaged // as SQLite says when the disk could not be read once
		}
		return nil
	})
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}
