package command

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/ledger"
)

// Whoever releases or discards without a reason is asked for it; where nobody is, nothing is done.
func TestReasonIsAskedFor(t *testing.T) {
	for _, tt := range []struct {
		action               ledger.Action
		given, typed, reason string
		asked                bool
	}{
		{ledger.ActionRelease, "", "paid the rest in cash\n", "paid the rest in cash", true},
		{ledger.ActionDiscard, " ", "\n", "", true},
		{ledger.ActionDiscard, "refunded by hand", "", "refunded by hand", false},
		{ledger.ActionReplay, "", "", "", false},
	} {
		var notices bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetErr(&notices)
		cmd.SetIn(strings.NewReader(tt.typed))
		d := &decision{intent: adminapi.Intent{Action: tt.action, Reason: tt.given}}
		err := d.why(cmd)
		if missing := tt.reason == "" && tt.action != ledger.ActionReplay; (err != nil) != missing || d.intent.Reason != tt.reason {
			t.Errorf("%s: %v, %q", tt.action, err, d.intent.Reason)
		}
		if asked := strings.Contains(notices.String(), "Why do you "+string(tt.action)+" it?"); asked != tt.asked {
			t.Errorf("%s: asked %q", tt.action, &notices)
		}
	}
	null := must(os.Open(os.DevNull))
	defer null.Close()
	cmd := &cobra.Command{}
	cmd.SetErr(io.Discard)
	cmd.SetIn(null)
	d := &decision{intent: adminapi.Intent{Action: ledger.ActionRelease}}
	if err := d.why(cmd); err == nil || !strings.Contains(err.Error(), "--reason") {
		t.Errorf("nobody is there: %v", err)
	}
}
