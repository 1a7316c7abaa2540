package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const merchantSite = `
https://localhost:<port> {
	pay {` + accounts + events + merchantAPI + `}
	reverse_proxy <backend>
}
`

// merchant calls the merchant API as the shop's backend does.
func (s *stage) merchant(method, path string, body any, headers ...string) *answer {
	s.t.Helper()
	return s.call(method, path, body, append([]string{"Authorization", "Bearer " + s.api}, headers...)...)
}

// paidOrder is the charge of an order whose payment the backend has heard of.
func (s *stage) paidOrder(session, orderNo string) string {
	s.t.Helper()
	id := s.newCharge(session, orderNo)
	if err := s.box.Pay(id); err != nil {
		s.t.Fatal(err)
	}
	s.hears(orderNo, "charge.succeeded")
	return id
}

// hears waits until the backend has heard of these events of an order, in this order.
func (s *stage) hears(orderNo string, types ...string) {
	s.t.Helper()
	eventually(s.t, shortly, func() error {
		var got []string
		for _, h := range s.backend.ofOrder(orderNo) {
			got = append(got, h.Header.Get("X-Pay-Event"))
		}
		if !slices.Equal(got, types) {
			return errorf("the backend heard %q of order %s, want %q", got, orderNo, types)
		}
		return nil
	})
}

func refund(orderNo, refundNo string, amount int) map[string]any {
	return map[string]any{"order_no": orderNo, "refund_no": refundNo, "amount": amount, "description": "退货"}
}

// Refunds, from the merchant's request to the backend's events.
func TestRefunds(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(merchantSite)
	_, session := s.login()
	id := s.paidOrder(session, "R10001")
	a := s.merchant("POST", "/pay/refunds", refund("R10001", "RF1", 30))
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("refund: %s", a)
	}
	s.hears("R10001", "charge.succeeded", "refund.succeeded")
	eventually(t, shortly, func() error {
		if a := s.merchant("GET", "/pay/refunds/RF1", nil); !strings.Contains(string(a.Body), `"status":"succeeded"`) {
			return errorf("%s", a)
		}
		return nil
	})
	if a := s.merchant("POST", "/pay/refunds", refund("R10001", "RF1", 31)); a.StatusCode != 409 || a.code() != "refund_invalid" {
		t.Errorf("its number with another amount: %s", a)
	}
	if err := s.box.SetFault("refund", "failed", 1); err != nil {
		t.Fatal(err)
	}
	if a := s.merchant("POST", "/pay/refunds", refund("R10001", "RF2", 70)); a.StatusCode != 201 || !strings.Contains(string(a.Body), "余额不足") {
		t.Errorf("a refund that the channel refuses: %s", a)
	}
	s.hears("R10001", "charge.succeeded", "refund.succeeded", "refund.failed")
	var order struct {
		Status   string
		Charges  []struct{ Charge, Status string }
		Refunds  []struct{ RefundNo, Status string }
		Delivery struct{ State string }
	}
	eventually(t, shortly, func() error {
		s.merchant("GET", "/pay/orders/R10001", nil).into(t, &order)
		if order.Delivery.State != "delivered" {
			return errorf("the shop does not know: %+v", order)
		}
		return nil
	})
	if order.Status != "paid" || len(order.Charges) != 1 || order.Charges[0].Charge != id || len(order.Refunds) != 2 || order.Refunds[1].Status != "failed" {
		t.Errorf("%+v", order)
	}
}

