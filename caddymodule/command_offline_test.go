package caddymodule

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddypay/caddypay/ledger"
)

// offline runs a command, and returns what it prints and says.
func offline(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, notices bytes.Buffer
	cmd := payCommand(t, &out, args...)
	cmd.SetErr(&notices)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), notices.String(), err
}

// folderOf is what is in a folder: names, sizes, times and bytes.
func folderOf(t *testing.T, dir string) (all string) {
	t.Helper()
	for _, e := range must(os.ReadDir(dir)) {
		if info := must(e.Info()); info.Mode().IsRegular() {
			all += fmt.Sprintln(e.Name(), info.Size(), info.ModTime().UnixNano(), sha256.Sum256(must(os.ReadFile(filepath.Join(dir, e.Name())))))
		}
	}
	return all
}

// moment is what differs between two answers to one question.
var moment = regexp.MustCompile(`"(now|bytes|wal_bytes|next_attempt)":("[^"]*"|\d+),?`)

// downSite is a site on which something has happened, whose Caddy has been stopped: what its commands said while it ran is what they must say of the
// file, in JSON.
func downSite(t *testing.T) (file, event, receipt string, said func(line string) string, folder string) {
	t.Helper()
	shop := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/price/") {
			_, _ = io.WriteString(w, price(r))
			return
		}
		http.Error(w, "not now", http.StatusInternalServerError)
	})
	box, addr, config := nightSite(t, shop, "20ms")
	a := runAdmin(t, config)
	l := ledgerOf(t)
	chargeID := nightCharge(t, addr, "1234", "oAAAAAAAAAAAAAAAAAAAAAAAAAA1")
	if err := box.Pay(chargeID); err != nil {
		t.Fatal(err)
	}
	if status, body := a.do(http.MethodPost, "/pay/orders/1234/query", "{}", nil); status != http.StatusOK {
		t.Fatal(status, body)
	}
	for i := range 3 {
		if status := sendWebhook(t, "http://"+addr+"/pay/webhooks", webhookEvent(fmt.Sprint(i))); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	event = "evt_q_" + chargeID + "_charge_succeeded"
	eventually(t, "all have died", func() bool { ids, _ := a.list("state=dead"); return len(ids) == 4 })
	for _, line := range []string{"events discard evt_0 --reason wrong", "events replay --state dead --yes"} {
		if out, notices, err := offline(t, append(strings.Fields(line), "--address", a.addr)...); err != nil {
			t.Fatalf("%s: %v\n%s%s", line, err, out, notices)
		}
	}
	eventually(t, "they have died again", func() bool { ids, _ := a.list("state=dead"); return len(ids) == 3 })
	receipt = must(l.Charge(t.Context(), testScope, chargeID)).TransactionNo
	file = must(ledgerPath(regexp.MustCompile(`ledger sqlite (\S+)`).FindStringSubmatch(config)[1]))

	before := make(map[string]string)
	ask := func(line string) string {
		t.Helper()
		out, notices, err := offline(t, append(strings.Fields(line), "--json", "--address", a.addr)...)
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", line, err, out, notices)
		}
		return moment.ReplaceAllString(out, "")
	}
	for _, line := range readingLines(event, chargeID, receipt) {
		before[line] = ask(line)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ledger is closed", func() bool { _, err := os.Stat(file + "-wal"); return errors.Is(err, fs.ErrNotExist) })
	return file, event, receipt, func(line string) string { return before[line] }, filepath.Dir(file)
}

// readingLines are the commands that a file answers too.
func readingLines(event, charge, receipt string) []string {
	return []string{
		"find 1234", "find " + receipt, "find " + event, "orders list", "orders list --status paid --limit 1", "orders show 1234", "charges list --order_no 1234",
		"charges show " + charge, "refunds list", "events list", "events list --state dead --limit 2", "events list --order_no none", "events show " + event,
		"figures", "shipping list", "runs list", "audit", "audit --event evt_0",
	}
}

