package caddymodule

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/caddyserver/certmagic"
)

// Many requests at many instances on one storage make one key.
func TestStoredKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	a := &storedKey{storage: &certmagic.FileStorage{Path: dir}, random: rand.Reader}
	b := &storedKey{storage: &certmagic.FileStorage{Path: dir}, random: rand.Reader}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Fatal("something is written before a session is needed", entries, err)
	}
	var wg sync.WaitGroup
	got := make([][]byte, 40)
	for i := range got {
		k := []*storedKey{a, b}[i%2]
		wg.Go(func() {
			keys, err := k.keys(t.Context())
			if err != nil || len(keys) != 1 {
				t.Error(keys, err)
				return
			}
			got[i] = keys[0]
		})
	}
	wg.Wait()
	stored, err := os.ReadFile(filepath.Join(dir, "pay", "session.key"))
	if err != nil || len(stored) != sessionKeyBytes {
		t.Fatal(len(stored), err)
	}
	for i, key := range got {
		if !bytes.Equal(key, stored) {
			t.Errorf("request %d has another key", i)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "pay", "session.key"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Error("others can read the key:", info.Mode(), err)
	}

	// A later process reads it.
	c := &storedKey{storage: &certmagic.FileStorage{Path: dir}, random: iotest.ErrReader(errors.New("no more keys"))}
	if keys, err := c.keys(t.Context()); err != nil || !bytes.Equal(keys[0], stored) {
		t.Error("another process:", err)
	}
}

func TestStoredKeyErrors(t *testing.T) {
	t.Run("wrong size", func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		short := []byte("Mark, sixteen by")
		if err := storage.Store(t.Context(), sessionKeyName, short); err != nil {
			t.Fatal(err)
		}
		_, err := (&storedKey{storage: storage, random: rand.Reader}).keys(t.Context())
		if err == nil || !strings.Contains(err.Error(), "pay/session.key has 16 bytes instead of 32; delete it") || strings.Contains(err.Error(), "Mark") {
			t.Error(err)
		}
		if kept, err := storage.Load(t.Context(), sessionKeyName); err != nil || !bytes.Equal(kept, short) {
			t.Error("it was overwritten", err)
		}
	})
	t.Run("no randomness", func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		k := &storedKey{storage: storage, random: iotest.ErrReader(errors.New("dry"))}
		if _, err := k.keys(t.Context()); err == nil || !strings.Contains(err.Error(), "dry") {
			t.Error(err)
		}
		if _, err := storage.Load(t.Context(), sessionKeyName); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a key is stored all the same:", err)
		}
		k.random = rand.Reader
		if _, err := k.keys(t.Context()); err != nil {
			t.Error("an error is remembered, or the lock is held:", err)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		k := &storedKey{storage: &certmagic.FileStorage{Path: t.TempDir()}, random: rand.Reader}
		if _, err := k.keys(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := k.keys(t.Context()); err != nil {
			t.Error("the next request:", err)
		}
	})
	t.Run("storage that cannot be written", func(t *testing.T) {
		file := write(t, t.TempDir(), "file", "")
		_, err := (&storedKey{storage: &certmagic.FileStorage{Path: file}, random: rand.Reader}).keys(t.Context())
		if err == nil || !strings.Contains(err.Error(), "session key in Caddy's storage") {
			t.Error(err)
		}
	})
}
