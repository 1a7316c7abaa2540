package test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// What lies between an event's acceptance and its delivery: no polling wait. In this binary the relay looks for events by itself
// once an hour only, so that what arrives came by the signal of the commit, or because its own time had come.
func TestNoPollingWait(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.binary = buildWithoutPoll(t)
	s.start(plainSite)
	_, session := s.login()
	l := s.ledger()

	// From the payment to the backend.
	for _, orderNo := range []string{"TRACE1", "TRACE2", "TRACE3"} {
		if err := s.box.Pay(s.newCharge(session, orderNo)); err != nil {
			t.Fatal(err)
		}
		id := s.box.State(1).Events[0].ID
		h := s.backend.await(t, id, 1)[0]
		s.awaitState(t, l, id, ledger.Delivered)
		accepted, delivered := s.logged(t, "event accepted", id), s.logged(t, "event delivered", id)
		t.Logf("%s: accepted at %s, at the backend %+d µs, delivered %+d µs", orderNo, accepted.Format("15:04:05.000000"),
			h.At.Sub(accepted).Microseconds(), delivered.Sub(accepted).Microseconds())
	}

	// Again after a failure.
	s.backend.script(func() {
		s.backend.event = func(w http.ResponseWriter, _ *http.Request, h heard) {
			if h.Nth == 1 {
				http.Error(w, "not yet", http.StatusInternalServerError)
			}
		}
	})
	failed := s.succeeded("TRACE4")
	s.accept(failed)
	s.backend.await(t, failed.ID, 2)
	s.awaitState(t, l, failed.ID, ledger.Delivered)

	// The next of its lane, once the one before has arrived.
	release := make(chan struct{})
	s.backend.script(func() { s.backend.event = func(http.ResponseWriter, *http.Request, heard) { <-release } })
	payment := s.succeeded("TRACE5")
	refund := s.event("", func(e map[string]any) {
		now := time.Now().Unix()
		e["type"] = "refund.succeeded"
		e["data"] = map[string]any{"object": map[string]any{
			"id": "re_" + strings.TrimPrefix(payment.Charge, "ch_"), "object": "refund", "order_no": "TRACE5R", "amount": 100, "created": now, "succeed": true,
			"status": "succeeded", "time_succeed": now, "description": "x", "metadata": map[string]any{}, "charge": payment.Charge,
		}}
	})
	s.accept(payment)
	s.backend.await(t, payment.ID, 1)
	s.accept(refund)
	if n := len(s.backend.events(refund.ID)); n != 0 {
		t.Error("the refund went before its payment had arrived")
	}
	close(release)
	s.backend.await(t, refund.ID, 1)
	s.awaitState(t, l, refund.ID, ledger.Delivered)
}

// buildWithoutPoll links cmd/caddy with an hour for the second after which a relay looks for what other processes recorded.
func buildWithoutPoll(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(root, "relay", "relay.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	poll := regexp.MustCompile(`(?m)^(\tDefaultPoll +=) time\.Second$`)
	if n := len(poll.FindAll(source, -1)); n != 1 {
		t.Fatalf("%s says %d times that DefaultPoll is a second", original, n)
	}
	dir := t.TempDir()
	changed, overlay, bin := filepath.Join(dir, "relay.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "caddy")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{changed: poll.ReplaceAll(source, []byte("$1 time.Hour")), overlay: replace} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-overlay", overlay, "-o", bin, "./cmd/caddy")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0") // as the Makefile's PLAIN, so that nothing is compiled twice
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// logged waits for Caddy's log line of an event, and returns its time.
func (s *stage) logged(t *testing.T, msg, event string) (at time.Time) {
	t.Helper()
	eventually(t, shortly, func() error {
		for text := range strings.Lines(s.caddy.log.String()) {
			var line struct {
				TS         float64
				Msg, Event string
			}
			if json.Unmarshal([]byte(text), &line) == nil && line.Msg == msg && line.Event == event {
				at = time.UnixMicro(int64(line.TS * 1e6))
				return nil
			}
		}
		return errorf("the log has no line %q of %s", msg, event)
	})
	return at
}
