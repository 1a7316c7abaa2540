package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/caddypay/caddypay/wechat"
)

const (
	sessionKeyBytes = 32 // A256GCM
	sessionKeyName  = "pay/session.key"
	sessionKeyLock  = "pay_session_key"
)

// storedKey is the session key that nobody configured: made once, under the storage's lock, when a session is first needed, and
// kept where all nodes have it (see store.shared), so that every node reads every session.
type storedKey struct {
	storage wechat.Storage
	random  io.Reader

	mu  sync.Mutex
	key []byte
}

func (k *storedKey) keys(ctx context.Context) ([][]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		key, err := k.loadOrMake(ctx)
		if err != nil {
			return nil, fmt.Errorf("session key in %s: %w", storageName(k.storage), err)
		}
		k.key = key
	}
	return [][]byte{k.key}, nil
}

func (k *storedKey) loadOrMake(ctx context.Context) ([]byte, error) {
	if key, err := k.load(ctx); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := k.storage.Lock(ctx, sessionKeyLock); err != nil {
		return nil, err
	}
	defer func() { _ = k.storage.Unlock(context.WithoutCancel(ctx), sessionKeyLock) }()
	if key, err := k.load(ctx); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key := make([]byte, sessionKeyBytes)
	if _, err := io.ReadFull(k.random, key); err != nil {
		return nil, err
	}
	return key, k.storage.Store(ctx, sessionKeyName, key)
}

func (k *storedKey) load(ctx context.Context) ([]byte, error) {
	key, err := k.storage.Load(ctx, sessionKeyName)
	if err == nil && len(key) != sessionKeyBytes {
		return nil, fmt.Errorf("%s has %d bytes instead of %d; delete it, and everybody logs in again", sessionKeyName, len(key), sessionKeyBytes)
	}
	return key, err
}
