package caddymodule

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

func TestAdminList(t *testing.T) {
	dir := t.TempDir()
	a := runAdmin(t, globals(dir, ledgerIn(dir))+"http://"+freeAddr(t)+" {\n"+payBlock(t, dir, "", "allow_http")+secondBlock(t, dir)+"}\n")
	if ids, next := a.list(""); len(ids) != 0 || next != "" {
		t.Fatal(ids, next)
	}
	if _, body := a.do(http.MethodGet, "/pay/events", "", nil); strings.TrimSpace(body) != `{"events":[]}` {
		t.Error(body)
	}
	l, now := ledgerOf(t), time.Now().Truncate(time.Millisecond)
	second := ledger.Scope{App: "app_test2", Mode: ledger.Test}
	for i, e := range []ledger.Event{
		{ID: "old", Type: "charge.succeeded", Received: now.Add(-50 * time.Hour)},
		{ID: "pending", Type: "charge.succeeded"},
		{ID: "held", Type: "charge.succeeded", State: ledger.Held, Reasons: []string{"amount"}},
		{ID: "filtered", Type: "summary.daily.available", State: ledger.Filtered, Reasons: []string{ledger.ReasonType}},
		{ID: "delivered", Type: "refund.succeeded"},
		{ID: "dead", Type: "refund.succeeded"},
		{ID: "discarded", Type: "charge.succeeded", State: ledger.Held, Reasons: []string{"currency"}},
		{ID: "other", Scope: second, Type: "charge.succeeded"},
	} {
		id := e.ID
		e.ID, e.ObjectID, e.OrderNo, e.Source, e.Body = "evt_"+id, "obj_"+id, fmt.Sprintf("order%d", i/2), ledger.Webhook, []byte(`{"id":"`+id+`"}`)
		if e.Scope == (ledger.Scope{}) {
			e.Scope = testScope
		}
		if e.State == "" {
			e.State = ledger.Pending
		}
		if e.Received.IsZero() {
			e.Received = now
		}
		e.Created, e.Due = e.Received, e.Received
		if did, err := l.Append(t.Context(), &e); err != nil || did != ledger.Recorded {
			t.Fatal(id, did, err)
		}
	}
	if _, err := l.Claim(t.Context(), ledger.Claim{Scope: testScope, Owner: "test", Now: now, Until: now.Add(time.Minute), Limit: 10}); err != nil {
		t.Fatal(err)
	}
	for id, state := range map[string]ledger.State{"delivered": ledger.Delivered, "dead": ledger.Dead} {
		if err := l.Settle(t.Context(), "test", ledger.Delivery{Scope: testScope, EventID: "evt_" + id, Attempt: 1, At: now, State: state, Status: 200}); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := a.decide("discarded", "discard"); status != http.StatusOK {
		t.Fatal(status, body)
	}

	for query, want := range map[string]string{
		"":                                 "other discarded dead delivered filtered held pending old",
		"state=held":                       "held",
		"state=held,dead":                  "dead held",
		"state=pending":                    "other pending old",
		"state=delivered":                  "delivered",
		"state=discarded":                  "discarded",
		"state=filtered":                   "filtered",
		"order_no=order1":                  "filtered held",
		"order_no=order3":                  "other discarded",
		"order_no=order3&state=discarded":  "discarded",
		"order_no=nothing":                 "",
		"type=refund.succeeded":            "dead delivered",
		"type=charge.succeeded":            "other discarded held pending old",
		"type=charge.succeeded&state=held": "held",
		"since=2d":                         "other discarded dead delivered filtered held pending",
		"since=51h":                        "other discarded dead delivered filtered held pending old",
		"since=" + now.Add(-time.Hour).UTC().Format(time.RFC3339): "other discarded dead delivered filtered held pending",
		"since=" + now.AddDate(0, 0, 2).Format(time.DateOnly):     "",
		"app=app_test2&mode=test":                                 "other",
		"app=app_test2&mode=live":                                 "",
		"app=app_test1&mode=test&state=pending":                   "pending old",
		"limit=1000":                                              "other discarded dead delivered filtered held pending old",
	} {
		if ids, _ := a.list(query); strings.Join(ids, " ") != want {
			t.Errorf("%s: %q, want %q", query, ids, want)
		}
	}
	for _, filter := range []string{"", "state=pending,held,dead,delivered,discarded,filtered&"} { // page by page
		var all []string
		for next, pages := "", 0; ; pages++ {
			query := filter + "limit=3"
			if next != "" {
				query += "&cursor=" + next
			}
			var ids []string
			ids, next = a.list(query)
			all = append(all, ids...)
			if next == "" || pages > 5 {
				break
			}
		}
		if want := strings.Fields("other discarded dead delivered filtered held pending old"); !slices.Equal(all, want) {
			t.Errorf("%q: %q", filter, all)
		}
	}
	e := a.show("held")
	if e.App != "app_test1" || e.Mode != "test" || e.State != "held" || !slices.Equal(e.Reasons, []string{"amount"}) || e.Body != `{"id":"held"}` || e.Deliveries == nil || !e.Due.IsZero() {
		t.Errorf("%+v", e)
	}
	if e := a.show("dead"); len(e.Deliveries) != 1 || e.Deliveries[0].State != "dead" || e.Settled.IsZero() {
		t.Errorf("%+v", e)
	}
	if e := a.show("pending"); !e.Due.Equal(now) || !e.Settled.IsZero() {
		t.Errorf("%+v", e)
	}

	// The same event id of two apps.
	twin := ledger.Event{Scope: second, ID: "evt_held", ObjectID: "o2", Type: "charge.succeeded", Source: ledger.Webhook, State: ledger.Pending, Created: now, Received: now, Body: []byte("{}")}
	if _, err := l.Append(t.Context(), &twin); err != nil {
		t.Fatal(err)
	}
	if status, body := a.do(http.MethodGet, "/pay/events/evt_held", "", nil); status != http.StatusConflict || !strings.Contains(body, "name one with app and mode") {
		t.Error(status, body)
	}
	var named adminapi.EventWhole
	if status, body := a.do(http.MethodGet, "/pay/events/evt_held?app=app_test2&mode=test", "", &named); status != http.StatusOK || named.App != "app_test2" {
		t.Error(status, body)
	}
}

// A payment that fails a money check waits for a person, who releases it: the backend hears why it was held. Every decision is
// in the audit log.
func TestAdminDecisions(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	a := runAdmin(t, d.site(t, dir, addr))
	hook := "http://" + addr + "/pay/webhooks"
	for _, id := range []string{"release", "discard"} {
		ours(t, ledgerOf(t), id, 999)
		if status := sendWebhook(t, hook, webhookEvent(id)); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	sendWebhook(t, hook, webhookEvent("fine"))
	eventually(t, "the sound payment is delivered", func() bool { return a.show("fine").State == "delivered" })
	if ids, _ := a.list("state=held"); !slices.Equal(ids, []string{"discard", "release"}) {
		t.Fatal(ids)
	}
	if n := len(d.heard("release")) + len(d.heard("discard")); n != 0 {
		t.Errorf("%d held payments were delivered", n)
	}

	refused := func(id, action, want string) {
		t.Helper()
		status, body := a.decide(id, action)
		if status != http.StatusConflict || !strings.Contains(body, want) {
			t.Errorf("%s %s: %d %s", action, id, status, body)
		}
	}
	refused("release", "replay", "event evt_release is held; release or discard it")
	refused("fine", "release", "event evt_fine is delivered; only a held event can be released")
	refused("fine", "discard", "event evt_fine is delivered; only a held, pending or dead event can be discarded")

	var view adminapi.EventView
	if status, body := a.do(http.MethodPost, "/pay/events/evt_release/release", `{"said":"mark","reason":"paid the rest in cash"}`, &view); status != http.StatusOK ||
		view.State != "pending" && view.State != "delivered" || !slices.Equal(view.Reasons, []string{"amount"}) {
		t.Fatal(status, body)
	}
	eventually(t, "the released payment is delivered", func() bool { return a.show("release").State == "delivered" })
	if got := d.heard("release"); len(got) != 1 || got[0].Get("X-Pay-Mismatch") != "amount" || got[0].Get("X-Pay-Replay") != "" || got[0].Get("X-Pay-Attempt") != "1" {
		t.Errorf("%v", got)
	}
	if status, body := a.decide("discard", "discard"); status != http.StatusOK || !strings.Contains(body, `"state":"discarded"`) {
		t.Error(status, body)
	}
	refused("discard", "release", "event evt_discard is discarded")

	refused("fine", "replay", "event evt_fine is delivered; your backend has acknowledged it already")
	refused("fine", "replay", `"code":"acknowledged"`)
	if status, body := a.do(http.MethodPost, "/pay/events/evt_fine/replay", `{"said":"mark","reason":"because","again":true}`, nil); status != http.StatusOK {
		t.Error(status, body)
	}
	eventually(t, "the replay", func() bool { return len(d.heard("fine")) == 2 })
	if h := d.heard("fine")[1]; h.Get("X-Pay-Replay") != "1" || h.Get("X-Pay-Mismatch") != "" || h.Get("X-Pay-Attempt") != "2" {
		t.Errorf("%v", h)
	}
	d.refuses(true)
	sendWebhook(t, hook, webhookEvent("dead"))
	eventually(t, "the end of the schedule", func() bool { return a.show("dead").State == "dead" })
	if e := a.show("dead"); len(e.Deliveries) != 2 || e.Deliveries[0].Status != 500 || e.Deliveries[0].Due.IsZero() || !strings.HasPrefix(e.Deliveries[1].Snippet, "not now") {
		t.Errorf("%+v", e)
	}
	d.refuses(false)
	if status, body := a.decide("dead", "replay"); status != http.StatusOK {
		t.Error(status, body)
	}
	eventually(t, "the dead event is delivered", func() bool { return a.show("dead").State == "delivered" })

	db := must(sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db")+"?mode=ro"))
	defer db.Close()
	var got []string
	rows := must(db.Query(`SELECT e.id || ' ' || a.action || ' ' || a.state || ' ' || a.by || ', ' || a.said || ': ' || a.reason FROM audit a JOIN events e ON e.seq = a.event ORDER BY a.seq`))
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	want := []string{"evt_release release held address 127.0.0.1, mark: paid the rest in cash", "evt_discard discard held address 127.0.0.1, mark: because",
		"evt_fine replay delivered address 127.0.0.1, mark: because", "evt_dead replay dead address 127.0.0.1, mark: because"}
	if !slices.Equal(got, want) {
		t.Errorf("the audit log has\n%s", strings.Join(got, "\n"))
	}
}

func TestAdminMistakes(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	a := runAdmin(t, d.site(t, dir, addr))
	ours(t, ledgerOf(t), "held", 999)
	for _, id := range []string{"a", "held"} {
		sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(id))
	}
	eventually(t, "the delivery", func() bool { return a.show("a").State == "delivered" })
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/pay/events/evt_none", "", 404, `there is no event \"evt_none\" in the ledger`},
		{"GET", "/pay/events/", "", 404, "there is no event"},
		{"GET", "/pay/events/" + strings.Repeat("x", 5000), "", 404, "there is no event"},
		{"POST", "/pay/events/evt_none/replay", "{}", 404, "there is no event"},
		{"POST", "/pay/events/evt_a/refund", "{}", 404, `\"refund\" is not an action; use replay, release or discard`},
		{"POST", "/pay/events/evt_a/replay/twice", "{}", 404, "is not an action"},
		{"POST", "/pay/events", "{}", 405, "/pay/events takes GET, not POST"},
		{"DELETE", "/pay/events/evt_a", "", 405, "takes GET, not DELETE"},
		{"GET", "/pay/events/evt_a/replay", "", 405, "takes POST, not GET"},
		{"GET", "/pay/reconcile?date=2026-11-22", "", 405, "takes POST, not GET"},
		{"GET", "/pay/ledger/verify", "", 405, "takes POST, not GET"},
		{"GET", "/pay/events?state=lost", "", 400, `state \"lost\" is not one of [pending delivered dead held discarded filtered]`},
		{"GET", "/pay/events?state=held,lost", "", 400, `state \"lost\"`},
		{"GET", "/pay/events?limit=0", "", 400, "limit must be 1 to 1000"},
		{"GET", "/pay/events?limit=1001", "", 400, "limit must be 1 to 1000"},
		{"GET", "/pay/events?limit=many", "", 400, "limit must be 1 to 1000"},
		{"GET", "/pay/events?cursor=0", "", 400, "cursor must be the member next"},
		{"GET", "/pay/events?cursor=YXBwX3Rlc3QxJTJGdGVzdD14", "", 400, "cursor must be the member next"}, // app_test1/test=x
		{"GET", "/pay/events?before=1", "", 400, `\"before\" is no parameter of this list; it takes state,`},
		{"GET", "/pay/events?at_risk=yes", "", 400, "at_risk must be true or false"},
		{"GET", "/pay/runs?before=0", "", 400, "before must be the member next"},
		{"GET", "/pay/runs?before=x", "", 400, "before must be the member next"},
		{"GET", "/pay/events?since=yesterday", "", 400, `since \"yesterday\" is neither a time like`},
		{"GET", "/pay/events?since=-2h", "", 400, "since"},
		{"GET", "/pay/events?app=app_test1", "", 400, "give app and mode"},
		{"GET", "/pay/events?mode=test", "", 400, "give app and mode"},
		{"GET", "/pay/events?app=app_test1&mode=both", "", 400, "give app and mode"},
		{"GET", "/pay/events/evt_a?app=app_test1", "", 400, "give app and mode"},
		{"POST", "/pay/events/evt_a/replay", "", 400, "send {"},
		{"POST", "/pay/events/evt_a/replay", `{"said":1}`, 400, "send {"},
		{"POST", "/pay/events/evt_a/replay", `{"by":"root"}`, 400, `unknown field \"by\"`},
		{"POST", "/pay/events/evt_a/replay", `{"said":"` + strings.Repeat("x", 20<<10) + `"}`, 400, "too large"},
		{"POST", "/pay/events/evt_a/discard", `{"said":"mark","reason":" "}`, 409, "event evt_a is delivered"},
		{"POST", "/pay/events/evt_held/discard", `{"said":"mark","reason":" "}`, 400, "a reason is missing; say why you discard it"},
		{"POST", "/pay/events/evt_held/release", `{"said":"mark"}`, 400, "a reason is missing; say why you release it"},
		{"GET", "/pay/runs/run_none", "", 404, `there is no run \"run_none\" in the ledger`},
		{"POST", "/pay/runs/run_none/stop", "", 404, "there is no run"},
		{"PUT", "/pay/runs", "{}", 405, "/pay/runs takes GET or POST, not PUT"},
		{"GET", "/pay/runs/run_none/stop", "", 405, "takes POST, not GET"},
		{"GET", "/pay/runs?limit=2000", "", 400, "limit must be 1 to 1000"},
		{"POST", "/pay/runs/preview", `{"action":"refund"}`, 404, "is not an action"},
		{"POST", "/pay/runs/preview", `{"action":"replay"}`, 400, "say in which states"},
		{"POST", "/pay/runs/preview", `{"action":"replay","state":["lost"]}`, 400, `state \"lost\" is not one of`},
		{"POST", "/pay/runs/preview", `{"action":"replay","state":["dead"],"since":"then"}`, 400, "since"},
		{"POST", "/pay/runs/preview", `{"action":"replay","state":["dead"],"rate":1001}`, 400, "rate must be 1 to 1000 events a second"},
		{"POST", "/pay/runs/preview", `{"action":"replay","state":["dead"],"through":-1}`, 400, "through must be that of a preview"},
		{"POST", "/pay/runs/preview", `{"action":"replay","state":["dead"],"app":"app_test1"}`, 400, "give app and mode"},
		{"POST", "/pay/runs/preview", `{"action":"replay","events":["evt_a"]}`, 400, "unknown field"},
		{"POST", "/pay/runs", `{"action":"replay","state":["dead"]}`, 409, "none of the 0 events that match can be taken for replay"},
		{"POST", "/pay/runs", `{"action":"discard","state":["delivered"]}`, 400, "a reason is missing"},
		{"POST", "/pay/runs", `{"action":"discard","state":["delivered"],"reason":"r"}`, 409, "none of the 1 events that match can be taken for discard: 1 delivered; only a held"},
		{"POST", "/pay/reconcile", "", 400, "date must be a day like 2006-01-02"},
		{"POST", "/pay/reconcile?date=22.11.2026", "", 400, "date must be a day like 2006-01-02"},
	} {
		status, body := a.do(tc.method, tc.path, tc.body, nil)
		if status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s %.60s: %d %s", tc.method, tc.path, status, body)
		}
	}
	if n := len(d.heard("a")); n > 1 {
		t.Errorf("a mistake delivered the event: %d", n)
	}
}

