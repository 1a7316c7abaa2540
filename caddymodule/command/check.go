package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/check"
)

// checkAgain is how long --wait rests between two looks.
const checkAgain = time.Second

func checkCommand() *cobra.Command {
	c := &running{}
	var t adminapi.Trial
	var backend, short bool
	var wait time.Duration
	var explain string
	cmd := &cobra.Command{
		Use: "check", Short: "Looks at everything that a payment needs, and tries the backend", Args: cobra.NoArgs,
		Long: `
Looks at the configuration, keys, clock, Ping++, WeChat, the webhook URL, certificates, the backend, the ledger and what waits in it, and says
what is wrong and how to mend it. Nothing is changed. ✓ is well, ✗ fails, ! should be looked at, ? could not be found out.

With --backend it tries the merchant's own backend instead, in test mode: with an order that can be paid it sends right and wrong questions and
events, as caddypay and as strangers would. The order counts as paid there afterwards.

  caddy pay check
  caddy pay check --wait 60s --short
  caddy pay check --backend --order TEST1
  caddy pay check --explain webhook-url

Exits 0 when all is well, 2 when there are warnings only, 1 when something failed, and 3 when something could not be found out, as when Caddy
does not run.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if explain != "" {
				return explainFinding(cmd.OutOrStdout(), explain, t.Language)
			}
			r, err := c.look(cmd, wait, func(ctx context.Context, api *adminapi.Client) (*check.Report, error) {
				if backend {
					return api.TryBackend(ctx, t)
				}
				return api.Check(ctx, t.Language)
			})
			if err != nil && !errors.As(err, new(*adminapi.Error)) {
				err = fmt.Errorf("nothing was checked, since no Caddy answers: %w; if it does not start, caddy validate says why", err)
			}
			if err != nil {
				return exit(cmd, 3, err)
			}
			switch out := cmd.OutOrStdout(); {
			case c.asJSON:
				if err := json.NewEncoder(out).Encode(r); err != nil {
					return err
				}
			case short:
				printShort(out, r)
			default:
				printReport(out, r)
			}
			return verdict(cmd, r)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&backend, "backend", false, "Try the merchant's backend, in test mode")
	f.StringVar(&t.OrderNo, "order", "", "With --backend: an order that can be paid (default: TEST1)")
	f.StringVar(&t.OpenID, "openid", "", "With --backend: who would pay it (default: whoever the backend says may)")
	f.StringVar(&t.Fulfilled, "fulfilled", "", "With --backend: where the answer about an order says how often it was fulfilled (default: fulfilled)")
	f.StringVar(&t.Site, "site", "", "With --backend: whose backend (default: all)")
	f.StringVar(&t.Language, "lang", language(os.Getenv), "The language of the sentences, en or zh")
	f.BoolVar(&short, "short", false, "One line for each finding that is not well")
	f.DurationVar(&wait, "wait", 0, "Look again until nothing fails, for so long")
	f.StringVar(&explain, "explain", "", "Show what docs/check.md says about a finding")
	cmd.MarkFlagsMutuallyExclusive("short", "json")
	cmd.MarkFlagsMutuallyExclusive("backend", "wait") // each trial takes another order
	return cmd
}

// look asks until nothing fails, or the time is over.
func (c *running) look(cmd *cobra.Command, wait time.Duration, f func(context.Context, *adminapi.Client) (*check.Report, error)) (r *check.Report, err error) {
	end := time.Now().Add(wait)
	for {
		err = c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) { r, err = f(ctx, api); return err })
		if err == nil && (r.Result == check.OK || r.Result == check.Warn) || time.Now().Add(checkAgain).After(end) {
			return r, err
		}
		select {
		case <-time.After(checkAgain):
		case <-cmd.Context().Done():
			return r, cmd.Context().Err()
		}
	}
}

// language is that of the terminal: en or zh.
func language(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := env(name); value != "" {
			if strings.HasPrefix(strings.ToLower(value), "zh") {
				return "zh"
			}
			break
		}
	}
	return "en"
}

func explainFinding(w io.Writer, id, language string) error {
	text := check.Explain(id, language)
	if text == "" {
		return fmt.Errorf("there is no finding %q; there are: %s", id, strings.Join(check.IDs(), ", "))
	}
	fmt.Fprintln(w, text)
	return nil
}

func printReport(w io.Writer, r *check.Report) {
	for _, f := range r.Findings {
		fmt.Fprintln(w, line(f))
		if f.Result == check.OK {
			continue
		}
		if f.Fix != "" {
			fmt.Fprintf(w, "    → %s\n", plain.Text(f.Fix))
		}
		for _, command := range f.Commands {
			fmt.Fprintf(w, "    $ %s\n", plain.Text(command))
		}
		fmt.Fprintf(w, "    %s\n", plain.Text(f.Docs))
	}
}

func printShort(w io.Writer, r *check.Report) {
	for _, f := range r.Findings {
		if f.Result != check.OK {
			fmt.Fprintln(w, line(f))
		}
	}
	if r.Result == check.OK {
		fmt.Fprintln(w, check.OK.Mark()+" "+summary(r))
	}
}

func line(f check.View) string {
	site := ""
	if f.Site != "" {
		site = " (" + plain.Text(f.Site) + ")"
	}
	return fmt.Sprintf("%s %s%s: %s", f.Result.Mark(), plain.Text(f.ID), site, plain.Text(f.Text))
}

// verdict ends the command as its report says. Warnings alone are counted too, but are no error.
func verdict(cmd *cobra.Command, r *check.Report) error {
	code := r.Exit()
	if code == 0 {
		return nil
	}
	if r.Result == check.Warn {
		cmd.SilenceErrors = true
		fmt.Fprintln(cmd.ErrOrStderr(), summary(r))
	}
	return exit(cmd, code, errors.New(summary(r)))
}

// summary counts the findings.
func summary(r *check.Report) string {
	count := make(map[check.Result]int)
	for _, f := range r.Findings {
		count[f.Result]++
	}
	warnings := "warnings"
	if count[check.Warn] == 1 {
		warnings = "warning"
	}
	return fmt.Sprintf("%d well, %d failed, %d %s, %d not found out", count[check.OK], count[check.Fail], count[check.Warn], warnings, count[check.Unknown])
}
