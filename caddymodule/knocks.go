package caddymodule

import (
	"net/http"
	"sync"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/handlers"
)

// knocks are the requests by which checks see whether a URL leads here.
type knocks struct {
	mu    sync.Mutex
	await map[string]bool // by their secrets: whether they came
}

func (k *knocks) expect(secret string) (came func() bool, forget func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.await == nil {
		k.await = make(map[string]bool)
	}
	k.await[secret] = false
	return func() bool {
			k.mu.Lock()
			defer k.mu.Unlock()
			return k.await[secret]
		}, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			delete(k.await, secret)
		}
}

// answer answers one that is expected, as a webhook would be that comes the same way; false: it is none.
func (k *knocks) answer(w http.ResponseWriter, r *http.Request, site *handlers.Config) bool {
	secret := r.Header.Get(check.KnockHeader)
	if secret == "" {
		return false
	}
	k.mu.Lock()
	_, expected := k.await[secret]
	if expected {
		k.await[secret] = true
	}
	k.mu.Unlock()
	if !expected {
		w.Header().Set(check.KnockHeader, check.KnockUnknown) // the check of another process, which shares this one's port, came here
	}
	if !expected || r.URL.Path != site.Prefix+"/webhooks" {
		return false
	}
	if !site.Secure(r) && !site.AllowHTTP {
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
