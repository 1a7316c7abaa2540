package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/shipping"
)

func shippingCommand() *cobra.Command {
	c := &running{}
	cmd := &cobra.Command{
		Use:   "shipping",
		Short: "What WeChat was told of shipping, and the money that it keeps until then",
		Long: `
WeChat keeps the money of the mini programs that it manages until it is told how each payment was shipped, within 48 hours. Lists payments by
what it knows of them, shows all that it was asked about one, and lets it be told again.

  caddy pay shipping list --state waiting,failed
  caddy pay shipping show 20260101001      by the order's number, or its charge's
  caddy pay shipping report 20260101001
  caddy pay shipping list --state failed --ledger ledger.db    while Caddy is down`,
	}
	c.readFlags(cmd)
	verbs(cmd)
	cmd.AddCommand(c.listShipments(), c.showShipment(), c.acts(c.reportShipping()))
	return cmd
}

func (c *running) listShipments() *cobra.Command {
	var q adminapi.ShippingQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Lists payments by what WeChat knows of their shipping, the last paid first", Args: cobra.NoArgs,
		Example: `  caddy pay shipping list --state waiting,failed --until 36h
  caddy pay shipping list --stage failed --json | jq -r .shipments[].order_no`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list[adminapi.ShipmentPage, adminapi.ShipmentView]{
				part: &q.Part,
				ask: func(ctx context.Context, api *adminapi.Client) (*adminapi.ShipmentPage, error) {
					return api.Shipments(ctx, q)
				},
				parts: func(p *adminapi.ShipmentPage) (*[]adminapi.ShipmentView, *adminapi.Listing) {
					return &p.Shipments, &p.Listing
				},
				print: printShipments,
			}.run(c, cmd)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&q.States, "state", nil, "Only these: waiting, failed, reported, confirmed, settled, refunded, not_managed")
	f.StringVar(&q.Stage, "stage", "", "Only those whose last report is open, done or failed")
	partFlags(cmd, &q.Part)
	return cmd
}

func printShipments(w io.Writer, page *adminapi.ShipmentPage, now time.Time) {
	if len(page.Shipments) == 0 {
		fmt.Fprintln(w, "No shipments.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PAID\tORDER\tCHARGE\tMODE\tAMOUNT\tSTATE\tREPORT\tRUNS OUT\tASKED NEXT\tWHY")
	for _, s := range page.Shipments {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Paid.Local().Format(time.DateTime), plain.Text(dash(s.OrderNo)), plain.Text(s.Charge), plain.Text(s.Mode), adminapi.Yuan(s.Amount),
			plain.Text(s.State), plain.Text(dash(s.Stage)), runsOut(&s, now), countdown(s.Next, now), plain.Text(dash(s.Code)))
	}
	_ = t.Flush()
	told := make(map[string]bool)
	for _, s := range page.Shipments {
		if p := s.Paused; p != nil && !told[p.AppID] {
			told[p.AppID] = true
			fmt.Fprintf(w, "\nWeChat is asked nothing about %s %s\n", plain.Text(p.AppID), plain.Text(pausedSince(p, now)))
		}
	}
}

// pausedSince says since and until when WeChat is not asked, and why.
func pausedSince(p *adminapi.ShippingPause, now time.Time) string {
	return fmt.Sprintf("since %s, until %s (%s): %s", p.Since.Local().Format(zoned), p.Until.Local().Format(zoned), countdown(p.Until, now), p.Why)
}

// runsOut says when WeChat stops waiting for a report; "-": it has one, or needs none.
func runsOut(s *adminapi.ShipmentView, now time.Time) string {
	if s.State != string(ledger.ShipmentWaiting) && s.State != string(ledger.ShipmentFailed) {
		return "-"
	}
	if s.Deadline.After(now) {
		return countdown(s.Deadline, now)
	}
	return now.Sub(s.Deadline).Round(time.Second).String() + " ago"
}

