package sandbox

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestList(t *testing.T) {
	b := start(t, Config{})
	var ids []string // oldest first
	for i := range 12 {
		ids = append(ids, b.create(fmt.Sprintf("L%03d", i)).id())
		b.clock.Add(time.Second)
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
	first := strconv.FormatInt(b.clock.Now().Unix()-12, 10)
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
		a := b.api("GET", "/v1/charges?app[id]="+b.App()+c.query, "")
		var list struct {
			Object  string
			URL     string
			HasMore bool `json:"has_more"`
			Data    []struct{ ID string }
		}
		if err := json.Unmarshal(a.body, &list); err != nil || a.status != 200 || list.Object != "list" || list.URL != "/v1/charges" {
			t.Fatalf("%s: %d %s", c.query, a.status, a.body)
		}
		var got []string
		for _, d := range list.Data {
			got = append(got, d.ID)
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") || list.HasMore != c.more {
			t.Errorf("%s: %v, more %v", c.query, got, list.HasMore)
		}
	}
	b.clock.Add(60 * 24 * time.Hour)
	if a := b.api("GET", "/v1/charges?app[id]="+b.App(), ""); !strings.Contains(string(a.body), `"data":[]`) {
		t.Errorf("without created, older than a month: %s", a.body)
	}
	for query, param := range map[string]string{
		"": "app[id]", "app[id]=app_x": "app[id]", "app[id]=" + b.App() + "&limit=0": "limit", "app[id]=" + b.App() + "&limit=101": "limit",
		"app[id]=" + b.App() + "&starting_after=ch_x": "starting_after", "app[id]=" + b.App() + "&paid=1": "paid", "app[id]=" + b.App() + "&created[gt]=x": "created[gt]",
		"app[id]=" + b.App() + "&page=2": "page", "app[id]=" + b.App() + "&starting_after=" + ids[0] + "&ending_before=" + ids[1]: "ending_before",
	} {
		if a := b.api("GET", "/v1/charges?"+query, ""); a.status/100 != 4 || a.field("error.param") != param {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

// A daily sweep pages through thousands of charges, also of a day that many charges came after.
func TestDailySweep(t *testing.T) {
	b := start(t, Config{})
	const perDay = 1500
	midnight := b.clock.Now().Unix()
	for day := range 3 {
		for i := range perDay {
			if _, refusal := b.createCharge([]byte(b.order(fmt.Sprintf("D%d-%04d", day, i))), false, ""); refusal != nil {
				t.Fatal(refusal.en)
			}
		}
		b.clock.Add(24 * time.Hour)
	}
	seen, pages := map[string]bool{}, 0
	began := time.Now()
	for after := ""; ; pages++ {
		query := fmt.Sprintf("/v1/charges?app[id]=%s&limit=100&created[gte]=%d&created[lt]=%d", b.App(), midnight+86400, midnight+2*86400)
		if after != "" {
			query += "&starting_after=" + after
		}
		var list struct {
			HasMore bool `json:"has_more"`
			Data    []struct {
				ID      string
				OrderNo string `json:"order_no"`
			}
		}
		if err := json.Unmarshal(b.api("GET", query, "").body, &list); err != nil {
			t.Fatal(err)
		}
		for _, c := range list.Data {
			if seen[c.ID] || !strings.HasPrefix(c.OrderNo, "D1-") {
				t.Fatalf("%s %s", c.ID, c.OrderNo)
			}
			seen[c.ID] = true
			after = c.ID
		}
		if !list.HasMore {
			break
		}
	}
	if len(seen) != perDay || pages != perDay/100-1 {
		t.Errorf("%d charges on %d pages", len(seen), pages+1)
	}
	t.Logf("%d charges in %v", len(seen), time.Since(began))
}

func BenchmarkListCharges(b *testing.B) {
	s := start(b, Config{})
	for i := range 50_000 {
		if _, refusal := s.createCharge([]byte(s.order(fmt.Sprintf("B%05d", i))), false, ""); refusal != nil {
			b.Fatal(refusal.en)
		}
	}
	oldest := ""
	for c := range s.charges.Newer("") {
		oldest = c.ID
		break
	}
	query := url.Values{"app[id]": {s.App()}, "limit": {"100"}, "ending_before": {oldest}}
	for b.Loop() {
		if _, refusal := s.listCharges(query, false); refusal != nil {
			b.Fatal(refusal.en)
		}
	}
}
