package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/check"
	"github.com/caddypay/caddypay/handlers"
)

// A Caddy that was started twice says so in its log, once the other had the time to go; what else has the ledger open is no business of that line.
func TestStartedTwiceIsSaid(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	book := &check.Book{File: "/var/lib/caddy/pay.db", Since: long, Users: func() []check.User {
		return []check.User{{PID: 4710, Name: "sqlite3", Since: long}, {PID: 4711, Name: "caddy", Since: long, Alike: true}, {PID: 4712, Name: "caddy", Since: time.Now(), Alike: true}}
	}}
	core, logs := observer.New(zap.WarnLevel)
	over := make(chan time.Time, 1)
	over <- time.Now()
	warnOfTwins(t.Context(), over, book, zap.New(core))
	if all := logs.All(); len(all) != 1 || all[0].ContextMap()["pid"] != int64(4711) || all[0].ContextMap()["ledger"] != book.File {
		t.Errorf("%+v", all)
	}
}

// The check of another process, whose request came to this one, learns that it is a caddypay too. Nobody else's request is told from a webhook.
func TestKnockOfAnother(t *testing.T) {
	var k knocks
	site := &handlers.Config{Prefix: "/pay"}
	for secret, want := range map[string]string{"": "", "another's": check.KnockUnknown} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "https://shop.test/pay/webhooks", nil)
		r.Header.Set(check.KnockHeader, secret)
		if k.answer(w, r, site) || w.Header().Get(check.KnockHeader) != want {
			t.Errorf("%q: %v", secret, w.Header())
		}
	}
}
