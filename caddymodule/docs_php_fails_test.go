package caddymodule

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The PHP of docs/backend.md never says that it did what it could not do: without a database, or with a body that is none, nobody is charged and no
// event counts as delivered. What it need not know it takes.
func TestDocsPHPFails(t *testing.T) {
	shop := newPHPShop(t)
	shop.start(t, testToken)
	site := sitePHP(t, shop)
	event := func(kind, body string) (int, string) {
		t.Helper()
		return shop.call(t, http.MethodPost, "/pay_event.php", body, "X-Pay-Token", testToken, "X-Pay-Mode", "test", "X-Pay-Event", kind, "X-Pay-Order-No", "20260101001")
	}
	const paid = `{"data":{"object":{"id":"ch_1","amount":1999}}}`
	for name, body := range map[string]string{"nothing": "", "text": "paid", "another object": `{"id":"evt_1"}`, "another amount": `{"data":{"object":{"id":"ch_1","amount":1}}}`} {
		if status, answer := event("charge.succeeded", body); status < 400 || strings.HasSuffix(answer, "success") {
			t.Errorf("an event that is %s: %d %s", name, status, answer)
		}
	}
	for _, kind := range []string{"refund.failed", "refund.succeeded", "order.succeeded"} {
		if status, answer := event(kind, `{"data":{"object":{"id":"re_1","status":"failed"}}}`); status != http.StatusOK || answer != "success" {
			t.Errorf("%s: %d %s", kind, status, answer)
		}
	}
	if got := shop.seen(t); got != "payable 0" {
		t.Errorf("the order is %s", got)
	}

	db, away := filepath.Join(shop.dir, "shop.db"), filepath.Join(shop.dir, "away.db")
	for _, err := range []error{os.Rename(db, away), os.Mkdir(db, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if status, answer := event("charge.succeeded", paid); status != http.StatusInternalServerError || strings.HasSuffix(answer, "success") {
		t.Errorf("an event without a database: %d %s", status, answer)
	}
	if status, answer := site.pay(t, "20260101001"); status != http.StatusBadGateway {
		t.Errorf("a quote without a database: %d %s", status, answer)
	}
	shop.stop()
	if status, answer := site.pay(t, "20260101001"); status != http.StatusBadGateway || !strings.Contains(answer, "backend_unavailable") {
		t.Errorf("a quote without a server: %d %s", status, answer)
	}
	for _, err := range []error{os.Remove(db), os.Rename(away, db)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	shop.start(t, testToken)
	if status, answer := event("charge.succeeded", paid); status != http.StatusOK || answer != "success" {
		t.Errorf("the same event when all is well: %d %s", status, answer)
	}
	if got := shop.seen(t); got != "paid 1" {
		t.Errorf("the order is %s", got)
	}
}
