package file_test

import (
	"bytes"

	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// damage overwrites the page of the file in which a text stands.
func damage(t *testing.T, file, text string) {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	i := bytes.Index(b, []byte(text))
	if i < 0 {
		t.Fatalf("%q is not in %s", text, file)
	}
	page := i / 4096 * 4096
	for j := range 200 {
		b[page+j] = 0xff
	}
	must(t, os.WriteFile(file, b, 0o600))
}

// What is damaged where delivery needs it keeps Caddy from starting; the rest is found by the check of the whole.
func TestDamagedPages(t *testing.T) {
	for _, c := range []struct {
		name  string
		where string
		start bool
	}{
		{"pending events", "trace of evt_pending500", false},
		{"their bodies", "body of evt_pending500", false},
		{"what was delivered", "trace of evt_old500", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := newFile(t)
			l := openFile(t, file)
			for _, kind := range []string{"evt_old", "evt_pending"} {
				appendMany(t, l, kind, 1000)
				must(t, l.write(t.Context(), func(t *tx) error {
					return deliverAll(t, "evt_old")
				}))
			}
			must(t, l.Close())
			if faults := verifyFile(t, file); len(faults) > 0 {
				t.Fatalf("before: %q", faults)
			}
			damage(t, file, c.where)
			l, err := Open(t.Context(), Options{File: file})
			if !c.start {
				if err == nil {
					l.Close()
					t.Fatal("opened")
				}
				if !strings.Contains(err.Error(), "damaged; restore it") {
					t.Error(err)
				}
				return
			}
			must(t, err)
			defer l.Close()
			if faults, err := l.Verify(t.Context()); err != nil || len(faults) == 0 {
				t.Errorf("nothing found: %v", err)
			}
		})
	}
}

// appendMany records events at the same time, whose ids end in 000 and so on.
func appendMany(t *testing.T, l *Ledger, prefix string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			e := newEvent(fmt.Sprintf("%s%03d", prefix, i))
			e.TraceParent = "trace of " + e.ID
			if _, err := l.Append(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// deliverAll makes all events delivered whose ids begin with a prefix.
func deliverAll(t *tx, prefix string) error {
	for _, text := range []string{
		"UPDATE events SET state = 'delivered' WHERE id LIKE '" + prefix + "%'",
		"DELETE FROM counts",
		"INSERT INTO counts SELECT scope, state, count(*) FROM events GROUP BY scope, state",
	} {
		if err := t.conn.Run(text, nil); err != nil {
			return err
		}
	}
	return nil
}

func verifyFile(t *testing.T, file string) []string {
	t.Helper()
	l, err := Open(t.Context(), Options{File: file})
	must(t, err)
	defer l.Close()
	faults, err := l.Verify(t.Context())
	must(t, err)
	return faults
}

// The whole is checked by itself while the ledger is open, and what is found is logged.
func TestVerifyInTheBackground(t *testing.T) {
	for _, sound := range []bool{true, false} {
		t.Run(fmt.Sprint(sound), func(t *testing.T) {
			file := newFile(t)
			l := openFile(t, file)
			// Whoever opens the ledger reads the page of the last event, and the one in which the first were once.
			for _, kind := range []string{"evt_first", "evt_", "evt_last"} {
				appendMany(t, l, kind, 100)
			}
			must(t, l.write(t.Context(), func(t *tx) error {
				return deliverAll(t, "evt_")
			}))
			must(t, l.Close())
			want := "the ledger is sound"
			if !sound {
				damage(t, file, "evt_050")
				want = "the ledger is damaged"
			}
			core, logs := observer.New(zap.InfoLevel)
			l, err := Open(t.Context(), Options{File: file, Logger: zap.New(core)})
			must(t, err)
			defer l.Close()
			defer l.inside.Guard(time.Millisecond)()
			eventually(t, want, func() bool {
				for _, line := range logs.All() {
					if strings.HasPrefix(line.Message, want) {
						return true
					}
				}
				return false
			})
		})
	}
}

// An attempt that has no sound page in the list of attempts does not keep its outcome from being recorded.
func TestDamagedAttempts(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	appendMany(t, l, "evt_", 3)
	now := time.Now()
	settle := func(l *Ledger, i int, odd string) {
		owner := fmt.Sprint("owner", i)
		es, err := l.Claim(t.Context(), ledger.Claim{Scope: scope, Owner: owner, Now: now, Until: now.Add(time.Second), Limit: 1})
		must(t, err)
		must(t, l.Settle(t.Context(), owner, ledger.Delivery{Scope: scope, EventID: es[0].ID, Attempt: 1, At: now, Error: odd, Snippet: "mark of the attempt", State: ledger.Delivered}))
		e, err := l.Event(t.Context(), scope, es[0].ID)
		must(t, err)
		if e.State != ledger.Delivered {
			t.Errorf("%s is %s", e.ID, e.State)
		}
	}
	settle(l, 0, "what keeps it from standing in the event's row")
	must(t, l.Close())
	damage(t, file, "mark of the attempt")
	core, logs := observer.New(zap.ErrorLevel)
	l, err := Open(t.Context(), Options{File: file, Logger: zap.New(core)})
	must(t, err)
	defer l.Close()
	settle(l, 1, "")
	settle(l, 2, "the same")
	if logs.FilterMessageSnippet("but not the attempt").Len() != 2 {
		t.Errorf("logged %v", logs.All())
	}
}

// What is only counted wrong is logged as that: nobody is called to a backup.
func TestMiscountedInTheBackground(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l, err := Open(t.Context(), Options{File: newFile(t), Logger: zap.New(core)})
	must(t, err)
	defer l.Close()
	appendMany(t, l, "evt_", 2)
	must(t, l.write(t.Context(), func(t *tx) error {
		return t.conn.Run("INSERT INTO counts SELECT id, 'dead', 1 FROM scopes", nil)
	}))
	defer l.inside.Guard(time.Millisecond)()
	eventually(t, "the log says so", func() bool { return logs.FilterMessageSnippet("is counted wrong").Len() > 0 })
	if n := logs.FilterMessageSnippet("restore").Len(); n > 0 {
		t.Errorf("the log calls for a backup: %v", logs.All())
	}
}
