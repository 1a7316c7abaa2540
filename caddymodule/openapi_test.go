package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

// openAPI is docs/admin-api.openapi.json, with every object closed: an answer must have no member that the file does not tell.
type openAPI struct {
	paths    map[string]any
	compiler *jsonschema.Compiler
}

const openAPIFile = "file:///admin-api.openapi.json"

func readOpenAPI(t *testing.T) *openAPI {
	t.Helper()
	doc := must(jsonschema.UnmarshalJSON(bytes.NewReader(must(os.ReadFile("../docs/admin-api.openapi.json"))))).(map[string]any)
	closed := closeObjects(doc["components"])
	if closed < 20 {
		t.Fatalf("%d objects were closed", closed)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(openAPIFile, doc); err != nil {
		t.Fatal(err)
	}
	return &openAPI{doc["paths"].(map[string]any), c}
}

func closeObjects(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		if _, open := v["additionalProperties"]; !open && v["properties"] != nil {
			v["additionalProperties"] = false
			n++
		}
		for _, part := range v {
			n += closeObjects(part)
		}
	case []any:
		for _, part := range v {
			n += closeObjects(part)
		}
	}
	return n
}

// answers says how a body differs from what the file tells of an operation's answer.
func (o *openAPI) answers(path, method string, resp *http.Response, body []byte) error {
	status := "200"
	if resp.StatusCode != http.StatusOK {
		status = "default"
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	at := fmt.Sprintf("#/paths/%s/%s/responses/%s/content/%s/schema", escape(path), strings.ToLower(method), status, escape(kind))
	if status == "default" {
		at = "#/components/responses/Error/content/" + escape(kind) + "/schema"
	}
	schema, err := o.compiler.Compile(openAPIFile + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(at))
	if err != nil {
		return err
	}
	lines := [][]byte{body}
	if kind == "application/x-ndjson" {
		lines = bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	}
	for _, line := range lines {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err != nil {
			return err
		}
		if err := schema.Validate(v); err != nil {
			return err
		}
	}
	return nil
}

// Every route of the OpenAPI file is called on a running Caddy whose ledger knows orders, refunds, decisions, a run and a pause: each answers what the
// file tells, without a member more, and so does each refusal. What has to be given is asked for.
func TestOpenAPI(t *testing.T) {
	file := readOpenAPI(t)
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/price/") {
			_, _ = io.WriteString(w, price(r))
			return
		}
		http.Error(w, "not now", http.StatusInternalServerError)
	})
	box, addr, caddyfile := nightSite(t, shop, "20ms")
	a := runAdmin(t, caddyfile)
	l := ledgerOf(t)
	chargeID := nightCharge(t, addr, "1234", "oAAAAAAAAAAAAAAAAAAAAAAAAAA1")
	if err := box.Pay(chargeID); err != nil {
		t.Fatal(err)
	}
	if status, body := a.do(http.MethodPost, "/pay/orders/1234/query", "{}", nil); status != http.StatusOK {
		t.Fatal(status, body)
	}
	for _, id := range []string{"right", "wrong"} {
		ours(t, l, id, 999)
		if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(id)); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	if _, _, err := l.ReserveRefund(t.Context(), ledger.RefundReservation{Scope: testScope, RefundNo: "R1", ChargeID: chargeID, OrderNo: "1234", Amount: 5, Description: "one cup",
		Paid: 1999, Owner: "test", Now: time.Now(), Until: time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	event := "evt_q_" + chargeID + "_charge_succeeded"
	eventually(t, "the payment is dead", func() bool {
		return must(l.Event(t.Context(), testScope, event)).State == ledger.Dead
	})

	var run adminapi.RunView
	ask := func(method, path, route, body string, status int) {
		t.Helper()
		req := must(http.NewRequest(method, "http://"+a.addr+path, strings.NewReader(body)))
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw := must(io.ReadAll(resp.Body))
		if resp.StatusCode != status {
			t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, raw)
		}
		if err := file.answers(route, method, resp, raw); err != nil {
			t.Errorf("%s %s: %v\n%s", method, path, err, raw)
		}
	}
	const intent = `{"action":"replay","state":["dead"]}`
	called := map[string]bool{}
	call := func(route, path, body string) {
		t.Helper()
		method, template, _ := strings.Cut(route, " ")
		called[route] = true
		ask(method, path, template, body, http.StatusOK)
	}
	call("POST /pay/pause", "/pay/pause", `{"said":"mark","reason":"moving"}`)
	call("POST /pay/events/{id}/{action}", "/pay/events/evt_wrong/discard", `{"said":"mark","reason":"not ours"}`)
	call("POST /pay/runs/preview", "/pay/runs/preview", `{"action":"replay","state":["dead","held","discarded"]}`)
	call("POST /pay/runs", "/pay/runs", intent)
	var runs adminapi.RunPage
	a.do(http.MethodGet, "/pay/runs", "", &runs)
	run = runs.Runs[0]
	eventually(t, "the end of the run", func() bool {
		a.do(http.MethodGet, "/pay/runs/"+run.ID, "", &run)
		return run.State == "done"
	})
	call("GET /pay/runs", "/pay/runs?limit=10", "")
	call("GET /pay/runs/{id}", "/pay/runs/"+run.ID, "")
	call("POST /pay/runs/{id}/stop", "/pay/runs/"+run.ID+"/stop", "{}")
	for path, rows := range map[string]string{"/pay/orders": "orders", "/pay/charges": "charges", "/pay/refunds": "refunds", "/pay/events": "events", "/pay/audit": "decisions"} {
		var page map[string]any
		a.do(http.MethodGet, path, "", &page)
		if all, _ := page[rows].([]any); len(all) == 0 || page["paused"] == nil {
			t.Errorf("%s has no rows, or no pause: %v", path, page)
		}
		call("GET "+path, path, "")
		call("GET "+path, path+"?limit=1", "")
	}
	call("GET /pay/events", "/pay/events?order_no=unheard", "")
	for _, path := range []string{"figures", "hours", "health", "seen", "check"} {
		call("GET /pay/"+path, "/pay/"+path, "")
	}
	call("GET /pay/check", "/pay/check?language=zh&age=60", "")
	call("GET /pay/find", "/pay/find?q=1234", "")
	call("GET /pay/orders/{order_no}", "/pay/orders/1234", "")
	call("POST /pay/orders/{order_no}/query", "/pay/orders/1234/query", "{}")
	call("GET /pay/events/{id}", "/pay/events/"+event, "")
	call("GET /pay/events/{id}", "/pay/events/evt_right", "")
	call("POST /pay/check/backend", "/pay/check/backend", `{"order_no":"TEST1"}`)
	call("POST /pay/reconcile", "/pay/reconcile?date=2026-11-22", "{}")
	call("POST /pay/ledger/verify", "/pay/ledger/verify", "{}")
	call("POST /pay/ledger/backup", "/pay/ledger/backup", fmt.Sprintf(`{"file":%q}`, filepath.Join(t.TempDir(), "copy.db")))
	call("POST /pay/resume", "/pay/resume", `{"said":"mark","reason":"moved"}`)

	for path, methods := range file.paths {
		for method, operation := range methods.(map[string]any) {
			method = strings.ToUpper(method)
			if !called[method+" "+path] {
				t.Errorf("%s %s is in the file and is not called here", method, path)
			}
			params, _ := operation.(map[string]any)["parameters"].([]any)
			needed := slices.ContainsFunc(params, func(p any) bool {
				is := p.(map[string]any)
				return is["in"] == "query" && is["required"] == true
			})
			somewhere := strings.NewReplacer("{id}", event, "{order_no}", "1234", "{action}", "replay").Replace(path)
			ask(method, somewhere+"?no_such=1", path, "{}", http.StatusBadRequest)
			if needed {
				ask(method, somewhere, path, "{}", http.StatusBadRequest)
			}
			if operation.(map[string]any)["requestBody"] != nil {
				ask(method, somewhere, path, `{"no_such":1}`, http.StatusBadRequest)
			}
		}
	}
	ask(http.MethodPost, "/pay/events/"+event+"/release", "/pay/events/{id}/{action}", `{"reason":"r"}`, http.StatusConflict)
	ask(http.MethodGet, "/pay/orders/none", "/pay/orders/{order_no}", "", http.StatusNotFound)
}
