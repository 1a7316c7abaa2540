package trade

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/dice"
	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// start runs a trade on its own, without a service around it.
func start(t testing.TB, now func() time.Time) *Trade {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d, log, faults := dice.New(rand.Reader), zap.NewNop(), desk.NewFaults(Faults())
	es := events.Start(ctx, events.Config{TimeScale: 1, Sign: func([]byte) string { return "" }, Now: now, Dice: d, Faults: faults, Log: log})
	tr := Start(ctx, Config{App: "app_1", Merchant: &channel.Merchant{AppID: "wx0", Key: "k", Dice: d}, TimeScale: 1, Events: es, Faults: faults, Now: now, Dice: d, Log: log})
	t.Cleanup(func() {
		cancel()
		tr.Wait()
		es.Wait()
	})
	return tr
}

// create makes charges of a day, one for each number.
func create(t testing.TB, tr *Trade, form string, n int) {
	t.Helper()
	for i := range n {
		body := fmt.Sprintf(`{"order_no":%q,"app":{"id":"app_1"},"channel":"wx_lite","amount":100,"currency":"cny","client_ip":"192.0.2.10","subject":"s","body":"b","extra":{"open_id":"o"}}`,
			fmt.Sprintf(form, i))
		if _, refusal := tr.Charges.Create([]byte(body), false, ""); refusal != nil {
			t.Fatal(refusal.EN)
		}
	}
}

// A daily sweep pages through thousands of charges, also of a day that many charges came after.
func TestDailySweep(t *testing.T) {
	const perDay = 1500
	now := time.Date(2026, 8, 16, 0, 0, 0, 0, time.UTC)
	midnight := now.Unix()
	tr := start(t, func() time.Time { return now })
	for day := range 3 {
		create(t, tr, fmt.Sprintf("D%d-%%04d", day), perDay)
		now = now.Add(24 * time.Hour)
	}
	seen, pages := map[string]bool{}, 0
	for after := ""; ; pages++ {
		query := url.Values{"app[id]": {"app_1"}, "limit": {"100"}, "created[gte]": {fmt.Sprint(midnight + 86400)}, "created[lt]": {fmt.Sprint(midnight + 2*86400)}}
		if after != "" {
			query.Set("starting_after", after)
		}
		answered, refusal := tr.Charges.List(query, false)
		if refusal != nil {
			t.Fatal(refusal.EN)
		}
		page := answered.(list[*Charge])
		for _, c := range page.Data {
			if seen[c.ID] || !strings.HasPrefix(c.OrderNo, "D1-") {
				t.Fatalf("%s %s", c.ID, c.OrderNo)
			}
			seen[c.ID] = true
			after = c.ID
		}
		if !page.HasMore {
			break
		}
	}
	if len(seen) != perDay || pages != perDay/100-1 {
		t.Errorf("%d charges on %d pages", len(seen), pages+1)
	}
}

func BenchmarkListCharges(b *testing.B) {
	tr := start(b, time.Now)
	create(b, tr, "B%05d", 50_000)
	oldest := ""
	for c := range tr.Charges.kept.Newer("") {
		oldest = c.ID
		break
	}
	query := url.Values{"app[id]": {"app_1"}, "limit": {"100"}, "ending_before": {oldest}}
	for b.Loop() {
		if _, refusal := tr.Charges.List(query, false); refusal != nil {
			b.Fatal(refusal.EN)
		}
	}
}

// Some channels reverse a paid charge on the day of its payment only, each by the end of its own day.
func TestReversedOnItsDay(t *testing.T) {
	paid := time.Date(2026, 11, 23, 22, 30, 0, 0, time.FixedZone("UTC+8", 8*60*60))
	for channel, left := range map[string]time.Duration{"upacp_scan": 30 * time.Minute, "isv_scan": 90 * time.Minute} {
		if !reversiblePaid(channel, paid, paid.Add(left-1)) || reversiblePaid(channel, paid, paid.Add(left)) {
			t.Errorf("%s can be reversed for another time than %s", channel, left)
		}
	}
}

// FuzzCreateRefund looks for bodies that make a refund that breaks the rules.
func FuzzCreateRefund(f *testing.F) {
	tr := start(f, time.Now)
	for _, seed := range []string{`{"description":"x","amount":1,"metadata":{"a":"b"}}`, `{"description":"x","extra":{},"funding_source":"recharge_funds"}`, `{"amount":1e9}`, `[]`, ""} {
		f.Add(seed)
	}
	now, no := time.Now().Unix(), "1"
	f.Fuzz(func(t *testing.T, body string) {
		cs := tr.Charges
		c := &Charge{ID: "ch_" + cs.dice.Draw(dice.Digits, 24), App: "app_1", Channel: "wx_lite", Amount: 100, Paid: true, TimePaid: &now, TransactionNo: &no}
		cs.mu.Lock()
		cs.kept.Add(c.ID, c)
		cs.mu.Unlock()
		made, refusal := tr.Refunds.Create(c.ID, []byte(body), false)
		if refusal != nil {
			if refusal.Status >= 500 {
				t.Fatalf("%+v", refusal)
			}
			return
		}
		var re struct {
			ID, Description string
			Amount          int64
		}
		if err := json.Unmarshal(rawjson.Encode(made), &re); err != nil || len(re.ID) != 27 || re.Amount < 1 || re.Amount > 100 || re.Description == "" {
			t.Fatalf("%s made %+v, %v", body, re, err)
		}
	})
}
