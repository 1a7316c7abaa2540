package caddymodule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/sqlite"
)

// Every spelling of one file is one store.
func TestLedgerPath(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	t.Setenv("XDG_DATA_HOME", filepath.Join(root, "data"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir("real", 0o700))
	must(os.WriteFile("real/there.db", nil, 0o600))
	must(os.WriteFile("file", nil, 0o600))
	must(os.Symlink("real", "folder-link"))
	must(os.Symlink("real/there.db", "file-link.db"))
	must(os.Symlink(filepath.Join(root, "real", "later.db"), "later-link.db"))
	must(os.Symlink("folder-link/later.db", "later-chain.db"))
	must(os.Symlink("loop-b", "loop-a"))
	must(os.Symlink("loop-a", "loop-b"))

	for _, tc := range []struct{ file, want string }{
		{"", "data/caddy/pay/ledger.db"},
		{"real/there.db", "real/there.db"},
		{"./real/../real//there.db", "real/there.db"},
		{filepath.Join(root, "real/there.db"), "real/there.db"},
		{"folder-link/there.db", "real/there.db"},
		{"file-link.db", "real/there.db"},
		{"real/later.db", "real/later.db"},
		{"folder-link/later.db", "real/later.db"},
		{"later-link.db", "real/later.db"},
		{"later-chain.db", "real/later.db"},
		{"folder-link/no/such/folder/ledger.db", "real/no/such/folder/ledger.db"},
		{"no/such/../folder/ledger.db", "no/folder/ledger.db"},
	} {
		got, err := ledgerPath(tc.file)
		if err != nil || got != filepath.Join(root, tc.want) {
			t.Errorf("%s is %s, not %s (%v)", tc.file, got, tc.want, err)
		}
	}
	for _, file := range []string{"loop-a", "loop-a/ledger.db", "file/ledger.db"} {
		if got, err := ledgerPath(file); err == nil {
			t.Errorf("%s is %s, and not an error", file, got)
		}
	}
}

func TestStore(t *testing.T) {
	path, err := ledgerPath(filepath.Join(t.TempDir(), "deep", "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := acquireStore(path, fileStorage(t)), acquireStore(path, fileStorage(t))
	if a != b {
		t.Fatal("one path, two stores")
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Error("a store that nobody uses touched the disk:", err)
	}
	first, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.open(t.Context()); err != nil || again != first {
		t.Error("opened twice", err)
	}
	if err := releaseStore(path); err != nil {
		t.Fatal(err)
	}
	if _, err := b.open(t.Context()); err != nil {
		t.Error("closed under its second user:", err)
	}
	if err := releaseStore(path); err != nil {
		t.Fatal(err)
	}
	if _, err := b.open(t.Context()); !errors.Is(err, ledger.ErrClosed) {
		t.Error("after the last release:", err)
	}
	if n, ok := stores.References(path); ok {
		t.Errorf("%d references are left", n)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the ledger's file: %v, %v", info.Mode(), err)
	}

	// Whoever comes next gets a store of its own, on the same file.
	c := acquireStore(path, fileStorage(t))
	if _, err := c.open(t.Context()); c == a || err != nil {
		t.Error("the next user:", err)
	}
	if err := releaseStore(path); err != nil {
		t.Fatal(err)
	}
}

// A ledger that could not be opened is tried again.
func TestStoreTriesAgain(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "ledger.db", "this is not a database, and longer than the header of one: it goes on, and on, and on, and on, and on")
	s := acquireStore(path, fileStorage(t))
	defer func() { _ = releaseStore(path) }()
	if _, err := s.open(t.Context()); err == nil {
		t.Fatal("opened a text file")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.open(t.Context()); err != nil {
		t.Error(err)
	}
}

// A ledger that was in use and has vanished is not begun anew in silence.
func TestStoreKnowsItsLedger(t *testing.T) {
	path, err := ledgerPath(filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	storage := fileStorage(t)
	open := func() error {
		s := acquireStore(path, storage)
		defer func() { _ = releaseStore(path) }()
		_, err := s.open(t.Context())
		return err
	}
	for range 2 {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	err = open()
	m := marker{storage: storage, path: path}
	if err := m.find(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, sqlite.ErrMissing) || !strings.Contains(err.Error(), m.key) {
		t.Fatalf("without its file: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("a new one was begun all the same:", err)
	}
	if err := os.Rename(path+".moved", path); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Error("put back:", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := storage.Delete(t.Context(), m.key); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Error("begun anew on purpose:", err)
	}
	// Another machine that shares the storage has a ledger of its own under the same path.
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Error("on another machine:", err)
	}
}

// A storage that cannot be read does not make a vanished ledger a new one.
func TestStoreWithoutStorage(t *testing.T) {
	path, err := ledgerPath(filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	open := func() error {
		s := acquireStore(path, &certmagic.FileStorage{Path: write(t, t.TempDir(), "file", "no folder")})
		defer func() { _ = releaseStore(path) }()
		_, err := s.open(t.Context())
		return err
	}
	if err := open(); err == nil || !strings.Contains(err.Error(), "whether it was used before") {
		t.Errorf("opened: %v", err)
	}
	l, err := sqlite.Open(t.Context(), sqlite.Options{File: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	// A process that was killed while it wrote the instance's id takes no ledger away.
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	if err := os.MkdirAll(caddy.AppDataDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, caddy.AppDataDir(), "instance.uuid", "")
	if err := open(); err != nil {
		t.Errorf("with an empty instance id: %v", err)
	}
}

func fileStorage(t *testing.T) *certmagic.FileStorage {
	return &certmagic.FileStorage{Path: t.TempDir()}
}
