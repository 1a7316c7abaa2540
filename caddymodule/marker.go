package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// marker remembers in Caddy's storage that a ledger's file was in use, so that one that has vanished is not begun anew in silence: the next
// start would forget what was paid. Several machines may share a storage, each with a ledger of its own under the same path: the key names
// Caddy's instance.
type marker struct {
	storage certmagic.Storage
	path    string
	key     string
}

func newMarker(storage certmagic.Storage, path string) (*marker, error) {
	instance, err := caddy.InstanceID()
	if err != nil {
		return nil, fmt.Errorf("ledger %s: Caddy's instance id, a file in its data directory, cannot be read: %w", path, err)
	}
	sum := sha256.Sum256([]byte(path))
	return &marker{storage: storage, path: path, key: "pay/ledgers/" + instance.String() + "/" + hex.EncodeToString(sum[:8]) + ".json"}, nil
}

// known reports whether the file was in use before.
func (m *marker) known(ctx context.Context) (bool, error) {
	_, err := m.storage.Load(ctx, m.key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ledger %s: whether it was used before cannot be read from Caddy's storage: %w", m.path, err)
	}
	return true, nil
}

// set remembers it. A storage that cannot be written to is no reason to take no payments.
func (m *marker) set(ctx context.Context) {
	text, err := json.Marshal(map[string]any{"file": m.path, "since": time.Now().UTC().Format(time.RFC3339)})
	if err == nil {
		err = m.storage.Store(ctx, m.key, text)
	}
	if err != nil {
		ledgerLog(m.path).Warn("Caddy's storage cannot be written to: if the ledger's file vanishes, the next start will not notice", zap.Error(err))
	}
}