func (c *running) showShipment() *cobra.Command {
	var ref adminapi.ShipmentRef
	cmd := &cobra.Command{
		Use: "show <order or charge>", Short: "Shows what was shipped for one payment, and all that WeChat was asked about it", Args: cobra.ExactArgs(1),
		Example: `  caddy pay shipping show 20260101001
  caddy pay shipping show ch_…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref.Charge = args[0]
			return c.shipment(cmd, func(ctx context.Context, api *adminapi.Client) (*adminapi.ShipmentWhole, error) {
				return api.Shipment(ctx, ref)
			})
		},
	}
	inScope(cmd, &ref.App, &ref.Mode)
	return cmd
}

// shipment shows the one that is asked for.
func (c *running) shipment(cmd *cobra.Command, do func(context.Context, *adminapi.Client) (*adminapi.ShipmentWhole, error)) error {
	cmd.SilenceUsage = true
	var s *adminapi.ShipmentWhole
	err := c.ask(cmd, func(ctx context.Context, api *adminapi.Client) (err error) {
		s, err = do(ctx, api)
		return err
	})
	if err != nil {
		return err
	}
	return c.show(cmd, s, func(w io.Writer) { printShipment(w, s, time.Now()) })
}

func (c *running) reportShipping() *cobra.Command {
	var ref adminapi.ShipmentRef
	var d adminapi.ShippingDecision
	var file string
	cmd := &cobra.Command{
		Use: "report <order or charge>", Short: "Has WeChat told again what was shipped, or something else", Args: cobra.ExactArgs(1),
		Long: `
Has WeChat told again, at once, what was reported last and what it does not have. With --file it is told what that file says, in the JSON that
POST /pay/orders/{order_no}/shipping takes: of what it has already that is the correction, of which it takes one.

Caddy tells it by itself after this command has ended; caddy pay shipping show says what WeChat answered.`,
		Example: `  caddy pay shipping report ch_…
  caddy pay shipping report ch_… --file shipping.json --reason "another parcel"
  echo '{"type":"express","items":"Tea","parcels":[{"company":"YTO","tracking_no":"YT1234567890"}]}' | caddy pay shipping report ch_… --file - --reason "another parcel"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			ref.Charge, d.Said = args[0], localUser()
			if cmd.Flags().Changed("file") {
				raw, err := readReport(cmd.InOrStdin(), file)
				if err != nil {
					return err
				}
				d.Shipping = raw
			}
			return c.shipment(cmd, func(ctx context.Context, api *adminapi.Client) (*adminapi.ShipmentWhole, error) {
				return api.ReportShipping(ctx, ref, d)
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "What was shipped, in JSON; - reads it from stdin")
	cmd.Flags().StringVar(&d.Reason, "reason", "", "Why, for the audit log; needed with --file")
	inScope(cmd, &ref.App, &ref.Mode)
	return cmd
}

// readReport reads what is to be reported, and says what is wrong with it before anybody is asked.
func readReport(stdin io.Reader, file string) ([]byte, error) {
	name := file
	if file == "-" {
		name = "what stdin says"
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		stdin = f
	}
	raw, err := io.ReadAll(io.LimitReader(stdin, shipping.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if _, err := shipping.Parse(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return raw, nil
}

func printShipment(w io.Writer, s *adminapi.ShipmentWhole, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, plain.Text(value))
		}
	}
	when := func(name string, at time.Time) {
		if !at.IsZero() {
			row(name, at.Local().Format(zoned))
		}
	}
	row("charge", s.Charge)
	row("order", s.OrderNo)
	row("app", s.App+", "+s.Mode)
	row("WeChat's number", s.TransactionNo)
	row("payer", s.Payer)
	row("paid", adminapi.Yuan(s.Amount)+", at "+s.Paid.Local().Format(zoned))
	if s.Refunded > 0 {
		row("went back", adminapi.Yuan(s.Refunded)+", so that "+adminapi.Yuan(s.Kept())+" are left")
	}
	row("state", s.State)
	if wait := runsOut(&s.ShipmentView, now); wait != "-" {
		row("runs out", s.Deadline.Local().Format(zoned)+", "+wait)
	}
	if r := s.Shipping; r != nil {
		row("report", s.Stage)
		row("type", string(r.Type))
		row("items", r.Items)
		for _, p := range r.Parcels {
			row("parcel", p.Company+" "+p.TrackingNo+", "+dash(p.Items))
		}
		if !r.Complete {
			row("complete", "no, more is to follow")
		}
		when("recorded", s.Recorded)
		when("accepted", s.Reported)
	}
	row("error", s.Error)
	if s.Paused != nil {
		row("paused", pausedSince(s.Paused, now))
	}
	if !s.Next.IsZero() {
		row("asked next", countdown(s.Next, now))
	}
	_ = t.Flush()
	if len(s.Asked) == 0 {
		return
	}
	fmt.Fprintln(w)
	fmt.Fprintln(t, "ATTEMPT\tAT\tTOOK\tSTEP\tRESULT\tBECAME\tWHY")
	for _, a := range s.Asked {
		fmt.Fprintf(t, "%d\t%s\t%.1f ms\t%s\t%s\t%s\t%s\n", a.Attempt, a.At.Local().Format(time.DateTime), a.MS, plain.Text(a.Step), plain.Text(a.Result), plain.Text(dash(a.State)), plain.Text(dash(a.Error)))
	}
	_ = t.Flush()
}
