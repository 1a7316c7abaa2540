package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

const (
	tailEvery = time.Second
	tailPage  = 200    // the last events, whose deliveries are seen
	tailMost  = 10_000 // new events between two looks; more are left out, and that is said
)

func (c *running) tailEvents() *cobra.Command {
	var q adminapi.EventQuery
	cmd := &cobra.Command{
		Use: "tail", Short: "Shows events as they come, and each attempt to deliver them", Args: cobra.NoArgs,
		Long: `
Shows each event that comes, and each attempt to deliver one of the last 200, as it happens: the event's id stands in every line.
Events and attempts go to stdout, all else to stderr: also that Caddy is gone, and that it is back.

  caddy pay events tail
  caddy pay events tail --type charge.succeeded --json | jq .order_no
  caddy pay events tail --ledger ledger.db    while the admin endpoint is off`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			q.Limit = tailPage
			t := &tail{running: c, query: q, out: cmd.OutOrStdout(), notices: cmd.ErrOrStderr(), known: make(map[string]attempts)}
			return t.run(ctx, cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.OrderNo, "order_no", "", "Only this order, by the merchant's number")
	f.StringVar(&q.Type, "type", "", "Only this type, like charge.succeeded")
	f.StringVar(&q.App, "app", "", "Only this Ping++ app; with --mode")
	f.StringVar(&q.Mode, "mode", "", "Only this mode, live or test; with --app")
	return cmd
}

// tail is what has been shown so far.
type tail struct {
	*running
	query        adminapi.EventQuery
	out, notices io.Writer
	api          *adminapi.Client
	last         int64               // Seq of the last event that was shown
	known        map[string]attempts // of the last events, and of older ones that are pending, by id and scope
}

// attempts are those of an event that were shown.
type attempts struct {
	ref   adminapi.EventRef
	seq   int64
	view  adminapi.EventView
	shown int
}

func (t *tail) run(ctx context.Context, cmd *cobra.Command) error {
	return t.ask(cmd, func(_ context.Context, api *adminapi.Client) error {
		t.api = api
		page, err := api.Events(ctx, t.query)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			t.last = max(t.last, e.Seq)
			if err := t.meet(ctx, e, false); err != nil {
				return err
			}
		}
		t.watch(ctx)
		return nil
	})
}

// watch shows what comes until the context ends.
func (t *tail) watch(ctx context.Context) {
	fmt.Fprintln(t.notices, "Waiting for events; Ctrl-C ends it")
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for gone := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := t.look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !gone:
			fmt.Fprintf(t.notices, "%s  %s: %v; looking for it again and again\n", time.Now().Format(zoned), t.asked("Caddy is gone, or does not answer", "The ledger cannot be read"), err)
		case err == nil && gone:
			fmt.Fprintf(t.notices, "%s  %s\n", time.Now().Format(zoned), t.asked("Caddy is back", "The ledger can be read again"))
		}
		gone = err != nil
	}
}

// asked says what is so of who is asked: a Caddy, or a file.
func (t *tail) asked(caddy, file string) string {
	if t.ledger != "" {
		return file
	}
	return caddy
}

// look shows what is new.
func (t *tail) look(ctx context.Context) error {
	var fresh []adminapi.EventView
	seen := make(map[string]bool) // in the lists of this look
	for q := t.query; ; {
		page, err := t.api.Events(ctx, q)
		if err != nil {
			return err
		}
		old := len(page.Events) == 0 || page.Next == ""
		for _, e := range page.Events {
			seen[key(e)] = true
			if e.Seq > t.last {
				fresh = append(fresh, e)
				continue
			}
			old = true
			if err := t.again(ctx, e); err != nil {
				return err
			}
		}
		if old {
			break
		}
		if len(fresh) >= tailMost {
			fmt.Fprintf(t.notices, "More than %d events at once: some are not shown\n", tailMost)
			break
		}
		q.Cursor = page.Next
	}
	for _, e := range slices.Backward(fresh) {
		if err := t.meet(ctx, e, true); err != nil {
			return err
		}
		t.last = max(t.last, e.Seq)
	}
	return t.older(ctx, seen)
}

