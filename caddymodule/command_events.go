package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/ledger"
)

// adminClient talks to the admin API of a running Caddy, found like `caddy reload` finds it.
type adminClient struct {
	address, config, adapter string
	asJSON                   bool
}

func (c *adminClient) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&c.address, "address", "", "The address of the admin API, if it is not the configuration's")
	f.StringVarP(&c.config, "config", "c", "", "The configuration file that names the admin address")
	f.StringVarP(&c.adapter, "adapter", "a", "", "The configuration file's adapter")
	f.BoolVar(&c.asJSON, "json", false, "Print JSON")
}

// call makes a request and reads its answer; with --json that is printed as it is, too.
func (c *adminClient) call(cmd *cobra.Command, method, path string, query url.Values, body, into any) (printed bool, err error) {
	address, err := caddycmd.DetermineAdminAPIAddress(c.address, nil, c.config, c.adapter)
	if err != nil {
		return false, err
	}
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return false, err
		}
		payload = bytes.NewReader(raw)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	resp, err := caddycmd.AdminAPIRequest(address, method, path, nil, payload)
	if err != nil {
		return false, fmt.Errorf("%w (the admin API is at %s; another one is named with --address)", err, address)
	}
	defer resp.Body.Close()
	answer := io.Reader(resp.Body)
	if c.asJSON {
		answer = io.TeeReader(answer, cmd.OutOrStdout())
	}
	if err := json.NewDecoder(answer).Decode(into); err != nil {
		return c.asJSON, fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	_, err = io.Copy(io.Discard, answer)
	return c.asJSON, err
}

func eventsCommand() *cobra.Command {
	c := &adminClient{}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "What Ping++ said, and whether the backend knows",
		Long: `
Lists the events of the running Caddy, shows one, and carries out what you decide about it.

  caddy pay events list --state held,dead
  caddy pay events list --order_no 1234
  caddy pay events show evt_…
  caddy pay events replay evt_…  --reason "the shop lost its database"`,
	}
	c.flags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listEvents(), c.showEvent(),
		c.decideEvent(ledger.ActionReplay, "Delivers an event again; a pending one at once"),
		c.decideEvent(ledger.ActionRelease, "Delivers a held event, with the reasons that it was held for"),
		c.decideEvent(ledger.ActionDiscard, "Decides that a held, pending or dead event is never delivered"))
	return cmd
}

func (c *adminClient) listEvents() *cobra.Command {
	var states []string
	var order, kind, since, app, mode string
	var limit int
	var before int64
	cmd := &cobra.Command{
		Use: "list", Short: "Lists events, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, v := range map[string]string{"state": strings.Join(states, ","), "order_no": order, "type": kind, "since": since, "app": app, "mode": mode} {
				if v != "" {
					q.Set(name, v)
				}
			}
			if before > 0 {
				q.Set("before", strconv.FormatInt(before, 10))
			}
			var page EventPage
			if printed, err := c.call(cmd, http.MethodGet, "/pay/events", q, nil, &page); printed || err != nil {
				return err
			}
			printEvents(cmd.OutOrStdout(), page, time.Now())
			return nil
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&states, "state", nil, "Only these states: pending, delivered, dead, held, discarded, filtered")
	f.StringVar(&order, "order_no", "", "Only this order, by the merchant's number")
	f.StringVar(&kind, "type", "", "Only this type, like charge.succeeded")
	f.StringVar(&since, "since", "", "Only what came since: 2h, 2006-01-02 or a full time")
	f.StringVar(&app, "app", "", "Only this Ping++ app; with --mode")
	f.StringVar(&mode, "mode", "", "Only this mode, live or test; with --app")
	f.IntVar(&limit, "limit", 50, "At most so many, up to 1000")
	f.Int64Var(&before, "before", 0, "The page after the one that ended with this number")
	return cmd
}

