package ledgertest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

func testCreatedFields(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	want := ledger.Charge{Scope: live, OrderNo: "1", Number: r.Number, State: ledger.Open, ID: "ch_1", Channel: "wx_lite", Payer: "oPayer",
		PayerAppID: "wx1", Amount: 1 << 40, Currency: "cny", Host: "shop.example.com", Created: at(1), TimeExpire: at(7200),
		Raw: []byte("{ \"id\":\"ch_1\"}\n\x00"), Fingerprint: "what was asked for"}
	must(t, l.Created(t.Context(), &want))
	equal(t, "charge", *getCharge(t, l, "ch_1"), want)
	equal(t, "attempts", attempts(t, l, "1"), []ledger.Charge{want})

	again := want
	again.Raw = []byte("again")
	must(t, l.Created(t.Context(), &again)) // the same answer, recorded twice
	if c := getCharge(t, l, "ch_1"); !bytes.Equal(c.Raw, again.Raw) || c.Superseded {
		t.Fatalf("recorded twice: %s", show(c))
	}

	reserve(t, l, "2", noon, at(30))
	full := ledger.Charge{Scope: live, Number: "2", ID: "ch_2", Paid: true, TimePaid: at(2), AmountRefunded: 5, Reversed: true}
	must(t, l.Created(t.Context(), &full))
	c := getCharge(t, l, "ch_2")
	if !c.Paid || !c.TimePaid.Equal(at(2)) || c.AmountRefunded != 5 || !c.Reversed || c.OrderNo != "2" {
		t.Fatalf("an answer that says paid: %s", show(c))
	}
}

func testCreatedSupersedes(t *testing.T, l ledger.Ledger) {
	charge(t, l, "1", "ch_1")
	charge(t, l, "other", "ch_other")
	charge(t, l, "1", "ch_2")
	add(t, l, paid(live, "evt_2", "ch_2", ""), ledger.Recorded)
	r := reserve(t, l, "1", noon, at(30))
	must(t, l.Release(t.Context(), ledger.Release{Scope: live, Number: r.Number, As: ledger.Refused}))
	charge(t, l, "1", "ch_3")
	var got []string
	for _, c := range append(attempts(t, l, "1"), attempts(t, l, "other")...) {
		got = append(got, fmt.Sprintf("%s %s %t", c.ID, c.State, c.Superseded))
	}
	equal(t, "superseded", got, []string{"ch_1 created true", "ch_2 created false", " refused true", "ch_3 created true", "ch_other created false"})
}

func testCreatedLate(t *testing.T, l ledger.Ledger) {
	first := reserve(t, l, "1", noon, at(10))
	second := reserve(t, l, "1", at(10), at(20))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: first.Number, ID: "ch_1"}))
	cs := attempts(t, l, "1")
	if cs[0].State != ledger.Open || cs[0].ID != "ch_1" || cs[0].Superseded || cs[1].State != ledger.Reserving || cs[1].Superseded {
		t.Fatalf("the first answer came while the second request held the order: %s", show(cs))
	}
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: second.Number, ID: "ch_2"}))
	if cs = attempts(t, l, "1"); !cs[0].Superseded || cs[1].Superseded {
		t.Fatalf("the second answer: %s", show(cs))
	}

	first = reserve(t, l, "2", noon, at(10))
	second = reserve(t, l, "2", at(10), at(20))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: second.Number, ID: "ch_4"}))
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: first.Number, ID: "ch_3"}))
	if cs = attempts(t, l, "2"); !cs[0].Superseded || cs[1].Superseded || cs[0].State != ledger.Open {
		t.Fatalf("the first answer came after the second: %s", show(cs))
	}
	again := cs[0]
	again.Superseded = false
	must(t, l.Created(t.Context(), &again))
	if !again.Superseded {
		t.Fatal("whoever records a superseded charge is not told so")
	}
}

