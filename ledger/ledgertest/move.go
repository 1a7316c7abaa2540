package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
	"github.com/caddypay/caddypay/ledger/ledgertest/old"
)

// Mover is a ledger that can be moved to another engine.
type Mover interface {
	ledger.Ledger
	Export(ctx context.Context, to io.Writer, tell func(core.Moved)) (core.Moved, error)
	Import(ctx context.Context, from io.Reader, now time.Time, tell func(core.Moved)) (core.Moved, error)
}

// RunMove moves a ledger to another, in which nothing may be; both are opened by their functions. What is moved is there once, and goes on as before.
func RunMove(t *testing.T, from, to func(t *testing.T) Mover) {
	a := from(t)
	furnish(t, a)
	out := exported(t, a)
	t.Run("whole", func(t *testing.T) {
		b := to(t)
		m, err := b.Import(t.Context(), bytes.NewReader(out), at(900), func(core.Moved) {})
		must(t, err)
		if m.Counts["events"] == 0 || m.Counts["charges"] == 0 || m.Counts["refunds"] == 0 || m.Counts["audit"] == 0 || m.Counts["runs"] == 0 || m.Counts["logins"] != 1 || m.Counts["quotes"] == 0 {
			t.Errorf("moved %v", m.Counts)
		}
		sameLedgers(t, a, b)
		_, err = b.Import(t.Context(), bytes.NewReader(out), at(901), func(core.Moved) {})
		if !errors.Is(err, core.ErrNotEmpty) {
			t.Errorf("moved once more: %v", err)
		}
		goesOn(t, b)
	})
	t.Run("broken off", func(t *testing.T) {
		b := to(t)
		for cut := len(out) / 5; cut < len(out); cut += len(out) / 5 {
			if _, err := b.Import(t.Context(), bytes.NewReader(out[:cut]), at(900), func(core.Moved) {}); err == nil || !strings.Contains(err.Error(), "is cut off") {
				t.Fatalf("an export of which %d of %d bytes are there: %v", cut, len(out), err)
			}
		}
		other := exported(t, a) // has another id
		if _, err := b.Import(t.Context(), bytes.NewReader(other), at(900), func(core.Moved) {}); !errors.Is(err, core.ErrNotEmpty) {
			t.Errorf("another export on top of half of one: %v", err)
		}
		_, err := b.Import(t.Context(), bytes.NewReader(out), at(900), func(core.Moved) {})
		must(t, err)
		sameLedgers(t, a, b)
	})
	t.Run("damaged", func(t *testing.T) {
		damaged := bytes.Replace(out, []byte(`"PaidAmount":100`), []byte(`"PaidAmount":101`), 1)
		if bytes.Equal(damaged, out) {
			t.Fatal("nothing to damage")
		}
		if _, err := to(t).Import(t.Context(), bytes.NewReader(damaged), at(900), func(core.Moved) {}); err == nil || !strings.Contains(err.Error(), "the export is damaged") {
			t.Errorf("%v", err)
		}
		if _, err := to(t).Import(t.Context(), strings.NewReader("{}\n"), at(900), func(core.Moved) {}); err == nil || !strings.Contains(err.Error(), "this is no exported ledger") {
			t.Errorf("%v", err)
		}
	})
}

// RunMoveOld moves a ledger that an older version began, in a file that is brought up to date, to another one, and that to the next. Of the hours for which
// nobody counted then, each says what the first one says.
func RunMoveOld(t *testing.T, open func(t *testing.T, file string) Mover, to ...func(t *testing.T) Mover) {
	file := filepath.Join(t.TempDir(), "old.db")
	must(t, old.Write1(file, old.Paid1(live.App, string(live.Mode), 200, 100)+old.Waiting1))
	a := open(t, file)
	next := payment("evt_next", "ch_next", "next") // in an hour for which it is counted
	next.Received = time.Now().Add(2 * time.Hour)
	add(t, a, next, ledger.Recorded)
	must(t, decide(t, a, ledger.ActionReplay, "evt_discarded", 1)) // whose money is counted for an hour before that
	faults, err := a.Verify(t.Context())
	must(t, err)
	equal(t, "faults of what is moved", len(faults), 0)
	for _, to := range to {
		b := to(t)
		_, err := b.Import(t.Context(), bytes.NewReader(exported(t, a)), at(900), func(core.Moved) {})
		must(t, err)
		sameLedgers(t, a, b)
		was, err := a.Hours(t.Context(), live, ledger.FirstTime, ledger.LastTime)
		must(t, err)
		is, err := b.Hours(t.Context(), live, ledger.FirstTime, ledger.LastTime)
		must(t, err)
		equal(t, "hours", is, was)
		equal(t, "how many", len(is), 2)
		a = b
	}
}

func exported(t *testing.T, l Mover) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := l.Export(t.Context(), &out, func(core.Moved) {})
	must(t, err)
	return out.Bytes()
}

// sameLedgers compares all but the heads, which have an id each.
func sameLedgers(t *testing.T, a, b Mover) {
	t.Helper()
	left, right := bytes.Split(exported(t, a), []byte("\n")), bytes.Split(exported(t, b), []byte("\n"))
	if len(left) != len(right) {
		t.Errorf("%d lines became %d", len(left), len(right))
	}
	for i := 1; i < min(len(left), len(right)); i++ {
		if !bytes.Equal(left[i], right[i]) {
			t.Fatalf("line %d:\n%s\nbecame\n%s", i, left[i], right[i])
		}
	}
	faults, err := b.Verify(t.Context())
	must(t, err)
	if len(faults) > 0 {
		t.Errorf("what was moved is damaged: %v", faults)
	}
	for _, s := range []ledger.Scope{live, test} {
		was, err := a.Figures(t.Context(), s)
		must(t, err)
		is, err := b.Figures(t.Context(), s)
		must(t, err)
		was.Bytes, was.WALBytes, was.Readers, is.Bytes, is.WALBytes, is.Readers = 0, 0, 0, 0, 0, 0
		equal(t, "figures of "+s.Key(), show(is), show(was))
	}
}

