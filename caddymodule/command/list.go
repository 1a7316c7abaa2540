package command

import (
	"context"
	"fmt"
	"io"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
)

// zoned is how every time is written: whoever compares it with what others say, or reads it the next day, needs day, second and zone.
const zoned = "2006-01-02 15:04:05 -07:00"

// partFlags are those that every list has.
func partFlags(cmd *cobra.Command, p *adminapi.Part) {
	f := cmd.Flags()
	f.StringVar(&p.Since, "since", "", "Only what came since: 2h, 2006-01-02 or a full time")
	f.StringVar(&p.Until, "until", "", "Only what is older: likewise")
	f.IntVar(&p.Limit, "limit", 50, "At most so many, up to 1000")
	f.StringVar(&p.Cursor, "cursor", "", "The page after the one that named this")
	inScope(cmd, &p.App, &p.Mode)
}

func inScope(cmd *cobra.Command, app, mode *string) {
	cmd.Flags().StringVar(app, "app", "", "Only this Ping++ app; with --mode")
	cmd.Flags().StringVar(mode, "mode", "", "Only this mode, live or test; with --app")
}

// list is a list's command: how it asks for a page, what a page has, and how its rows are printed.
type list[P, R any] struct {
	part  *adminapi.Part
	ask   func(context.Context, *adminapi.Client) (*P, error)
	parts func(*P) (*[]R, *adminapi.Listing)
	print func(io.Writer, *P, time.Time)
}

// run asks for pages until there are as many rows as wanted, since one that few rows fit may come with less.
func (q list[P, R]) run(c *running, cmd *cobra.Command) error {
	cmd.SilenceUsage = true
	var page *P
	want := q.part.Limit
	err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) error {
		for {
			next, err := q.ask(ctx, api)
			if err != nil {
				return err
			}
			if page == nil {
				page = next
			} else {
				rows, l := q.parts(page)
				more, m := q.parts(next)
				*rows, *l = append(*rows, *more...), *m
			}
			rows, l := q.parts(page)
			if len(*rows) >= want || l.Next == "" {
				return nil
			}
			q.part.Cursor, q.part.Limit = l.Next, want-len(*rows)
		}
	})
	if err != nil {
		return err
	}
	_, l := q.parts(page)
	if !c.asJSON {
		warnPaused(cmd.ErrOrStderr(), l.Paused)
	}
	return c.show(cmd, page, func(w io.Writer) {
		q.print(w, page, time.Now())
		if l.Next != "" {
			fmt.Fprintf(w, "More: --cursor %s\n", plain.Text(l.Next))
		}
	})
}

// warnPaused says what is not delivered: whoever reads a list wonders why else.
func warnPaused(w io.Writer, paused []adminapi.PauseView) {
	for _, p := range paused {
		fmt.Fprintf(w, "Delivery for %s in %s mode is paused since %s by %s: %s\n", plain.Text(p.App), plain.Text(p.Mode), p.Since.Local().Format(zoned),
			plain.Text(adminapi.Who(p.By, p.Said)), plain.Text(p.Reason))
	}
}

// countdown says when something is to happen; "-": never.
func countdown(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	if wait := at.Sub(now).Round(time.Second); wait > 0 {
		return "in " + wait.String()
	}
	return "now"
}

// localUser is who types a command, by the machine's word.
func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}
