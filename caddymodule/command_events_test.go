package caddymodule

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/pingpp"
	"github.com/caddypay/caddypay/relay/nightly"
)

func TestEventCommands(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	file := d.site(t, dir, addr)
	a := runAdmin(t, file)
	ours(t, ledgerOf(t), "held", 999)
	ours(t, ledgerOf(t), "waiting", 100)
	refusedAttempt(t, ledgerOf(t), "refused")
	for _, id := range []string{"held", "fine"} {
		sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(id))
	}
	eventually(t, "the delivery", func() bool { return a.show("fine").State == "delivered" })
	pay := func(line string) (string, error) {
		var out bytes.Buffer
		err := payCommand(t, &out, append(strings.Fields(line), "--address", a.addr)...).ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, tc := range []struct {
		line string
		want []string
	}{
		{"events list", []string{"RECEIVED", "evt_fine", "orderfine", "delivered", "evt_held", "held (amount)"}},
		{"events list --limit 1", []string{"evt_fine", "More: --cursor "}},
		{"events list --state dead,discarded", []string{"No events."}},
		{"events list --order_no nobody's", []string{`No events. The order "nobody's" is unknown: no payment of it was begun, by app_test1 in test mode, and since`}},
		{"events list --order_no orderwaiting", []string{`No events. The order "orderwaiting" is unpaid: ch_waiting was made through wx_lite at `}},
		{"events list --order_no refused", []string{`No events. The order "refused" never came to be asked for at Ping++, or without an answer: its last attempt, through wx_lite, is refused.`}},
		{"events list --order_no orderheld --type refund.succeeded", []string{`No events. The order "orderheld" is paid, by ch_held; leave the other filters out`}},
		{"events list --state held --since 1h --type charge.succeeded --order_no orderheld --app app_test1 --mode test", []string{"evt_held"}},
		{"events show evt_held", []string{"reasons   amount", "paid      ¥1.00 cny", "expected  ¥9.99 cny", `"id":"evt_held"`}},
		{"events show evt_fine --app app_test1 --mode test", []string{"ATTEMPT", "200"}},
		{"events replay evt_fine --again --reason again", []string{"evt_fine is pending|evt_fine is delivered"}}, // again already
		{"events release evt_held --reason paid", []string{"evt_held is pending|evt_held is delivered"}},
	} {
		out, err := pay(tc.line)
		for _, want := range tc.want {
			has := func(text string) bool { return strings.Contains(out, text) }
			if err != nil || !slices.ContainsFunc(strings.Split(want, "|"), has) {
				t.Errorf("pay %s: %v, lacks %q:\n%s", tc.line, err, want, out)
			}
		}
	}
	first, err := pay("events list --limit 1")
	_, cursor, more := strings.Cut(strings.TrimSpace(first), "--cursor ")
	if out, err2 := pay("events list --limit 1 --cursor " + cursor); err != nil || err2 != nil || !more || !strings.Contains(out, "evt_held") || strings.Contains(out, "evt_fine") {
		t.Errorf("%v, %v\n%s\n%s", err, err2, first, out)
	}
	eventually(t, "the held event is delivered", func() bool { return a.show("held").State == "delivered" })
	if got := d.heard("held"); len(got) != 1 || got[0].Get("X-Pay-Mismatch") != "amount" {
		t.Errorf("%v", got)
	}

	out, err := pay("events list --json --state delivered")
	var page adminapi.EventPage
	if err != nil || json.Unmarshal([]byte(out), &page) != nil || len(page.Events) == 0 {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = pay("events show evt_held --json")
	var whole adminapi.EventWhole
	if err != nil || json.Unmarshal([]byte(out), &whole) != nil || whole.Body != string(webhookEvent("held")) || whole.Signature == "" {
		t.Errorf("%v\n%s", err, out)
	}
	eventually(t, "the replay", func() bool { return a.show("fine").State == "delivered" })
	if out, err = pay("events replay evt_fine evt_held --again --json"); err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, `"id":"evt_held"`) {
		t.Errorf("%v\n%s", err, out)
	}
	for line, want := range map[string]string{
		"events show evt_none":         "there is no event",
		"events list --state lost":     "HTTP 400",
		"events list --mode test":      "give app and mode",
		"events show evt_fine --app x": "give app and mode",
		"events discard evt_none":      "HTTP 404",
		"events release evt_fine":      "only a held event can be released",
		"events show":                  "accepts 1 arg",
		"events replay":                "requires at least 1 arg",
		"events replay evt_1 --type x": "name events or give a filter, not both",
		"events replay evt_1 --rate 5": "--rate goes with a filter",
		"events replay evt_fine":       "your backend has acknowledged it already, and would fulfil it twice if it does not look; ask for that with again: --again",
		"events discard --since 2h":    "say in which states",
		"runs show run_none":           "HTTP 404",
		"events list evt_1":            "unknown command",
		"reconcile --date tomorrow":    "date must be a day",
		"events list --limit 5000":     "limit must be 1 to 1000",
	} {
		if out, err := pay(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pay %s: %v\n%s", line, err, out)
		}
	}

	// The address comes from the configuration when it is not given.
	config := write(t, dir, "Caddyfile", strings.Replace(file, "admin off", "admin "+a.addr, 1))
	var text bytes.Buffer
	if err := payCommand(t, &text, "events", "list", "--config", config, "--adapter", "caddyfile").ExecuteContext(t.Context()); err != nil || !strings.Contains(text.String(), "evt_fine") {
		t.Errorf("%v\n%s", err, &text)
	}
	nobody := freeAddr(t)
	for _, line := range []string{"events list", "events show evt_1", "events replay evt_1", "reconcile"} {
		text.Reset()
		err := payCommand(t, &text, append(strings.Fields(line), "--address", nobody)...).ExecuteContext(t.Context())
		what := "another one is named with --address)"
		if line == "events list" || line == "events show evt_1" { // and which ledger, where there is one by default
			what = "another one is named with --address; while Caddy is down, or its admin endpoint off, the ledger itself can be read: --ledger "
		}
		if err == nil || !strings.Contains(err.Error(), "connection refused (the admin API is at "+nobody+"; "+what) || strings.Contains(text.String(), "Usage") {
			t.Errorf("%s: %v\n%s", line, err, &text)
		}
	}
}