// Whoever is not the shop's backend gets nothing, and nothing happens.
func TestMerchantAPIAttacks(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.write("Caddyfile", []byte(s.fill(strings.Replace(globalOptions, "{\n", "{\n\tservers {\n\t\ttrusted_proxies static private_ranges\n\t}\n", 1)+merchantSite)))
	s.restart()
	_, session := s.login()
	id := s.paidOrder(session, "A10001")
	body := refund("A10001", "RF1", 1)
	for name, c := range map[string]struct {
		headers []string
		want    string
	}{
		"no token":                        {nil, "token_invalid"},
		"the backend's token":             {[]string{"Authorization", "Bearer " + s.token}, "token_invalid"},
		"a session":                       {[]string{"Authorization", "Bearer " + session}, "token_invalid"},
		"a token in the query":            {[]string{"X-Pay-Token", s.api}, "token_invalid"},
		"from outside, behind a proxy":    {[]string{"Authorization", "Bearer " + s.api, "X-Forwarded-For", "198.51.100.7"}, "source_forbidden"},
		"from outside, claiming nonsense": {[]string{"Authorization", "Bearer " + s.api, "X-Forwarded-For", "10.0.0.1, unknown"}, "source_forbidden"},
		"from outside, claiming a way in": {[]string{"Authorization", "Bearer " + s.api, "X-Forwarded-For", "10.0.0.1, 198.51.100.7"}, "source_forbidden"},
	} {
		for method, path := range map[string]string{"POST": "/pay/refunds", "GET": "/pay/orders/A10001"} {
			if a := s.call(method, path, body, c.headers...); a.code() != c.want {
				t.Errorf("%s, %s %s: %s", name, method, path, a)
			}
		}
		if a := s.call("POST", "/pay/charges/"+id+"/reverse", nil, c.headers...); a.code() != c.want {
			t.Errorf("%s, reverse: %s", name, a)
		}
	}
	if a := s.merchant("POST", "/pay/refunds", []byte(`{"order_no":"A10001","refund_no":"RF1","amount":1,"amount":100,"description":"d"}`)); a.code() != "json_invalid" {
		t.Errorf("an amount twice: %s", a)
	}
	if a := s.merchant("POST", "/pay/refunds", []byte(`{"order_no":"A10001","refund_no":"RF1","amount":99999999999999999999999,"description":"d"}`)); a.code() != "refund_invalid" {
		t.Errorf("a huge amount: %s", a)
	}
	if n := s.box.State(0).Calls["create_refund"]; n != 0 {
		t.Errorf("%d refunds reached Ping++", n)
	}
	for _, inside := range []string{"10.1.2.3", "10.1.2.3, 192.168.7.7", "[fd00::7]:4711"} {
		if a := s.merchant("GET", "/pay/orders/A10001", nil, "X-Forwarded-For", inside); a.StatusCode != 200 {
			t.Errorf("from %s in the private network: %s", inside, a)
		}
	}
}

// An address that only a header claims is not believed, and where merchant_api is not written there is nothing.
func TestMerchantAPISource(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(strings.Replace(merchantSite, "token {env.PAY_MERCHANT_TOKEN}", "token {env.PAY_MERCHANT_TOKEN}\n\t\tallow 203.0.113.7", 1))
	if a := s.merchant("GET", "/pay/orders/A10001", nil, "X-Forwarded-For", "203.0.113.7", "X-Real-Ip", "203.0.113.7", "Forwarded", "for=203.0.113.7"); a.code() != "source_forbidden" {
		t.Errorf("%s", a)
	}
	s.caddy.stop(t)
	s.start(plainSite)
	if a := s.merchant("GET", "/pay/orders/A10001", nil); a.code() != "not_found" {
		t.Errorf("%s", a)
	}
}

// Two processes on one ledger, and more asked for than was paid: never more goes back.
func TestRefundsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(merchantSite)
	ports := freePorts(t, 3)
	second := s.in(t)
	second.port, second.plain, second.admin = ports[0], ports[1], ports[2]
	second.write("Caddyfile.second", []byte(second.fill(globalOptions+merchantSite)))
	p, err := spawn(s.dir, s.env(), "run", "--config", s.file("Caddyfile.second"))
	if err != nil {
		t.Fatal(err)
	}
	second.caddy = p
	t.Cleanup(func() { second.finish(p) })
	second.ready()

	_, session := s.login()
	id := s.paidOrder(session, "P10001")
	var mu sync.Mutex
	answers := make(map[string]int)
	var all sync.WaitGroup
	for i := range 20 {
		site := []*stage{s, second}[i%2]
		all.Go(func() {
			a, err := s.try(s.client, "POST", site.url("/pay/refunds"), refund("P10001", fmt.Sprint("RF", i/2), 30), "Authorization", "Bearer "+s.api)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(a.StatusCode, " ", a.code())]++
		})
	}
	all.Wait()
	var charge struct {
		Refunds struct {
			Data []struct {
				Amount   int
				Metadata map[string]string
			}
		}
	}
	raw, _ := json.Marshal(s.box.State(1).Charges[0])
	if err := json.Unmarshal(raw, &charge); err != nil || !strings.Contains(string(raw), id) {
		t.Fatal(err, string(raw))
	}
	sum, numbers := 0, make(map[string]int)
	for _, re := range charge.Refunds.Data {
		sum += re.Amount
		numbers[re.Metadata["pay_refund_no"]]++
	}
	if sum != 90 || len(numbers) != 3 || answers["201 "] != 3 {
		t.Errorf("%d fen of 100 went back as %v; answers %v", sum, numbers, answers)
	}
}

