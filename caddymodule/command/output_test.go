package command

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/cobra"
)

const (
	hostile = "1\x1b[2J\u009b31m\u202e9"   // acts on a terminal
	shown   = `1\u001b[2J\u009b31m\u202e9` // what is seen of it
)

// What a command prints, on either of its outputs, and the error that it ends with act on no terminal, also below a command of commands.
func TestPlainOutput(t *testing.T) {
	cause := errors.New("cannot read " + hostile)
	below := &cobra.Command{Use: "show", RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Fprint(cmd.OutOrStdout(), "out ", hostile)
		fmt.Fprint(cmd.ErrOrStderr(), "err ", hostile)
		return cause
	}, SilenceErrors: true, SilenceUsage: true}
	cmd := &cobra.Command{Use: "events", SilenceErrors: true, SilenceUsage: true}
	cmd.AddCommand(below)
	plainOutput(cmd)
	var stdout, stderr bytes.Buffer
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs([]string{"show"})
	err := cmd.ExecuteContext(t.Context())
	if !errors.Is(err, cause) || err.Error() != "cannot read "+shown {
		t.Errorf("it ends with %q", err)
	}
	if stdout.String() != "out "+shown || stderr.String() != "err "+shown {
		t.Errorf("it prints %q and %q", &stdout, &stderr)
	}
}
