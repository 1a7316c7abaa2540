package file_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// gate is a disk that takes nothing while it is shut.
type gate struct {
	open   chan struct{} // closed when it is not shut
	forced atomic.Int64  // calls that went through
	broken atomic.Bool   // calls fail
}

func openGated(t *testing.T) (*Ledger, *gate) {
	t.Helper()
	l := openFile(t, newFile(t))
	g := &gate{open: make(chan struct{})}
	must(t, l.writeLax(t.Context(), func(*tx) error { // in the writer, while the disk has nothing to do
		*l.inside.Sync = func(f *os.File) error {
			<-g.open
			if g.broken.Load() {
				return errors.New("no disk")
			}
			g.forced.Add(1)
			return datasync(f)
		}
		return nil
	}))
	return l, g
}

func (g *gate) lift() { close(g.open) }

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

func claim(l *Ledger) ([]ledger.Event, error) {
	return l.Claim(context.Background(), ledger.Claim{Scope: scope, Owner: "a", Now: time.UnixMilli(9), Until: time.UnixMilli(99), Limit: 9})
}

// TestAcknowledgedIsOnDisk: nobody hears of an event before it is on disk, neither who brought it nor who would deliver it. What
// comes meanwhile goes into the next transaction.
func TestAcknowledgedIsOnDisk(t *testing.T) {
	l, g := openGated(t)
	changed, stop := l.Watch(ledger.EventsTopic(scope))
	defer stop()
	appended := make(chan error, 2)
	go func() { _, err := l.Append(context.Background(), newEvent("evt_1")); appended <- err }()
	eventually(t, "evt_1 is committed", func() bool { _, err := l.Event(t.Context(), scope, "evt_1"); return err == nil })
	commits := l.inside.Commits.Load()
	go func() { _, err := l.Append(context.Background(), newEvent("evt_2")); appended <- err }()
	eventually(t, "the job is taken", func() bool { return l.inside.Queued() == 0 })
	if len(appended) != 0 || len(changed) != 0 {
		t.Fatalf("before the disk had it: %d told that it is recorded, %d signals", len(appended), len(changed))
	}
	if l.inside.Commits.Load() != commits {
		t.Error("a transaction was committed although the disk was busy")
	}
	for range 2 { // evt_2 in the same transaction, and in one before
		if es, err := claim(l); err != nil || len(es) != 0 {
			t.Fatalf("before the disk had it: claimed %v, %v", es, err)
		}
	}
	g.lift()
	must(t, <-appended)
	must(t, <-appended)
	if len(changed) != 1 {
		t.Error("nobody was told of an event that is on disk")
	}
	if es, err := claim(l); err != nil || len(es) != 2 {
		t.Errorf("on disk: claimed %v, %v", es, err)
	}
}

// TestSlowDisk: what needs no disk does not wait for it, however many others do: claims, renewals, outcomes, and the next event of a lane.
func TestSlowDisk(t *testing.T) {
	l, g := openGated(t)
	appended := make(chan error, 400)
	add := func(id, lane string) {
		e := newEvent(id)
		e.Lane = lane
		_, err := l.Append(context.Background(), e)
		appended <- err
	}
	g.lift()
	add("evt_1", "a")
	add("evt_2", "a")
	g.open = make(chan struct{}) // shut, while the disk has nothing to do
	changed, stop := l.Watch(ledger.EventsTopic(scope))
	defer stop()
	go add("evt_0", "b")
	eventually(t, "the disk is busy", func() bool { return l.inside.Outstanding.Load() == 1 })
	for i, want := range []string{"evt_1", "evt_2"} {
		for n := range 100 {
			go add(fmt.Sprint("evt_", i, "_", n), "")
		}
		began := time.Now()
		es, err := claim(l)
		if err != nil || len(es) != 1 || es[0].ID != want {
			t.Fatalf("claimed %v, %v; want %s", es, err, want)
		}
		_, err = l.Renew(t.Context(), "a", ledger.Claim{Scope: scope, Until: time.UnixMilli(199)})
		must(t, err)
		must(t, l.Settle(t.Context(), "a", ledger.Delivery{Scope: scope, EventID: want, Attempt: 1, State: ledger.Delivered}))
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		if i == 0 {
			<-changed // the next of the lane
		}
	}
	if len(appended) != 2 {
		t.Fatalf("%d told of what is not on disk", len(appended)-2)
	}
	g.lift()
	for range 203 {
		must(t, <-appended)
	}
}

