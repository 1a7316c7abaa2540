package command

import (
	"cmp"

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
		out, paint := cmd.OutOrStdout(), (*painter)(nil)
		if coloured(cmd) {
			paint = &painter{w: out}
			out = paint
		}
		cmd.SetOut(plain.NewWriter(out))
		cmd.SetErr(plain.NewWriter(cmd.ErrOrStderr()))
		err := run(cmd, args)
		if paint != nil {
			err = cmp.Or(err, paint.end())
		}
		if err != nil {
			return plain.Error{Err: err}
		}
		return nil
	}
}
