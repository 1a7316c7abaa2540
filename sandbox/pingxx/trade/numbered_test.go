package trade_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

// The lists of an order, and the list of orders, have pages with numbers; ids bound none of them.
func TestNumberedPages(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	id, charge := b.PaidOrder("A2026112301")
	read := func(a sandboxtest.Answer) (ids []string, more bool) {
		t.Helper()
		var list struct {
			Data    []struct{ ID string }
			HasMore bool `json:"has_more"`
		}
		if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		for _, v := range list.Data {
			ids = append(ids, v.ID)
		}
		return ids, list.HasMore
	}
	ids := func(target string) ([]string, bool) {
		t.Helper()
		return read(b.API("GET", target, ""))
	}
	path := "/v1/orders/" + id + "/order_refunds"
	var refunds []string // newest first
	for range 5 {
		made, _ := read(b.API("POST", path, fmt.Sprintf(`{"charge":%q,"charge_amount":1,"description":"d"}`, charge)))
		refunds = slices.Concat(made, refunds)
	}
	for query, want := range map[string]struct {
		ids  []string
		more bool
	}{
		"":                   {refunds, false},
		"?page=1&per_page=2": {refunds[:2], true},
		"?page=2&per_page=2": {refunds[2:4], true},
		"?page=3&per_page=2": {refunds[4:], false},
		"?page=4&per_page=2": {nil, false},
		"?per_page=5":        {refunds, false},
	} {
		if got, more := ids(path + query); !slices.Equal(got, want.ids) || more != want.more {
			t.Errorf("%s: %q, %t", query, got, more)
		}
	}
	if got, more := ids("/v1/orders/" + id + "/charges?page=1&per_page=3"); !slices.Equal(got, []string{charge}) || more {
		t.Errorf("charges: %q, %t", got, more)
	}
	if got, _ := ids("/v1/orders/" + id + "/charges?page=2"); got != nil {
		t.Errorf("charges: %q", got)
	}
	for _, list := range []string{path, "/v1/orders/" + id + "/charges"} {
		for query, param := range map[string]string{"limit=1": "limit", "starting_after=" + refunds[1]: "starting_after", "page=0": "page", "page=x": "page", "per_page=101": "per_page"} {
			if a := b.API("GET", list+"?"+query, ""); a.Status != 400 || a.Field("error.param") != param {
				t.Errorf("%s?%s answered %d %s", list, query, a.Status, a.Body)
			}
		}
	}
}
