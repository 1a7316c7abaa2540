package command

import (
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/plain"
)

// plainOutput lets nothing from outside act on the terminal of a command or of those below it, whatever they print.
func plainOutput(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		plainOutput(below)
	}
	run := cmd.RunE
	if run == nil {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SetOut(plain.NewWriter(cmd.OutOrStdout()))
		cmd.SetErr(plain.NewWriter(cmd.ErrOrStderr()))
		if err := run(cmd, args); err != nil {
			return plain.Error{Err: err}
		}
		return nil
	}
}