// furnish records some of everything.
func furnish(t *testing.T, l ledger.Ledger) {
	for i := range 60 {
		no := fmt.Sprint("o", i)
		charge(t, l, no, "ch_"+no)
		e := payment("evt_"+no, "ch_"+no, no)
		e.Signature, e.TraceParent = "signed", "00-01"
		add(t, l, e, ledger.Recorded)
	}
	other := event(test, "evt_test")
	add(t, l, other, ledger.Recorded)
	for i, id := range claim(t, l, "a", at(1), at(30), 40) {
		d := ledger.Delivery{Scope: live, EventID: id, Attempt: 1, At: at(2), Took: 1234567 * time.Microsecond, Status: 200, Snippet: "ok \xff\x00", State: ledger.Delivered}
		switch i % 4 {
		case 1:
			d.Status, d.Error, d.State, d.Due = 500, "it failed", ledger.Pending, at(90)
		case 2:
			d.Status, d.Error, d.State = 500, "it failed", ledger.Dead
		case 3:
			d.Status, d.Error, d.State, d.Due, d.Back, d.Uncounted = 0, "it is away", ledger.Pending, at(90), at(60), true
		}
		must(t, l.Settle(t.Context(), "a", d))
	}
	wrong := payment("evt_wrong", "ch_o59", "o59")
	wrong.ObjectID = "ch_o59"
	_, err := l.Append(t.Context(), wrong) // the same effect
	must(t, err)
	add(t, l, payment("evt_foreign", "ch_foreign", "o1"), ledger.Recorded)
	add(t, l, refund("evt_refund", "ch_o3", "o3", 40), ledger.Recorded)
	r := asking("R1", 10, 0)
	r.ChargeID, r.OrderNo = "ch_o5", "o5"
	reserveRefund(t, l, r, true)
	must(t, l.RefundMade(t.Context(), lease(r), "re_1", at(100)))
	must(t, decide(t, l, ledger.ActionReplay, "evt_o0", 50))
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: live, EventID: "evt_foreign", Action: ledger.ActionRelease, Now: at(51), By: "ops", Said: "alice", Reason: "her \"wish\"", Run: "run_1"}))
	must(t, l.Decide(t.Context(), ledger.Decision{Scope: test, Action: ledger.ActionPause, Now: at(52), By: "ops"}))
	addRun(t, l, "run_1")
	claimRun(t, l, "a", 1, 16)
	_, err = l.SaveRun(t.Context(), ledger.RunClaim{Owner: "a", Now: at(2), Until: at(16)}, &ledger.Run{ID: "run_1", Ended: at(3), Doc: []byte("over")})
	must(t, err)
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: reserve(t, l, "closed", noon, at(30)).Number, As: ledger.Unsent, Quote: &ledger.Quote{Closed: true, At: at(4)}}))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: reserve(t, l, "unknown", noon, at(30)).Number, As: ledger.Unknown}))
	reserve(t, l, "reserved", noon, at(30))
	left := ledger.Scope{App: "app_left", Mode: ledger.Live} // nothing is left of it
	given, err := l.Reserve(t.Context(), reservation(left, "given back", noon, at(30)))
	must(t, err)
	must(t, l.Release(t.Context(), ledger.Release{Scope: left, Number: given.Number, As: ledger.Unsent}))
	keeps(t, l, "s1")
	report(t, l, reporting("s1", tea, 0), true)
	_, shipped := claimShipment(t, l, false, at(20), ledger.ShippingPost)
	_, err = l.PostShipping(t.Context(), shipped, at(21), at(60))
	must(t, err)
	if _, granted := claimSweep(t, l, "a", at(50), at(100)); !granted {
		t.Fatal("no sweep")
	}
	swept(t, l, "a", at(50))
	must(t, l.SaveLogin(t.Context(), ledger.Login{Key: []byte("key\x00\xfe"), Identity: []byte("identity"), Now: noon.UnixMilli(), Expires: at(7200).UnixMilli()}))
	_, err = l.Prune(t.Context(), at(3), 5)
	must(t, err)
}

// goesOn makes sure that what was recorded elsewhere is known here: nothing is taken twice, what waits is delivered, and what comes next has its place.
func goesOn(t *testing.T, l ledger.Ledger) {
	add(t, l, payment("evt_o7", "ch_o7", "o7"), ledger.Duplicate)
	again := payment("evt_again", "ch_o7", "o7")
	got, err := l.Append(t.Context(), again)
	must(t, err)
	equal(t, "the same effect", got, ledger.SameEffect)
	if ids := claim(t, l, "b", at(1000), at(1030), 99); len(ids) < 20 {
		t.Errorf("only %d wait", len(ids))
	}
	if _, err := l.Reserve(t.Context(), reservation(live, "reserved", at(20), at(40))); !errors.Is(err, ledger.ErrReserved) {
		t.Errorf("a reservation is lost: %v", err)
	}
	e := payment("evt_next", "ch_next", "next")
	add(t, l, e, ledger.Recorded)
	if e.Seq <= getEvent(t, l, live, "evt_refund").Seq {
		t.Error("what comes next is recorded before what came")
	}
	identity, err := l.Login(t.Context(), []byte("key\x00\xfe"), at(9).UnixMilli())
	must(t, err)
	equal(t, "identity", string(identity), "identity")
}