// Ping++'s official SDK, beside us, sees the refund that our API reports, and we see the one that it makes.
func TestRefundsBesideTheSDK(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(merchantSite)
	_, session := s.login()
	id := s.paidOrder(session, "B10001")
	if err := s.box.SetFault("refund", "stuck", 1); err != nil {
		t.Fatal(err)
	}
	type view struct {
		RefundNo *string `json:"refund_no"`
		Refund   string
		Charge   string
		Amount   int
		Status   string
		Created  int64
	}
	var ours view
	s.merchant("POST", "/pay/refunds", refund("B10001", "RF1", 30)).into(t, &ours)
	out, err := node(t, "node", []string{"BASE=" + s.outside.URL, "KEY=" + s.box.TestKey(), "APP=" + s.box.App(), "PRIVATE_KEY_PATH=" + s.file("merchant.pem"),
		"CHARGE=" + id, "REFUND=" + ours.Refund, "AMOUNT=7"}, "refund-sdk.js")
	var theirs []struct {
		ID, Charge, Status string
		Amount             int
		Created            int64
		Metadata           map[string]string
	}
	if err != nil || json.Unmarshal([]byte(out), &theirs) != nil || len(theirs) != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	if seen := theirs[0]; seen.ID != ours.Refund || seen.Charge != ours.Charge || seen.Amount != ours.Amount || seen.Status != ours.Status ||
		seen.Metadata["pay_refund_no"] != "RF1" || seen.Created-ours.Created > 5 {
		t.Errorf("the SDK sees %+v, our API reports %+v", seen, ours)
	}
	s.hears("B10001", "charge.succeeded", "refund.succeeded")
	var order struct{ Refunds []view }
	s.merchant("GET", "/pay/orders/B10001", nil).into(t, &order)
	if len(order.Refunds) != 2 || order.Refunds[1].RefundNo != nil || order.Refunds[1].Refund != theirs[1].ID || order.Refunds[1].Amount != 7 || order.Refunds[1].Status != "succeeded" {
		t.Errorf("our API reports %+v", order.Refunds)
	}
	if a := s.merchant("POST", "/pay/refunds", refund("B10001", "RF2", 64)); a.code() != "refund_exceeds" {
		t.Errorf("more than what the SDK left: %s", a)
	}
}

// The calls of docs/http-api.md, as they are written there, at a running site: each answers with the members that the page shows.
func TestDocumentedMerchantCalls(t *testing.T) {
	t.Parallel()
	s := newStage(t, false).start(merchantSite)
	_, session := s.login()
	var unpaid struct{ ID string } // WeChat's charges cannot be reversed within a minute
	s.call("POST", "/pay/charges", map[string]string{"order_no": "20260101002", "channel": "alipay_qr"}, "X-Pay-Session", session).into(t, &unpaid)
	paid := s.paidOrder(session, "20260101001")
	page, err := os.ReadFile(filepath.Join("..", "docs", "http-api.md"))
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile("(?ms)^```sh\n(curl .*?)^```\n\n```json\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	if len(calls) != 4 {
		t.Fatalf("the page shows %d calls of the merchant API, want 4", len(calls))
	}
	for _, c := range calls {
		method, path, body := parseCurl(t, c[1])
		path = strings.NewReplacer("ch_101260101000000000000001", paid, "ch_101260101000000000000002", unpaid.ID).Replace(path)
		var sent any
		if body != "" {
			sent = []byte(body)
		}
		answered := s.merchant(method, path, sent)
		if answered.StatusCode/100 != 2 {
			t.Errorf("%s %s: %s", method, path, answered)
			continue
		}
		if got, want := members(t, answered.Body), members(t, []byte(c[2])); !slices.Equal(got, want) {
			t.Errorf("%s %s answers the members\n%q\nthe page shows\n%q", method, path, got, want)
		}
	}
}

// parseCurl reads a call as the page writes it.
func parseCurl(t *testing.T, command string) (method, path, body string) {
	t.Helper()
	method = "GET"
	if m := regexp.MustCompile(`-X (\w+)`).FindStringSubmatch(command); m != nil {
		method = m[1]
	}
	if m := regexp.MustCompile(`(?s)-d '(.*?)'`).FindStringSubmatch(command); m != nil {
		method, body = "POST", m[1]
	}
	m := regexp.MustCompile(`https://shop\.example\.com(/\S+)`).FindStringSubmatch(command)
	if m == nil || !strings.Contains(command, `-H "Authorization: Bearer $PAY_MERCHANT_TOKEN"`) {
		t.Fatalf("this call cannot be read: %s", command)
	}
	return method, m[1], body
}

// members are the paths of all members of a JSON document, sorted; of a list those of its first element.
func members(t *testing.T, raw []byte) (paths []string) {
	t.Helper()
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				paths = append(paths, prefix+name)
				walk(prefix+name+".", member)
			}
		case []any:
			if len(v) > 0 {
				walk(prefix, v[0])
			}
		}
	}
	walk("", doc)
	slices.Sort(paths)
	return paths
}
