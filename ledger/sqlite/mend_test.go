package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// logOf returns a ledger's -wal file, and the salt of its header.
func logOf(t *testing.T, file string) (log []byte, salt uint64) {
	t.Helper()
	log, err := os.ReadFile(file + "-wal")
	must(t, err)
	if len(log) >= logHeader {
		salt = binary.BigEndian.Uint64(log[16:])
	}
	return log, salt
}

// hole is a part of a -wal file whose fsync has failed.
type hole struct {
	salt     uint64
	from, to int
}

// makeHole appends an event that the disk does not take.
func makeHole(t *testing.T, l *Ledger, g *gate, id string) hole {
	t.Helper()
	before, salt := logOf(t, l.file)
	g.broken.Store(true)
	defer g.broken.Store(false)
	e := newEvent(id)
	e.Body = make([]byte, 20_000)
	if _, err := l.Append(t.Context(), e); !errors.Is(err, errForce) {
		t.Fatalf("while the disk fails: %v", err)
	}
	after, _ := logOf(t, l.file)
	return hole{salt, len(before), len(after)}
}

// losePower returns what is on the disk after a power failure, if the system has never written again what failed once.
func losePower(t *testing.T, file string, h hole) string {
	t.Helper()
	image := newFile(t)
	must(t, os.Mkdir(filepath.Dir(image), 0o700))
	main, err := os.ReadFile(file)
	must(t, err)
	log, salt := logOf(t, file)
	if salt == h.salt {
		clear(log[h.from:min(h.to, len(log))])
	}
	must(t, os.WriteFile(image, main, 0o600))
	must(t, os.WriteFile(image+"-wal", log, 0o600))
	return image
}

func sound(t *testing.T, l *Ledger) {
	t.Helper()
	if check := ask(t, l, "PRAGMA integrity_check", (*row).text); check != "ok" {
		t.Errorf("integrity: %s", check)
	}
}

func has(t *testing.T, l *Ledger, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := l.Event(t.Context(), scope, id); err != nil {
			t.Errorf("%s was acknowledged: %v", id, err)
		}
	}
}

// TestNothingBehindAHole: after a failed fsync nothing is acknowledged on the strength of what may never have got to the disk, neither
// what is new nor what was refused before, and also not while somebody reads.
func TestNothingBehindAHole(t *testing.T) {
	for _, c := range []struct {
		name, next string
		want       ledger.Appended
		reader     bool
	}{
		{"another event", "evt_2", ledger.Recorded, false},
		{"the same event", "evt_1", ledger.Duplicate, false},
		{"another event, beside a reader", "evt_2", ledger.Recorded, true},
		{"the same event, beside a reader", "evt_1", ledger.Duplicate, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, g := openGated(t)
			g.lift()
			appendEvents(t, l, "evt_0")
			h := makeHole(t, l, g, "evt_1")
			if c.reader {
				release := hold(t, l)
				if did, err := l.Append(t.Context(), newEvent(c.next)); !errors.Is(err, errForce) {
					t.Errorf("acknowledged while the -wal file has a hole: %s, %v", did, err)
				}
				release()
			}
			did, err := l.Append(t.Context(), newEvent(c.next))
			if err != nil || did != c.want {
				t.Fatalf("when the disk works: %s, %v", did, err)
			}
			after := openFile(t, losePower(t, l.file, h))
			has(t, after, "evt_0", c.next)
			sound(t, after)
		})
	}
}

// TestHolesBesideReaders: readers do not keep the -wal file from beginning anew.
func TestHolesBesideReaders(t *testing.T) {
	l, g := openGated(t)
	g.lift()
	stop, stopped := make(chan struct{}), make(chan struct{})
	for range 2 {
		go func() {
			defer func() { stopped <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = l.NextDue(t.Context(), scope)
				_, _ = l.Events(t.Context(), ledger.Filter{Scope: scope, Limit: 50})
			}
		}()
	}
	for i := range 30 {
		old, next := "evt_old_"+string(rune('a'+i)), "evt_next_"+string(rune('a'+i))
		h := makeHole(t, l, g, old)
		if _, err := l.Append(t.Context(), newEvent(next)); err != nil {
			t.Errorf("refused when the disk works: %v", err)
		}
		if _, salt := logOf(t, l.file); salt == h.salt {
			t.Fatal("the -wal file still has its hole")
		}
	}
	close(stop)
	<-stopped
	<-stopped
}

// TestLongReadersYield: what reads for long is ended, so that the -wal file can begin anew.
func TestLongReadersYield(t *testing.T) {
	l, g := openGated(t)
	g.lift()
	h := makeHole(t, l, g, "evt_1")
	ctx, done := l.pauses.takeLong(t.Context())
	ended := make(chan error)
	go func() {
		<-ctx.Done()
		done()
		ended <- context.Cause(ctx)
	}()
	appendEvents(t, l, "evt_2")
	if err := <-ended; !errors.Is(err, errYield) {
		t.Errorf("ended by %v", err)
	}
	if _, salt := logOf(t, l.file); salt == h.salt {
		t.Error("the -wal file still has its hole")
	}
	if faults, err := l.Verify(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("afterwards: %v, %v", faults, err)
	}
}

// TestCloseWithHole: a ledger that is closed while its disk fails copies nothing that is not whole; the next one goes on from there.
func TestCloseWithHole(t *testing.T) {
	file := newFile(t)
	l, err := Open(t.Context(), Options{File: file})
	must(t, err)
	appendEvents(t, l, "evt_0")
	err = l.write(t.Context(), func(*tx) error {
		l.writer.disk.sync = func(*os.File) error { return errors.New("no disk") }
		return nil
	})
	if !errors.Is(err, errForce) {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	must(t, err)
	log, _ := logOf(t, file)
	if err := l.Close(); !errors.Is(err, errForce) {
		t.Errorf("closed: %v", err)
	}
	after, err := os.ReadFile(file)
	must(t, err)
	if left, _ := logOf(t, file); !bytes.Equal(after, before) || !bytes.Equal(left, log) {
		t.Error("the files are not as they were")
	}
	l = openFile(t, file)
	has(t, l, "evt_0")
	appendEvents(t, l, "evt_1")
	sound(t, l)
}

// TestStartOver: when the ledger's own file could not be forced to the disk, all of the -wal file is copied into it once more, also what
// SQLite takes for copied; as long as another program has the ledger open that cannot be, and nothing is acknowledged.
func TestStartOver(t *testing.T) {
	l := openFile(t, newFile(t))
	other, err := Open(t.Context(), Options{File: l.file})
	must(t, err)
	appendEvents(t, l, "evt_0")
	l.writer.disk.torn.Store(true) // as noteForce does
	l.writer.disk.failed.Store(true)
	before, err := os.ReadFile(l.file)
	must(t, err)
	if done, err := copiedBy(other, "PASSIVE"); err != nil || done.pages == 0 {
		t.Fatalf("nothing is taken for copied: %+v, %v", done, err)
	}
	if _, err := l.Append(t.Context(), newEvent("evt_1")); err == nil || !strings.Contains(err.Error(), "another program has the ledger open") {
		t.Errorf("beside another program: %v", err)
	}
	has(t, l, "evt_0") // reads go on
	// As a program that is killed.
	must(t, errors.Join(other.reads.close(), other.writer.conn.close(), other.anchor.weigh()))
	other.anchor = nil
	must(t, os.WriteFile(l.file, before, 0o600)) // what was copied is lost
	appendEvents(t, l, "evt_2")
	has(t, l, "evt_0", "evt_2")
	sound(t, l)
	other.writer.conn = nil
	must(t, other.Close())
}