// Without a pay directive there is nothing to see, and no ledger is made for having looked.
func TestAdminWithoutSites(t *testing.T) {
	for name, global := range map[string]string{"nothing": "", "the global option": "LEDGER"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := runAdmin(t, globals(dir, strings.Replace(global, "LEDGER", ledgerIn(dir), 1))+"http://"+freeAddr(t)+" {\n\trespond ok\n}\n")
			for _, path := range []string{"GET /pay/events", "GET /pay/events/evt_a", "POST /pay/events/evt_a/replay", "POST /pay/reconcile?date=2026-11-22", "POST /pay/ledger/verify"} {
				method, path, _ := strings.Cut(path, " ")
				if status, body := a.do(method, path, "{}", nil); status != http.StatusNotFound || !strings.Contains(body, "the running configuration has no pay directive") {
					t.Errorf("%s: %d %s", path, status, body)
				}
			}
			if found, _ := filepath.Glob(filepath.Join(dir, "ledger.db*")); len(found) > 0 {
				t.Errorf("%q was made", found)
			}
		})
	}
}

// The admin API always speaks of the configuration that is running, also while it changes.
func TestAdminOverReloads(t *testing.T) {
	dir, other, addr, d := t.TempDir(), t.TempDir(), freeAddr(t), newDesk(t)
	file := d.site(t, dir, addr)
	a := runAdmin(t, file)
	load := func(file string) {
		t.Helper()
		if err := caddy.Load(adapt(t, strings.Replace(file, "admin off", "admin "+a.addr, 1)), true); err != nil {
			t.Fatal(err)
		}
	}
	sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent("a"))
	eventually(t, "the delivery", func() bool { return a.show("a").State == "delivered" })
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				resp, err := client(t).Get("http://" + a.addr + "/pay/events/evt_a")
				if err != nil {
					continue // the endpoint itself is replaced
				}
				raw := must(io.ReadAll(resp.Body))
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("during a reload: %d %s", resp.StatusCode, raw)
					return
				}
			}
		})
	}
	for i := range 6 {
		load(strings.Replace(file, "retry 20ms", fmt.Sprintf("retry 2%dms", i), 1))
	}
	stop()
	all.Wait()
	if e := a.show("a"); e.State != "delivered" {
		t.Errorf("%+v", e)
	}
	load(strings.ReplaceAll(file, filepath.Join(dir, "ledger.db"), filepath.Join(other, "ledger.db")))
	if ids, _ := a.list(""); len(ids) != 0 {
		t.Errorf("another ledger has %q", ids)
	}
	eventually(t, "the old ledger is closed", func() bool { return references(t, filepath.Join(dir, "ledger.db")) == 0 })
	load(globals(dir) + "http://" + addr + " {\n\trespond ok\n}\n")
	if status, _ := a.do(http.MethodGet, "/pay/events", "", nil); status != http.StatusNotFound {
		t.Error("without pay:", status)
	}
}

func TestAdminReconcile(t *testing.T) {
	dir, d := t.TempDir(), newDesk(t)
	s, file := pingppAt(t, dir, freeAddr(t), d)
	a := runAdmin(t, file)
	var views []adminapi.SweepView
	if status, body := a.do(http.MethodPost, "/pay/reconcile?date=2026-11-22", "", &views); status != http.StatusOK || len(views) != 1 {
		t.Fatal(status, body)
	}
	if v := views[0]; v.App != s.App() || v.Mode != "test" || v.Date != "2026-11-22" || !v.Clean() || v.OnlyThere == nil {
		t.Errorf("%+v", v)
	}
	if err := s.SetFault("list_charges", "401", 1); err != nil {
		t.Fatal(err)
	}
	if status, body := a.do(http.MethodPost, "/pay/reconcile?date=2026-11-22", "", nil); status != http.StatusBadGateway || !strings.Contains(body, s.App()+"/test: listing Ping++'s charges of 2026-11-22") {
		t.Error(status, body)
	}
}