// With Caddy down the ledger itself says what a running Caddy said, and stays as it is.
func TestCaddyIsDown(t *testing.T) {
	file, event, receipt, said, folder := downSite(t)
	charge := strings.TrimSuffix(strings.TrimPrefix(event, "evt_q_"), "_charge_succeeded")
	before := folderOf(t, folder)
	for _, line := range readingLines(event, charge, receipt) {
		out, notices, err := offline(t, append(strings.Fields(line), "--json", "--ledger", file)...)
		if err != nil || notices != "" {
			t.Errorf("%s: %v\n%s", line, err, notices)
			continue
		}
		if line == "events list --order_no none" { // what the sites have refused is in no ledger
			if !strings.Contains(out, `The order \"none\" is unknown: the ledger has no payment of it that was begun.`) {
				t.Error(out)
			}
			continue
		}
		if got, want := moment.ReplaceAllString(out, ""), said(line); got != want {
			t.Errorf("%s: the file says\n%snot\n%s", line, got, want)
		}
	}
	out, notices, err := offline(t, "orders", "show", "1234", "--ledger", file)
	if err != nil || !strings.Contains(out, "1234, app_test1 in test mode: paid") || !strings.HasPrefix(notices, "Read from "+file+", last written at 2") ||
		!strings.HasSuffix(notices, ", without asking Caddy: what is still to come comes only while it runs\n") {
		t.Errorf("%v\n%s%s", err, out, notices)
	}
	_, _, err = offline(t, "orders", "show", "4321", "--ledger", file)
	if err == nil || !strings.Contains(err.Error(), `The order "4321" is unknown`) || strings.Contains(err.Error(), "--address") {
		t.Error(err)
	}
	run := regexp.MustCompile(`run_\w+`).FindString(said("runs list"))
	if out, _, err := offline(t, "runs", "show", run, "--ledger", file); err != nil || !strings.Contains(out, "3 of 3") {
		t.Errorf("%v\n%s", err, out)
	}

	// The page for operators has the commands.
	page := string(must(os.ReadFile("../docs/operations.md")))
	_, page, _ = strings.Cut(page, "## Caddy is down: what was paid?")
	page, _, _ = strings.Cut(page, "\n## ")
	ran := 0
	for _, line := range regexp.MustCompile("(?m)^caddy pay .*--ledger .*$").FindAllString(page, -1) {
		args := strings.Fields(regexp.MustCompile(`--ledger \S+`).ReplaceAllString(line, "--ledger "+file))
		if out, notices, err := offline(t, args[2:]...); err != nil || out == "" {
			t.Errorf("%s: %v\n%s%s", line, err, out, notices)
		}
		ran++
	}
	if ran < 4 {
		t.Errorf("%d commands", ran)
	}

	// What acts is refused, before it asks anything.
	for _, line := range []string{
		"orders query 1234", "events replay " + event, "events replay --state dead --yes", "events release " + event + " --reason x", "events discard " + event + " --reason x", "runs stop " + run, "shipping report ch_1",
	} {
		_, _, err := offline(t, append(strings.Fields(line), "--ledger", file)...)
		if err == nil || !strings.HasPrefix(err.Error(), "--ledger: a file is only read, and pay "+strings.Join(strings.Fields(line)[:2], " ")+" needs a running Caddy; start it") {
			t.Errorf("%s: %v", line, err)
		}
	}
	for args, want := range map[string]string{
		"figures --ledger=":                              "--ledger needs a file: the one that ledger sqlite <file> names in the Caddyfile, or else /",
		"figures --ledger " + file + " --address x:1":    "--address: no running Caddy is asked about a file",
		"find 1 --config Caddyfile --ledger " + file:     "--config: no running Caddy is asked about a file",
		"figures --ledger":                               "flag needs an argument: --ledger",
		"events list --ledger " + file + ".none":         "there is no such file",
		"audit --ledger " + folder:                       "not a file",
		"find 1234 --ledger " + thisFile(t):              "not an SQLite file",
		"events list --cursor !! --ledger " + file:       "cursor must be the member next",
		"events list --limit 1001 --ledger " + file:      "limit must be 1 to 1000",
		"orders list --app app_1 --ledger " + file:       "give app and mode",
		"find nothing --ledger " + file:                  "nothing goes by",
		"events show evt_none --ledger " + file:          "there is no event",
		"ledger verify copy.db":                          "verify takes the name of a file as --ledger copy.db",
		"ledger verify --ledger= ":                       "--ledger needs a file",
		"ledger verify --address x:1 --ledger " + folder: "--address: no running Caddy is asked about a file",
	} {
		if _, _, err := offline(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
	if after := folderOf(t, folder); after != before {
		t.Errorf("from\n%sto\n%s", before, after)
	}
}

func thisFile(t *testing.T) string {
	t.Helper()
	return must(filepath.Abs("command_offline_test.go"))
}

// While the admin endpoint is off, tail follows the file of the running Caddy, and harms no webhook.
func TestTailOfTheFile(t *testing.T) {
	dir, addr, d := t.TempDir(), freeAddr(t), newDesk(t)
	config := d.site(t, dir, addr)
	run(t, config)
	hook := "http://" + addr + "/pay/webhooks"
	if status := sendWebhook(t, hook, webhookEvent("old")); status != http.StatusOK {
		t.Fatal(status)
	}
	ctx, stop := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	defer ended.Wait()
	defer stop()
	out, notices := new(printed), new(printed)
	cmd := payCommand(t, out, "events", "tail", "--ledger", filepath.Join(dir, "ledger.db"))
	cmd.SetErr(notices)
	ended.Go(func() {
		if err := cmd.ExecuteContext(ctx); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "its beginning", func() bool { return strings.Contains(notices.String(), "Waiting for events") })
	for i := range 5 {
		if status := sendWebhook(t, hook, webhookEvent(fmt.Sprint(i))); status != http.StatusOK {
			t.Fatal(status)
		}
		eventually(t, "the event and its delivery", func() bool { return strings.Contains(out.String(), fmt.Sprintf("evt_%d  → 200 in ", i)) })
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	run(t, config)
	if status := sendWebhook(t, hook, webhookEvent("next")); status != http.StatusOK {
		t.Fatal(status)
	}
	eventually(t, "the events of the next process", func() bool { return strings.Contains(out.String(), "evt_next  → 200 in ") })
	stop()
	ended.Wait()
	if strings.Contains(notices.String(), "cannot be read") {
		t.Error(notices)
	}
	if got := must(ledgerOf(t).Event(t.Context(), testScope, "evt_next")).State; got != ledger.Delivered {
		t.Error(got)
	}
}

// When no Caddy can be asked, a command that reads says how the ledger is read, and names the file if it is there.
func TestAdminUnreachable(t *testing.T) {
	nobody, data := freeAddr(t), t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Chdir(t.TempDir())
	fails := func(line string, want ...string) {
		t.Helper()
		_, _, err := offline(t, strings.Fields(line)...)
		if err == nil {
			t.Errorf("%s: no error", line)
			return
		}
		for _, w := range want {
			if text, not := strings.CutPrefix(w, "!"); strings.Contains(err.Error(), text) == not {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	const hint = "; while Caddy is down, or its admin endpoint off, the ledger itself can be read: --ledger "
	for _, line := range []string{"find 1", "orders list", "orders show 1", "charges list", "refunds list", "events list", "events tail", "figures", "shipping list", "runs list", "audit", "ledger verify"} {
		fails(line+" --address "+nobody, "refused", "(the admin API is at "+nobody+"; another one is named with --address"+hint+"<file>)")
	}
	for _, line := range []string{"orders query 1", "pause --reason x", "health", "events replay evt_1", "reconcile --date 2026-01-02"} {
		fails(line+" --address "+nobody, "(the admin API is at "+nobody, "!--ledger")
	}
	byDefault := must(ledgerPath(""))
	if !strings.HasPrefix(byDefault, data) {
		t.Fatal(byDefault)
	}
	if err := os.MkdirAll(filepath.Dir(byDefault), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Dir(byDefault), filepath.Base(byDefault), "")
	fails("figures --address "+nobody, hint+byDefault+")")
	fails("figures --ledger=", "or else "+byDefault)

	// The address is --config's, or else ./Caddyfile's, and so is the file.
	own := filepath.Join(t.TempDir(), "my ledger.db")
	write(t, filepath.Dir(own), filepath.Base(own), "")
	config := "{\n\tadmin " + nobody + "\n\tpay {\n\t\tledger sqlite \"" + own + "\"\n\t}\n}\n"
	write(t, ".", "other.caddyfile", config)
	fails("figures --config other.caddyfile", "the admin API is at "+nobody, hint+"'"+own+"')")
	fails("figures --adapter caddyfile", "there is no ./Caddyfile; name one with --config")
	fails("figures --config none.caddyfile", "none.caddyfile")
	write(t, ".", "Caddyfile", config)
	fails("figures", "the admin API is at "+nobody, hint+"'"+own+"')")
	fails("figures --adapter caddyfile", "the admin API is at "+nobody)
	fails("figures --adapter json5", "json5")
	write(t, ".", "Caddyfile", strings.Replace(config, "admin "+nobody, "admin off", 1))
	fails("figures", "Caddyfile turns the admin endpoint off", "with --address"+hint+"'"+own+"'")
	fails("pause --reason x", "Caddyfile turns the admin endpoint off", "!--ledger")
	fails("figures --address "+nobody, "the admin API is at "+nobody)
	write(t, ".", "Caddyfile", "{\n\tadmin off\n")
	fails("figures", "Caddyfile:2", "mend it, or name the admin API with --address"+hint+byDefault)
	write(t, ".", "caddy.json", `{"admin":{"listen":"`+nobody+`"}}`)
	fails("figures --config caddy.json", "the admin API is at "+nobody, hint+byDefault)
	write(t, ".", "caddy.json", `{"admin":{"listen":"`+nobody+`"},"apps":{"pay":{"ledger":{"driver":"postgres"}}}}`)
	fails("figures --config caddy.json", "the admin API is at "+nobody, "!--ledger")
}
