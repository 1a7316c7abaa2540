package test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

const stepsSite = `
https://localhost:<port> {
	pay {` + accounts + merchantAPI + `
		events POST /internal/pay/events {
			secret  {env.PAY_EVENTS_SECRET}
			expect  body success
			timeout 15s
			retry   50ms
		}
		reconcile {
			after 10s
		}
	}
	reverse_proxy <backend>
}
`

// step is a row of the table of docs/operations.md.
type step struct {
	msg, level string
	fields     []string
}

// steps reads the table.
func steps(t *testing.T, page string) (all []step) {
	t.Helper()
	raw, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| [^|`]+ \\| `([^`]+)` \\| (info|warn|error) \\| ([^|]+) \\|$").FindAllStringSubmatch(string(raw), -1) {
		all = append(all, step{m[1], m[2], strings.Fields(strings.ReplaceAll(m[3], "`", ""))})
	}
	if len(all) < 15 {
		t.Fatalf("docs/%s lists %d steps", page, len(all))
	}
	return all
}

// Every step of a payment writes one line, with the fields that docs/operations.md promises, in both languages; and what it lists is in the code.
func TestOneLineAStep(t *testing.T) {
	t.Parallel()
	promised := steps(t, "operations.md")
	if zh := steps(t, "operations.zh-CN.md"); fmt.Sprint(zh) != fmt.Sprint(promised) {
		t.Errorf("the Chinese page promises\n%v\nand the English one\n%v", zh, promised)
	}
	texts := code(t)
	for _, p := range promised {
		if !strings.Contains(texts, strconv.Quote(p.msg)) {
			t.Errorf("no code logs %q", p.msg)
		}
	}

	s := newStage(t, false)
	price := 100
	s.backend.script(func() {
		s.backend.quote = func(orderNo string) (int, any) {
			return http.StatusOK, map[string]any{"order_no": orderNo, "amount": price, "subject": "Tea"}
		}
		s.backend.event = func(w http.ResponseWriter, _ *http.Request, h heard) {
			if h.Header.Get("X-Pay-Order-No") == "DEAD1001" {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, "success")
		}
	})
	s.start(stepsSite)
	_, session := s.login()
	l := s.ledger()
	pay := func(id string) {
		t.Helper()
		if err := s.box.Pay(id); err != nil {
			t.Fatal(err)
		}
	}
	qr := func(orderNo string) string {
		t.Helper()
		var c struct{ ID string }
		a := s.call("POST", "/pay/charges", map[string]string{"order_no": orderNo, "channel": "alipay_qr"}, "X-Pay-Session", session)
		if a.into(t, &c); a.StatusCode != http.StatusCreated {
			t.Fatalf("charge: %s", a)
		}
		return c.ID
	}

	if err := s.box.SetFault("webhook", "missing", 1); err != nil {
		t.Fatal(err)
	}
	pay(s.newCharge(session, "ASKED1001")) // which is asked for while the others are paid, whose webhooks come before that

	id := s.newCharge(session, "WHOLE1001")
	if a := s.charge(session, "WHOLE1001"); a.StatusCode != http.StatusOK {
		t.Fatalf("again: %s", a)
	}
	pay(id)
	s.hears("WHOLE1001", "charge.succeeded")
	s.call("GET", "/pay/charges/"+id+"?client=success", nil, "X-Pay-Session", session)
	s.merchant("POST", "/pay/refunds", refund("WHOLE1001", "RF1", 30))
	s.hears("WHOLE1001", "charge.succeeded", "refund.succeeded")
	if err := s.box.SetFault("refund", "failed", 1); err != nil {
		t.Fatal(err)
	}
	s.merchant("POST", "/pay/refunds", refund("WHOLE1001", "RF2", 30))
	s.hears("WHOLE1001", "charge.succeeded", "refund.succeeded", "refund.failed")

	s.hears("ASKED1001", "charge.succeeded")

	held := s.payment(s.newCharge(session, "HELD1001"), func(c map[string]any) { c["amount"] = 1 })
	bad := held
	bad.Signature = sign(t, strangerKey, held.Body)
	s.send("/pay/webhooks", bad)
	s.accept(held)
	s.awaitState(t, l, held.ID, ledger.Held)
	if _, stderr, status := command(t, s.dir, nil, "pay", "events", "release", held.ID, "--reason", "paid", "--address", fmt.Sprintf("localhost:%d", s.admin)); status != 0 {
		t.Fatal(stderr)
	}
	s.hears("HELD1001", "charge.succeeded")

	dead := s.newCharge(session, "DEAD1001")
	pay(dead)
	eventually(t, shortly, func() error {
		page, err := l.ListEvents(t.Context(), ledger.Filter{Scope: s.scope(), States: []ledger.State{ledger.Dead}})
		if err != nil || len(page.Rows) == 0 {
			return errorf("no event is dead: %v", err)
		}
		return nil
	})

	s.merchant("POST", "/pay/charges/"+qr("BACK1001")+"/reverse", nil)
	qr("DEARER1001")
	s.backend.script(func() { price = 200 })
	qr("DEARER1001")

	want := map[string]int{ // by message and order; how often it is that step's turn
		"login": 1, "webhook refused": 1,
		"quote WHOLE1001": 2, "charge created WHOLE1001": 1, "charge reused WHOLE1001": 1, "client reported WHOLE1001": 1, "event accepted WHOLE1001": 2,
		"event delivered WHOLE1001": 3, "refund made WHOLE1001": 2, "refund succeeded WHOLE1001": 1, "refund failed WHOLE1001": 1,
		"payment found by query ASKED1001": 1, "event delivered ASKED1001": 1, "money at risk HELD1001": 1, "decided HELD1001": 1, "event delivered HELD1001": 1,
		"event not delivered, will try again DEAD1001": 1, "event not delivered, no attempts are left; replay it when the backend works again DEAD1001": 1,
		"charge reversed for the merchant BACK1001": 1, "charge reversed DEARER1001": 1, "charge created DEARER1001": 2,
	}
	var lines []map[string]any
	eventually(t, shortly, func() error {
		lines = s.lines()
		got := make(map[string]int)
		for _, line := range lines {
			got[strings.TrimSpace(fmt.Sprint(line["msg"], " ", text(line["order_no"])))]++
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if got[key] != want[key] {
				return errorf("%d lines say %q, want %d", got[key], key, want[key])
			}
		}
		return nil
	})
	for _, p := range promised {
		seen := false
		for _, line := range lines {
			if line["msg"] != p.msg {
				continue
			}
			seen = true
			for _, field := range append([]string{"app", "mode"}, p.fields...) {
				if _, has := line[field]; !has {
					t.Errorf("the line %q has no %s: %v", p.msg, field, line)
				}
			}
			if line["level"] != p.level {
				t.Errorf("the line %q has the level %s, want %s", p.msg, line["level"], p.level)
			}
		}
		if !seen {
			t.Errorf("the run had no step %q", p.msg)
		}
	}
}

// lines are those of Caddy's log that are JSON.
func (s *stage) lines() (all []map[string]any) {
	for raw := range strings.Lines(s.caddy.log.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(raw), &line) == nil {
			all = append(all, line)
		}
	}
	return all
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// code is all of the product's.
func code(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"handlers", "relay", "adminapi"} {
		err := filepath.WalkDir("../"+dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			raw, err := os.ReadFile(path)
			all.Write(raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