func key(e adminapi.EventView) string { return e.App + "/" + e.Mode + " " + e.ID }

// meet begins to follow an event; what came before the beginning is not shown.
func (t *tail) meet(ctx context.Context, e adminapi.EventView, show bool) error {
	a := attempts{ref: adminapi.EventRef{ID: e.ID, App: e.App, Mode: e.Mode}, seq: e.Seq, view: e}
	if show {
		if err := t.event(e); err != nil {
			return err
		}
		a.view.Attempts, a.view.Due = 0, e.Received // as it came: what has happened since is shown below
	} else {
		a.shown = -1 // not known yet; they are counted when something changes
		if e.State == "pending" {
			whole, err := t.api.Event(ctx, a.ref)
			if err != nil {
				return err
			}
			a.shown = len(whole.Deliveries)
		}
	}
	t.known[key(e)] = a
	if show {
		return t.again(ctx, e)
	}
	return nil
}

// again shows the attempts to deliver an event that there are since it was looked at.
func (t *tail) again(ctx context.Context, e adminapi.EventView) error {
	a, followed := t.known[key(e)]
	if !followed || a.view.Attempts == e.Attempts && a.view.State == e.State && a.view.Due.Equal(e.Due) {
		return nil
	}
	whole, err := t.api.Event(ctx, a.ref)
	if err != nil {
		return err
	}
	if a.shown < 0 { // it had settled before this began, and has come to life again
		a.shown = max(0, len(whole.Deliveries)-max(0, whole.Attempts-a.view.Attempts))
	}
	for _, d := range whole.Deliveries[min(a.shown, len(whole.Deliveries)):] {
		if err := t.delivery(whole.EventView, d); err != nil {
			return err
		}
	}
	a.shown, a.view = len(whole.Deliveries), whole.EventView
	t.known[key(e)] = a
	return nil
}

// older looks after events that are pending and not among the last ones any more, and forgets the others.
func (t *tail) older(ctx context.Context, seen map[string]bool) error {
	for k, a := range t.known {
		switch {
		case seen[k]:
		case a.view.State != "pending":
			delete(t.known, k)
		default:
			whole, err := t.api.Event(ctx, a.ref)
			if err != nil {
				return err
			}
			if err := t.again(ctx, whole.EventView); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tail) event(e adminapi.EventView) error {
	if t.asJSON {
		return json.NewEncoder(t.out).Encode(struct {
			Kind string `json:"kind"`
			adminapi.EventView
		}{"event", e})
	}
	state := e.State
	if len(e.Reasons) > 0 {
		state += " (" + strings.Join(e.Reasons, ", ") + ")"
	}
	_, err := fmt.Fprintf(t.out, "%s  %s  %s of the order %s, %s, by %s: %s\n", e.Received.Local().Format(zoned), plain.Text(e.ID), plain.Text(e.Type),
		plain.Text(dash(e.OrderNo)), plain.Text(e.Mode), plain.Text(e.Source), plain.Text(state))
	return err
}

func (t *tail) delivery(e adminapi.EventView, d adminapi.DeliveryView) error {
	if t.asJSON {
		return json.NewEncoder(t.out).Encode(struct {
			Kind    string `json:"kind"`
			Event   string `json:"event"`
			OrderNo string `json:"order_no"`
			adminapi.DeliveryView
		}{"delivery", e.ID, e.OrderNo, d})
	}
	answer := "no answer"
	if d.Status != 0 {
		answer = fmt.Sprint(d.Status)
	}
	more := ""
	if d.Uncounted {
		more = ", not counted"
	}
	if d.Error != "" {
		more += ": " + plain.Text(d.Error)
	}
	if !d.Due.IsZero() {
		more += ", next at " + d.Due.Local().Format(zoned)
	}
	_, err := fmt.Fprintf(t.out, "%s  %s  → %s in %.1f ms, %s%s\n", d.At.Local().Format(zoned), plain.Text(e.ID), answer, d.MS, plain.Text(d.State), more)
	return err
}
