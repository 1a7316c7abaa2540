package core

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// TestMoveTexts: every text comes over a line as it is, also one that JSON has no form for, and one that looks like what stands for such a text.
func TestMoveTexts(t *testing.T) {
	zone := time.FixedZone("\xff", 3600)
	line := func() moveLine {
		return moveLine{Charge: &movedCharge{
			Charge:  Charge{Charge: ledger.Charge{OrderNo: "茶", Payer: "a\xffb\x00", Host: bytesMark, Currency: bytesMark + "?", Raw: []byte("\xff"), Created: noon.In(zone)}},
			Payment: "\xc3\x28", Shipment: &Shipment{Shipment: ledger.Shipment{Posted: part1}}, Shippings: []ledger.ShippingAttempt{{Problem: ledger.ShippingProblem{Text: "\xfe"}}}}}
	}
	raw, err := encodeLine(line())
	if err != nil || strings.Count(string(raw), "\n") != 1 || raw[len(raw)-1] != '\n' {
		t.Fatalf("%q, %v", raw, err)
	}
	got, err := decodeLine(raw)
	if err != nil || !got.Charge.Charge.Created.Equal(noon) {
		t.Fatal(got.Charge, err)
	}
	got.Charge.Charge.Created = noon.In(zone)
	if want := line(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v became %+v", want.Charge, got.Charge)
	}
}

// TestMerged: the rows of several apps come in the order of their numbers, each once, however many there are of each; what is read to its end is not read again.
func TestMerged(t *testing.T) {
	for _, sizes := range [][]int{{0}, {1}, {moveBatch}, {moveBatch + 1}, {2 * moveBatch}, {0, 3, 0}, {3, 2*moveBatch + 7, moveBatch}, {5, 5, 5}} {
		rows, scopes, reads := make([][]int64, len(sizes)), make([]ledger.Scope, len(sizes)), make([]int, len(sizes))
		var want, got []int64
		for n := 0; len(want) < sum(sizes); n++ {
			which := n * 7 % 5 % len(sizes)
			if len(rows[which]) < sizes[which] {
				rows[which] = append(rows[which], int64(n)+1)
				want = append(want, int64(n)+1)
			}
		}
		for i := range scopes {
			scopes[i].App = fmt.Sprint(i)
		}
		err := merged(scopes, func(s ledger.Scope, after int64, limit int) ([]int64, error) {
			i := slices.Index(scopes, s)
			reads[i]++
			rest := rows[i][len(slices.DeleteFunc(slices.Clone(rows[i]), func(n int64) bool { return n > after })):]
			return rest[:min(limit, len(rest))], nil
		}, func(n *int64) int64 { return *n }, func(n *int64) error {
			got = append(got, *n)
			if len(got) > len(want) {
				return errors.New("there are no more")
			}
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("of %v come %d, %v", sizes, len(got), err)
		}
		for i, n := range reads {
			if n != sizes[i]/moveBatch+1 {
				t.Errorf("of %v part %d was read %d times", sizes, i, n)
			}
		}
	}
}

func sum(ns []int) (all int) {
	for _, n := range ns {
		all += n
	}
	return all
}
