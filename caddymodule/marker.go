package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	key     string // once find has been called
}

// instancePatience is how long another process may take to write down Caddy's instance id, which it does in two steps.
const instancePatience = time.Second

func (m *marker) find() error {
	for start := time.Now(); m.key == ""; time.Sleep(10 * time.Millisecond) {
		instance, err := caddy.InstanceID()
		if err == nil {
			sum := sha256.Sum256([]byte(m.path))
			m.key = "pay/ledgers/" + instance.String() + "/" + hex.EncodeToString(sum[:8]) + ".json"
		} else if time.Since(start) > instancePatience {
			return fmt.Errorf("the instance id of Caddy cannot be read; if the file instance.uuid in its data directory (%s) is empty or damaged, delete it: %w", caddy.AppDataDir(), err)
		}
	}
	return nil
}

// known reports whether the file was in use before.
func (m *marker) known(ctx context.Context) (bool, error) {
	if err := m.find(); err != nil {
		if _, serr := os.Stat(filepath.Join(caddy.AppDataDir(), "instance.uuid")); errors.Is(serr, fs.ErrNotExist) {
			return false, nil // an id that was never written down has marked nothing
		}
		return false, err
	}
	_, err := m.storage.Load(ctx, m.key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("whether it was used before cannot be read from Caddy's storage: %w", err)
	}
	return true, nil
}

// set remembers it. A storage that cannot be written to is no reason to take no payments.
func (m *marker) set(ctx context.Context) {
	known, err := m.known(ctx)
	if known {
		return
	}
	if err == nil {
		err = m.find()
	}
	var text []byte
	if err == nil {
		text, err = json.Marshal(map[string]any{"file": m.path, "since": time.Now().UTC().Format(time.RFC3339)})
	}
	if err == nil {
		err = m.storage.Store(ctx, m.key, text)
	}
	if err != nil {
		ledgerLog(m.path).Warn("that the ledger is in use cannot be kept in Caddy's storage: if its file vanishes, the next start will not notice", zap.Error(err))
	}
}