func TestReconcileCommand(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	s, file := pingppAt(t, dir, addr, d)
	a := runAdmin(t, file)
	pay := func(more ...string) (string, error) {
		var out bytes.Buffer
		err := payCommand(t, &out, append([]string{"reconcile", "--address", a.addr}, more...)...).ExecuteContext(t.Context())
		return out.String(), err
	}
	yesterday := time.Now().In(nightly.China).AddDate(0, 0, -1).Format(time.DateOnly)
	out, err := pay()
	if want := s.App() + ", test mode, " + yesterday + ": 0 charges at Ping++, 0 in the ledger, 0 payments recovered\n"; err != nil || out != want {
		t.Errorf("%v\n%s", err, out)
	}
	_, found := running(t)
	made, err := found[0].resolved.Pingpp.CreateCharge(t.Context(), &pingpp.ChargeParams{OrderNo: "1001", Channel: "wx_lite", Amount: 100, Currency: "cny",
		ClientIP: "192.0.2.1", Subject: "s", Body: "b", Extra: map[string]any{"open_id": "oAAAAAAAAAAAAAAAAAAAAAAAAAA1"}})
	if err != nil {
		t.Fatal(err)
	}
	today := time.Unix(made.Created, 0).In(nightly.China).Format(time.DateOnly)
	out, err = pay("--date", today)
	if err == nil || err.Error() != "the two sides differ in 1 charges" || !strings.Contains(out, "only at Ping++  "+made.ID+"  1001  ¥1.00  unpaid") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = pay("--date", today, "--json")
	var views []adminapi.SweepView
	if err == nil || json.Unmarshal([]byte(out), &views) != nil || len(views) != 1 || len(views[0].OnlyThere) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	if err := s.SetFault("list_charges", "401", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := pay(); err == nil || !strings.Contains(err.Error(), "HTTP 502") {
		t.Error(err)
	}
}

func TestEventCommandHelp(t *testing.T) {
	for line, want := range map[string][]string{
		"events --help":         {"caddy pay events list --state held,dead", "discard", "--address", "--json"},
		"events list --help":    {"--state", "--order_no", "--type", "--since", "--app", "--mode", "--limit", "--cursor"},
		"events release --help": {"--reason", "audit log"},
		"reconcile --help":      {"--date", "yesterday", "Exits 1"},
		"ledger verify --help":  {"Exits 1", "once a week", "--json"},
		"--help":                {"caddy pay events", "caddy pay reconcile", "caddy pay ledger"},
	} {
		var out bytes.Buffer
		err := payCommand(t, &out, strings.Fields(line)...).ExecuteContext(t.Context())
		if missing := slices.DeleteFunc(want, func(s string) bool { return strings.Contains(out.String(), s) }); err != nil || len(missing) > 0 {
			t.Errorf("pay %s: %v, lacks %q", line, err, missing)
		}
	}
}