func testCreatedAfterPaid(t *testing.T, l ledger.Ledger) {
	r := reserve(t, l, "1", noon, at(30))
	add(t, l, paid(live, "evt_1", "ch_1", r.Number), ledger.Recorded)
	refund := event(live, "evt_2")
	refund.ChargeID, refund.Change = "ch_1", &ledger.ChargeChange{Refund: 7}
	add(t, l, refund, ledger.Recorded)
	must(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: r.Number, ID: "ch_1", Amount: 100, Raw: []byte("{}")}))
	c := getCharge(t, l, "ch_1")
	if !c.Paid || !c.TimePaid.Equal(noon) || c.AmountRefunded != 7 || c.State != ledger.Open || c.Amount != 100 {
		t.Fatalf("the answer took something back: %s", show(c))
	}
	reserve(t, l, "1", at(1), at(30)) // the reservation has ended
	if c := getCharge(t, l, "ch_1"); c.Superseded {
		t.Fatal("a paid attempt was superseded")
	}
}

func testCreatedRefuses(t *testing.T, l ledger.Ledger) {
	wantErr(t, l.Created(t.Context(), &ledger.Charge{Scope: live, Number: "none", ID: "ch_1"}), ledger.ErrNotFound)
	charge(t, l, "1", "ch_1")
	charge(t, l, "2", "ch_2")
	for name, c := range map[string]ledger.Charge{
		"no id":                   {Scope: live, Number: "1"},
		"another id":              {Scope: live, Number: "1", ID: "ch_3"},
		"another attempt's id":    {Scope: live, Number: "2", ID: "ch_1"},
		"no scope":                {Number: "1", ID: "ch_1"},
		"the number of a sandbox": {Scope: test, Number: "1", ID: "ch_1"},
	} {
		if err := l.Created(t.Context(), &c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	equal(t, "number of ch_1", getCharge(t, l, "ch_1").Number, "1")
}

func testChargesUnknown(t *testing.T, l ledger.Ledger) {
	_, err := l.Charge(t.Context(), live, "ch_1")
	wantErr(t, err, ledger.ErrNotFound)
	_, err = l.Charge(t.Context(), live, "")
	wantErr(t, err, ledger.ErrNotFound)
	equal(t, "attempts", len(attempts(t, l, "1")), 0)
	reserve(t, l, "1", noon, at(30))
	_, err = l.Charge(t.Context(), live, "") // a charge without an id cannot be found by having none
	wantErr(t, err, ledger.ErrNotFound)
}

func testNoteClient(t *testing.T, l ledger.Ledger) {
	note := ledger.ClientNote{Result: "success", At: at(3)}
	wantErr(t, l.NoteClient(t.Context(), live, "ch_1", note), ledger.ErrNotFound)
	charge(t, l, "1", "ch_1")
	must(t, l.NoteClient(t.Context(), live, "ch_1", note))
	c := getCharge(t, l, "ch_1")
	equal(t, "note", c.Client, note)
	if c.Paid {
		t.Fatal("a client's word made the charge paid")
	}
}

func testLogins(t *testing.T, l ledger.Ledger) {
	save := func(key, identity string, now, expires int64) {
		t.Helper()
		must(t, l.SaveLogin(t.Context(), ledger.Login{Key: []byte(key), Identity: []byte(identity), Now: now, Expires: expires}))
	}
	want := func(key string, now int64, want string) {
		t.Helper()
		got, err := l.Login(t.Context(), []byte(key), now)
		if want == "" {
			wantErr(t, err, ledger.ErrNotFound)
			return
		}
		must(t, err)
		equal(t, "identity", string(got), want)
	}
	want("k\x00", 1, "")
	save("k\x00", "one", 1, 10)
	want("k\x00", 1, "one")
	want("k", 1, "")
	want("k\x00", 9, "one")
	want("k\x00", 10, "")
	save("k\x00", "two", 2, 20)
	want("k\x00", 10, "two")
	for i := range 20 {
		save(fmt.Sprint("k", i), "x", 2, 5)
	}
	for i := range 20 {
		save(fmt.Sprint("n", i), "y", 6, 50)
	}
	want("k0", 1, "") // dropped
	want("k\x00", 6, "two")
}
