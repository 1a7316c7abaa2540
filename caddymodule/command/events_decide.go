package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/ledger"
)

// decision is what the flags of replay, release and discard say.
type decision struct {
	*running
	intent       adminapi.Intent
	preview, yes bool
}

func (c *running) decideEvents(action ledger.Action, short, example string) *cobra.Command {
	d := &decision{running: c, intent: adminapi.Intent{Action: action}}
	cmd := &cobra.Command{
		Use: string(action) + " [<event>...]", Short: short,
		Long: fmt.Sprintf(`
%[1]s.

Name events, or choose them by a filter: then you see first how many match, how many of them can be taken, for how much
money, and why the others cannot; Caddy goes on by itself, a few at a time, and each order's events keep their order. It goes on
after this command has ended, and after Caddy was started anew; caddy pay runs shows how far it is, and stops it.

  caddy pay events %[2]s evt_…%[3]s
  caddy pay events %[2]s %[4]s --preview
  caddy pay events %[2]s %[4]s

Exits 1 when nothing was done, and 2 when it was not done to all that could be taken.`, short, action, ifReason(action), example),
		Args: d.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			d.intent.Said = localUser()
			if len(args) > 0 {
				if err := d.why(cmd); err != nil {
					return err
				}
				return d.each(cmd, args)
			}
			return d.all(cmd)
		},
	}
	f, i := cmd.Flags(), &d.intent
	f.StringSliceVar(&i.States, "state", nil, "By filter: those in these states: pending, delivered, dead, held, discarded, filtered")
	f.StringVar(&i.OrderNo, "order_no", "", "By filter: of this order, by the merchant's number")
	f.StringVar(&i.Type, "type", "", "By filter: of this type, like charge.succeeded")
	f.StringVar(&i.Since, "since", "", "By filter: what came since: 2h, 3d, 2006-01-02 or a full time")
	f.StringVar(&i.App, "app", "", "The Ping++ app; with --mode")
	f.StringVar(&i.Mode, "mode", "", "The mode, live or test; with --app")
	f.StringVar(&i.Reason, "reason", "", "Why, for the audit log; release and discard need it")
	f.IntVar(&i.Rate, "rate", 0, "By filter: events a second, 1 to 1000 (default 50)")
	f.BoolVar(&d.preview, "preview", false, "By filter: show what would be done, and do nothing")
	f.BoolVarP(&d.yes, "yes", "y", false, "By filter: do not ask")
	if action == ledger.ActionReplay {
		f.BoolVar(&i.Again, "again", false, "Also what your backend has acknowledged already, or should not hear of any more")
	}
	return cmd
}

func ifReason(action ledger.Action) string {
	if action == ledger.ActionReplay {
		return ""
	}
	return ` --reason "…"`
}

var filterFlags = []string{"state", "order_no", "type", "since"}

// args takes events, or a filter, and never both: what is meant must not be a guess.
func (d *decision) args(cmd *cobra.Command, args []string) error {
	filtered := false
	for _, name := range filterFlags {
		filtered = filtered || cmd.Flags().Changed(name)
	}
	switch {
	case len(args) == 0 && !filtered:
		return errors.New("requires at least 1 arg: an event, or a filter like --state dead --since 2h")
	case len(args) > 0 && filtered:
		return errors.New("name events or give a filter, not both")
	}
	return d.alone(cmd, args)
}

// alone refuses what goes with a filter alone, where something is named.
func (d *decision) alone(cmd *cobra.Command, args []string) error {
	for _, name := range []string{"rate", "preview", "yes"} {
		if len(args) > 0 && cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s goes with a filter, not with named %s", name, d.intent.Things())
		}
	}
	return nil
}

// each decides about named events, one after the other.
func (d *decision) each(cmd *cobra.Command, ids []string) error {
	for _, id := range ids {
		ref := adminapi.EventRef{ID: id, App: d.intent.App, Mode: d.intent.Mode}
		e, err := d.one(cmd, ref, d.intent.Again)
		var refused *adminapi.Error
		if errors.As(err, &refused) && adminapi.NeedsAgain(refused.Code) {
			if !asks(cmd, refused.Message+". All the same?") {
				return fmt.Errorf("%w: --again", err)
			}
			e, err = d.one(cmd, ref, true)
		}
		if err != nil {
			return err
		}
		if err := d.show(cmd, e, func(w io.Writer) { fmt.Fprintf(w, "%s is %s\n", plain.Text(e.ID), plain.Text(e.State)) }); err != nil {
			return err
		}
	}
	return nil
}

