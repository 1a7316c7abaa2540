package caddymodule

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddypay/caddypay/ledger"
)

// stores holds the open ledgers of this process by their places, so that two sites, or the old and the new
// configuration during a reload, share one.
var stores = caddy.NewUsagePool()

// store is a ledger that is opened when it is first needed: provisioning, and so `caddy validate`, touches no file and no server. It
// belongs to no configuration and keeps nothing of one.
type store struct {
	home    home
	storage certmagic.Storage // Caddy's: remembers that the ledger was in use

	mu      sync.Mutex
	ledger  ledger.Ledger // nil until opened
	closed  bool
	attempt *attempt           // to reach the server; nil: there was none
	end     context.CancelFunc // of the attempt
	failed  bool               // the last attempt

	ready atomic.Pointer[ledger.Ledger] // the ledger, for who does not wait until it is open
}

// acquireStore takes a reference on the store of an SQLite file, by its resolved path; each is given back with one releaseStore. The storage is that of
// whoever comes first.
func acquireStore(path string, storage certmagic.Storage) *store {
	return acquire(inFile(path), storage)
}

func acquire(p home, storage certmagic.Storage) *store {
	s, _ := stores.LoadOrStore(p.key, &store{home: p, storage: storage})
	return s.(*store)
}

func releaseStore(key string) error {
	_, err := stores.Delete(key)
	return err
}

// shareLedger takes a reference on the store in a file, of a Caddy whose storage is a folder. release gives it back, once everybody else has: what is
// under way when a Caddy stops still has to be recorded, and after it the file may be removed.
func shareLedger(file, storage string) (open func(context.Context) (ledger.Ledger, error), release func(), err error) {
	path, err := ledgerPath(file)
	if err != nil {
		return nil, nil, err
	}
	return acquireStore(path, &certmagic.FileStorage{Path: storage}).open, func() {
		for end := time.Now().Add(exitGrace); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if n, _ := stores.References(path); n <= 1 {
				break
			}
		}
		_ = releaseStore(path)
	}, nil
}

// open returns the ledger, opening it the first time. An error is not remembered: the next call tries again.
func (s *store) open(ctx context.Context) (ledger.Ledger, error) {
	if l, ok := s.opened(); ok {
		return l, nil
	}
	if s.home.file == "" {
		return s.reach(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ledger.ErrClosed
	case s.ledger != nil:
		return s.ledger, nil
	}
	l, err := s.home.open(ctx, s.storage)
	if err != nil {
		return nil, err
	}
	s.opens(l)
	return l, nil
}

// opens keeps the ledger. s.mu is held.
func (s *store) opens(l ledger.Ledger) {
	s.ledger = l
	s.ready.Store(&s.ledger)
}

// opened returns the ledger if it is open, and never waits.
func (s *store) opened() (ledger.Ledger, bool) {
	l := s.ready.Load()
	if l == nil {
		return nil, false
	}
	return *l, true
}

func ledgerLog(path string) *zap.Logger {
	return plainLog(caddy.Log()).Named("pay.ledger").With(zap.String("file", path))
}

// Destruct closes the ledger when its last user is gone. A request that is still running then gets ledger.ErrClosed, and with it
// Ping++ a 503: it comes again.
func (s *store) Destruct() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.ready.Store(nil)
	if s.end != nil {
		s.end()
	}
	if s.ledger == nil {
		return nil
	}
	return s.ledger.Close()
}

// ledgerPath resolves the ledger's file so that every spelling of one file gives one path.
func ledgerPath(file string) (string, error) {
	if file == "" {
		file = filepath.Join(caddy.AppDataDir(), "pay", "ledger.db")
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("ledger file %s: %w", file, err)
	}
	// The file or its folder may not exist yet: resolve the part that does.
	rest := ""
	for dir := abs; ; dir = filepath.Dir(dir) {
		resolved, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(resolved, rest), nil
		}
		if !os.IsNotExist(err) || filepath.Dir(dir) == dir {
			return "", fmt.Errorf("ledger file %s: %w", file, err)
		}
		if target, err := os.Readlink(dir); err == nil { // a link to what does not exist yet
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(dir), target)
			}
			return ledgerPath(filepath.Join(target, rest))
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// Interface guard
var _ caddy.Destructor = (*store)(nil)