func printEvents(w io.Writer, page EventPage, now time.Time) {
	if len(page.Events) == 0 {
		fmt.Fprintln(w, strings.TrimSpace("No events. "+plain(page.Why)))
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RECEIVED\tEVENT\tTYPE\tORDER\tMODE\tSTATE\tTRIES\tNEXT")
	for _, e := range page.Events {
		state := e.State
		if len(e.Reasons) > 0 {
			state += " (" + strings.Join(e.Reasons, ", ") + ")"
		}
		next := "-"
		if !e.Due.IsZero() {
			next = "now"
			if wait := e.Due.Sub(now).Round(time.Second); wait > 0 {
				next = "in " + wait.String()
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", e.Received.Local().Format(time.DateTime), plain(e.ID), plain(e.Type), plain(dash(e.OrderNo)),
			plain(e.Mode), plain(state), e.Attempts, next)
	}
	_ = t.Flush()
	if page.Next > 0 {
		fmt.Fprintf(w, "More: --before %d\n", page.Next)
	}
}

// firstWords cuts an answer to what fits into a table.
func firstWords(answer string) string {
	const most = 40 // characters
	if runes := []rune(answer); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return answer
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (c *adminClient) showEvent() *cobra.Command {
	var app, mode string
	cmd := &cobra.Command{
		Use: "show <event>", Short: "Shows one event with every attempt to deliver it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			var e EventWhole
			if printed, err := c.call(cmd, http.MethodGet, "/pay/events/"+url.PathEscape(args[0]), scopeQuery(app, mode), nil, &e); printed || err != nil {
				return err
			}
			printEvent(cmd.OutOrStdout(), e)
			return nil
		},
	}
	scopeFlags(cmd, &app, &mode)
	return cmd
}

func printEvent(w io.Writer, e EventWhole) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, plain(value))
		}
	}
	row("event", e.ID)
	row("type", e.Type)
	row("order", e.OrderNo)
	row("charge", e.Charge)
	row("app", e.App+", "+e.Mode)
	row("source", e.Source)
	row("host", e.Host)
	row("state", e.State)
	row("reasons", strings.Join(e.Reasons, ", "))
	row("late", e.Late)
	row("received", e.Received.Local().Format(time.DateTime))
	if !e.Due.IsZero() {
		row("next attempt", e.Due.Local().Format(time.DateTime))
	}
	if !e.Settled.IsZero() {
		row("settled", e.Settled.Local().Format(time.DateTime))
	}
	_ = t.Flush()
	if len(e.Deliveries) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintln(t, "ATTEMPT\tAT\tTOOK\tSTATUS\tBECAME\tWHY\tANSWER")
		last := ""
		for _, d := range e.Deliveries {
			fmt.Fprintf(t, "%d\t%s\t%.1f ms\t%d\t%s\t%s\t%s\n", d.Attempt, d.At.Local().Format(time.DateTime), d.MS, d.Status, plain(d.State), plain(dash(d.Error)), plain(dash(firstWords(d.Snippet))))
			last = d.Snippet
		}
		_ = t.Flush()
		if firstWords(last) != last { // the table has no room for it
			fmt.Fprintf(w, "\nThe last answer begins: %s\n", plain(last))
		}
	}
	if e.Body != "" {
		fmt.Fprintf(w, "\n%s\n", e.Body)
	}
}

func (c *adminClient) decideEvent(action ledger.Action, short string) *cobra.Command {
	var app, mode, reason string
	cmd := &cobra.Command{
		Use: string(action) + " <event>...", Short: short, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			said := "unknown"
			if u, err := user.Current(); err == nil {
				said = u.Username
			}
			for _, id := range args {
				var e EventView
				path := "/pay/events/" + url.PathEscape(id) + "/" + string(action)
				printed, err := c.call(cmd, http.MethodPost, path, scopeQuery(app, mode), Decision{Said: said, Reason: reason}, &e)
				if err != nil {
					return err
				}
				if !printed {
					fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", plain(e.ID), plain(e.State))
				}
			}
			return nil
		},
	}
	scopeFlags(cmd, &app, &mode)
	cmd.Flags().StringVar(&reason, "reason", "", "Why, for the audit log")
	return cmd
}

func scopeFlags(cmd *cobra.Command, app, mode *string) {
	cmd.Flags().StringVar(app, "app", "", "The Ping++ app, when several have an event of this id")
	cmd.Flags().StringVar(mode, "mode", "", "The mode, live or test; with --app")
}

func scopeQuery(app, mode string) url.Values {
	q := url.Values{}
	for name, v := range map[string]string{"app": app, "mode": mode} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}
