package trade_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/sandbox"
	"github.com/caddypay/caddypay/sandbox/sandboxtest"
)

func TestList(t *testing.T) {
	b := sandboxtest.Start(t, sandbox.Config{})
	var ids []string // oldest first
	for i := range 12 {
		ids = append(ids, b.Create(fmt.Sprintf("L%03d", i)).ID())
		b.Clock.Add(time.Second)
	}
	if err := b.Pay(ids[3]); err != nil {
		t.Fatal(err)
	}
	newest := func(from, to int) []string { // ids[from] down to ids[to]
		var out []string
		for i := from; i >= to; i-- {
			out = append(out, ids[i])
		}
		return out
	}
	first := strconv.FormatInt(b.Clock.Now().Unix()-12, 10)
	for _, c := range []struct {
		query string
		want  []string
		more  bool
	}{
		{"", newest(11, 2), true},
		{"&limit=100", newest(11, 0), false},
		{"&limit=12", newest(11, 0), false},
		{"&limit=3", newest(11, 9), true},
		{"&limit=3&starting_after=" + ids[9], newest(8, 6), true},
		{"&limit=3&starting_after=" + ids[2], newest(1, 0), false},
		{"&limit=3&ending_before=" + ids[2], newest(5, 3), true},
		{"&limit=3&ending_before=" + ids[9], newest(11, 10), false},
		{"&paid=true", newest(3, 3), false},
		{"&paid=false&limit=100&created[lte]=" + first, newest(0, 0), false},
		{"&created[gt]=" + first + "&limit=100", newest(11, 1), false},
		{"&created[gte]=" + first + "&created[lt]=" + first, nil, false},
		{"&created=" + first, newest(0, 0), false},
		{"&refunded=true", nil, false},
		{"&reversed=true", nil, false},
		{"&channel=wx_pub", nil, false},
		{"&channel=wx_lite&limit=1", newest(11, 11), true},
	} {
		a := b.API("GET", "/v1/charges?app[id]="+b.App()+c.query, "")
		var list struct {
			Object  string
			URL     string
			HasMore bool `json:"has_more"`
			Data    []struct{ ID string }
		}
		if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 || list.Object != "list" || list.URL != "/v1/charges" {
			t.Fatalf("%s: %d %s", c.query, a.Status, a.Body)
		}
		var got []string
		for _, d := range list.Data {
			got = append(got, d.ID)
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") || list.HasMore != c.more {
			t.Errorf("%s: %v, more %v", c.query, got, list.HasMore)
		}
	}
	b.Clock.Add(60 * 24 * time.Hour)
	if a := b.API("GET", "/v1/charges?app[id]="+b.App(), ""); !strings.Contains(string(a.Body), `"data":[]`) {
		t.Errorf("without created, older than a month: %s", a.Body)
	}
	for query, param := range map[string]string{
		"": "app[id]", "app[id]=app_x": "app[id]", "app[id]=" + b.App() + "&limit=0": "limit", "app[id]=" + b.App() + "&limit=101": "limit",
		"app[id]=" + b.App() + "&starting_after=ch_x": "starting_after", "app[id]=" + b.App() + "&paid=1": "paid", "app[id]=" + b.App() + "&created[gt]=x": "created[gt]",
		"app[id]=" + b.App() + "&page=2": "page", "app[id]=" + b.App() + "&starting_after=" + ids[0] + "&ending_before=" + ids[1]: "ending_before",
	} {
		if a := b.API("GET", "/v1/charges?"+query, ""); a.Status/100 != 4 || a.Field("error.param") != param {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
}