func (d *decision) one(cmd *cobra.Command, ref adminapi.EventRef, again bool) (e *adminapi.EventView, err error) {
	err = d.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
		e, err = api.Decide(ctx, ref, d.intent.Action, adminapi.Decision{Said: d.intent.Said, Reason: d.intent.Reason, Again: again})
		return err
	})
	return e, err
}

// all decides about what the filter chooses, once a person has seen what that is.
func (d *decision) all(cmd *cobra.Command) error {
	p, err := d.look(cmd)
	if err != nil {
		return err
	}
	if d.preview {
		return d.show(cmd, p, func(w io.Writer) { printPreview(w, p) })
	}
	printPreview(cmd.ErrOrStderr(), p)
	if n := waiting(p.Not); n > 0 && !d.intent.Again && asks(cmd, fmt.Sprintf("Also the %d that can be taken with again?", n)) {
		d.intent.Again = true
		if p, err = d.look(cmd); err != nil {
			return err
		}
		printPreview(cmd.ErrOrStderr(), p)
	}
	if p.Eligible == 0 {
		return fmt.Errorf("nothing was done: none of the %d %s that match can be taken", p.Matched, p.Things())
	}
	if err := d.why(cmd); err != nil {
		return err
	}
	p.Reason = d.intent.Reason
	if !d.yes && !asks(cmd, fmt.Sprintf("%s these %d %s?", strings.ToUpper(string(p.Action[:1]))+string(p.Action[1:]), p.Eligible, p.Things())) {
		return errors.New("nothing was done; add --yes to go on without being asked")
	}
	var run *adminapi.RunView
	err = d.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
		run, err = api.Begin(ctx, p.Intent)
		return err
	})
	if err != nil {
		return err
	}
	return d.follow(cmd, run)
}

func (d *decision) look(cmd *cobra.Command) (p *adminapi.Preview, err error) {
	err = d.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
		p, err = api.Preview(ctx, d.intent)
		return err
	})
	return p, err
}

// waiting counts what could be taken with again.
func waiting(not []adminapi.Ineligible) (n int) {
	for _, i := range not {
		if adminapi.NeedsAgain(i.Code) {
			n += i.Count
		}
	}
	return n
}

func printPreview(w io.Writer, p *adminapi.Preview) {
	fmt.Fprintf(w, "%s of what is %s%s%s%s%s", p.Action, plain.Text(strings.Join(p.States, " or ")),
		named(", of the order ", p.OrderNo), named(", of type ", p.Type), named(", since ", p.Since), named(", until ", p.Until))
	if p.Through > 0 {
		fmt.Fprintf(w, ", through event %d", p.Through)
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "%d match, %d can be taken, for %s", p.Matched, p.Eligible, adminapi.Yuan(p.Amount))
	if p.Refunded > 0 {
		fmt.Fprintf(w, " paid and %s given back", adminapi.Yuan(p.Refunded))
	}
	fmt.Fprintln(w)
	if p.Repeated > 0 {
		fmt.Fprintf(w, "%d of them your backend has acknowledged already: it hears of them again\n", p.Repeated)
	}
	printNot(w, p.Not)
}

func printNot(w io.Writer, not []adminapi.Ineligible) {
	for _, n := range not {
		more := ""
		if n.Count > len(n.Events) {
			more = ", …"
		}
		fmt.Fprintf(w, "%d not: %s (%s%s)\n", n.Count, plain.Text(n.Why), plain.Text(strings.Join(n.Events, ", ")), more)
	}
}

func named(what, name string) string {
	if name == "" {
		return ""
	}
	return what + plain.Text(name)
}

// why asks a person for the reason, where one is needed and the command names none: before anything else is asked.
func (d *decision) why(cmd *cobra.Command) error {
	if i := &d.intent; adminapi.NeedsReason(i.Action) && strings.TrimSpace(i.Reason) == "" {
		if i.Reason = answer(cmd, fmt.Sprintf("Why do you %s it? For the audit log:", i.Action)); i.Reason == "" {
			return fmt.Errorf("a reason is missing; say why you %s it, for the audit log: --reason", i.Action)
		}
	}
	return nil
}

// asks puts a question to a person; where there is none, the answer is no.
func asks(cmd *cobra.Command, question string) bool {
	said := answer(cmd, question+" [y/N]")
	return strings.EqualFold(said, "y") || strings.EqualFold(said, "yes")
}

// answer is the line that a person answers a question with; where there is none, it is empty.
func answer(cmd *cobra.Command, question string) string {
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok && !term.IsTerminal(int(f.Fd())) {
		return ""
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s ", plain.Text(question))
	said, _ := bufio.NewReader(in).ReadString('\n')
	return strings.TrimSpace(said)
}