// TestLax: what may be lost in a power failure does not wait for the disk, and gets there by itself.
func TestLax(t *testing.T) {
	l, g := openGated(t)
	eventually(t, "the disk is free", func() bool { return l.inside.Outstanding.Load() == 0 })
	before := g.forced.Load()
	done := make(chan error, 1)
	go func() { _, err := claim(l); done <- err }()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(time.Minute):
		g.lift()
		<-done
		t.Fatal("a claim waits for the disk")
	}
	if g.forced.Load() != before {
		t.Error("a claim was forced to the disk")
	}
	g.lift()
	eventually(t, "the claim is on disk", func() bool { return g.forced.Load() > before })
}

// TestDiskFails: what the disk did not take is not acknowledged, and neither is what follows, until all of it is in the ledger's own file
// and the -wal file is new.
func TestDiskFails(t *testing.T) {
	l, g := openGated(t)
	g.lift()
	appendEvents(t, l, "evt_0")
	g.broken.Store(true)
	if _, err := l.Append(t.Context(), newEvent("evt_1")); !errors.Is(err, errForce) {
		t.Fatalf("while the disk fails: %v", err)
	}
	release := hold(t, l)
	g.broken.Store(false)
	if did, err := l.Append(t.Context(), newEvent("evt_1")); !errors.Is(err, errForce) {
		t.Fatalf("while the -wal file cannot begin anew: %s, %v", did, err)
	}
	release()
	did, err := l.Append(t.Context(), newEvent("evt_1"))
	if err != nil || did != ledger.Duplicate {
		t.Fatalf("the same event again, when the disk works: %s, %v", did, err)
	}
	if l.inside.Failed.Load() {
		t.Error("the disk still counts as failed")
	}
	appendEvents(t, l, "evt_2")
}

// payment is what arrives in production: a payment of an order, with a body of the usual size.
func payment(body []byte) *ledger.Event {
	// Ping++'s ids begin with the day and the time; what a merchant's order numbers begin with is anybody's guess.
	order, id := rand.Text(), time.Now().Format("0601021504050")+rand.Text()[:12]
	e := newEvent("evt_401" + id)
	e.ChargeID, e.ObjectID, e.Number, e.OrderNo, e.Lane = "ch_101"+id, "ch_101"+id, order, order, order
	e.Created, e.Received, e.Host = time.Now(), time.Now(), "shop.example.com"
	e.Change = &ledger.ChargeChange{Paid: true, TimePaid: e.Created}
	e.Payment = &ledger.Payment{Amount: 100, Currency: "cny", Time: e.Created}
	e.Signature, e.Body = string(body[:344]), body
	return e
}

// TestFold: the -wal file is copied into the ledger, and begins anew, while writes follow each other without a pause.
func TestFold(t *testing.T) {
	l := openFile(t, newFile(t))
	must(t, l.writeLax(t.Context(), func(*tx) error {
		*l.inside.After, *l.inside.Rest = 50, 200
		return nil
	}))
	const events, callers, most = 2400, 8, 12 << 20
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range events / callers {
				if _, err := l.Append(context.Background(), payment(make([]byte, 8000))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	info, err := os.Stat(l.file + "-wal")
	must(t, err)
	if info.Size() > most { // 2 pages at least for a body alone: 19 MB
		t.Errorf("the -wal file has %d bytes after %d events", info.Size(), events)
	}
}
