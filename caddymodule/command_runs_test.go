package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/adminapi"
)

// After a night in which the backend refused everything, one command delivers all of it again, and a reload in between loses nothing.
func TestReplayByFilter(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	file := d.site(t, dir, addr)
	a := runAdmin(t, file)
	var out, notices bytes.Buffer
	pay := func(line string) (string, string, error) {
		out.Reset()
		notices.Reset()
		cmd := payCommand(t, &out, append(strings.Fields(line), "--address", a.addr)...)
		cmd.SetErr(&notices)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), notices.String(), err
	}
	const many = 30
	d.refuses(true)
	for i := range many {
		if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(fmt.Sprint(i))); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	eventually(t, "the end of the schedule", func() bool { ids, _ := a.list("state=dead"); return len(ids) == many })
	d.refuses(false)

	const filter = "events replay --state dead --since 2h --type charge.succeeded "
	stdout, stderr, err := pay(filter + "--preview")
	if err != nil || !strings.Contains(stdout, fmt.Sprintf("%d match, %d can be taken, for ¥%d.00\n", many, many, many)) || stderr != "" {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	stdout, stderr, err = pay(filter)
	if err == nil || err.Error() != "nothing was done; add --yes to go on without being asked" || stdout != "" || !strings.Contains(stderr, "30 match") {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	if ids, _ := a.list("state=dead"); len(ids) != many {
		t.Errorf("%d are dead still", len(ids))
	}

	stdout, _, err = pay(filter + "--preview --json")
	var p adminapi.Preview
	if err != nil || json.Unmarshal([]byte(stdout), &p) != nil || p.Eligible != many || p.Amount != many*100 || p.Through == 0 {
		t.Fatalf("%v\n%s", err, stdout)
	}
	p.Rate = 20
	var run adminapi.RunView
	if status, body := a.do(http.MethodPost, "/pay/runs", encodeJSON(t, p.Intent), &run); status != http.StatusOK {
		t.Fatal(status, body)
	}
	show := func() (now adminapi.RunView) {
		a.do(http.MethodGet, "/pay/runs/"+run.ID, "", &now)
		return now
	}
	eventually(t, "a part of the run", func() bool { return show().Decided > 2 })
	if err := caddy.Load(adapt(t, strings.Replace(strings.Replace(file, "admin off", "admin "+a.addr, 1), "retry 20ms", "retry 21ms", 1)), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the run", func() bool { return !show().Ended.IsZero() })
	eventually(t, "all deliveries", func() bool { ids, _ := a.list("state=delivered"); return len(ids) == many })
	for i := range many {
		if n := len(d.heard(fmt.Sprint(i))); n != 3 { // two that failed, and one replay
			t.Errorf("evt_%d was sent %d times", i, n)
		}
	}

	stdout, stderr, err = pay(filter + "--yes")
	if err == nil || !strings.Contains(err.Error(), "none of the 0 events that match") {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	stdout, stderr, err = pay("events replay --state delivered --yes")
	if err == nil || !strings.Contains(stderr, "30 not: delivered; your backend has acknowledged it already") {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	stdout, stderr, err = pay("events replay --state delivered --order_no order7 --again --yes --reason lost --rate 1000")
	if err != nil || !strings.Contains(stdout, "is done: replay of 1 events") || !strings.Contains(stderr, "1 of them your backend has acknowledged already") {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	eventually(t, "the replay", func() bool { return len(d.heard("7")) == 4 })

	stdout, _, err = pay("runs list")
	if err != nil || strings.Count(stdout, "\n") != 3 || !strings.Contains(stdout, run.ID) || !strings.Contains(stdout, "lost") || !strings.Contains(stdout, "done") {
		t.Errorf("%v\n%s", err, stdout)
	}
	stdout, _, err = pay("runs show " + run.ID)
	if err != nil || !strings.Contains(stdout, "30 of 30") || !strings.Contains(stdout, "replay of what is dead, of type charge.succeeded, since ") {
		t.Errorf("%v\n%s", err, stdout)
	}
	if stdout, _, err = pay("runs stop " + run.ID + " --json"); err != nil || !strings.Contains(stdout, `"status":"done"`) {
		t.Errorf("%v\n%s", err, stdout)
	}
}
