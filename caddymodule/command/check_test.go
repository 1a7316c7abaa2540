package command

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/check"
)

// A report ends with its code and its count; a mere warning is not called an error.
func TestCheckVerdict(t *testing.T) {
	for _, tc := range []struct {
		worst  check.Result
		others []check.Result
		code   int
		want   string
	}{
		{check.OK, nil, 0, ""},
		{check.Warn, []check.Result{check.OK}, 2, "1 well, 0 failed, 1 warning, 0 not found out\n"},
		{check.Warn, []check.Result{check.Warn}, 2, "0 well, 0 failed, 2 warnings, 0 not found out\n"},
		{check.Fail, []check.Result{check.Warn}, 1, "Error: 0 well, 1 failed, 1 warning, 0 not found out\n"},
		{check.Unknown, nil, 3, "Error: 0 well, 0 failed, 0 warnings, 1 not found out\n"},
	} {
		r := &check.Report{Result: tc.worst}
		for _, result := range append(tc.others, tc.worst) {
			r.Findings = append(r.Findings, check.View{Result: result})
		}
		var notices bytes.Buffer
		cmd := &cobra.Command{SilenceUsage: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return verdict(cmd, r) }}
		plainOutput(cmd)
		cmd.SetArgs([]string{})
		cmd.SetErr(&notices)
		code := 0
		if err := cmd.Execute(); err != nil {
			code = codeOf(err)
		}
		if code != tc.code || notices.String() != tc.want {
			t.Errorf("%s: %d %q, not %d %q", tc.worst, code, &notices, tc.code, tc.want)
		}
	}
}
