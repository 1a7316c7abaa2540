package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/relay/nightly"
)

// SweepView is the comparison of a day for one app and mode.
type SweepView struct {
	App  string `json:"app"`
	Mode string `json:"mode"`
	*nightly.Sweep
}

// reconcile compares a day with Ping++'s list, for every app and mode of the running configuration.
func (a *Admin) reconcile(w http.ResponseWriter, r *http.Request) error {
	if err := needMethod(r, http.MethodPost); err != nil {
		return err
	}
	app, err := activeApp()
	if err != nil {
		return err
	}
	day, err := time.ParseInLocation(time.DateOnly, r.URL.Query().Get("date"), nightly.China)
	if err != nil {
		return apiError(http.StatusBadRequest, "date must be a day like 2006-01-02, in UTC+8")
	}
	views := []SweepView{}
	reconcilers := app.reconcilers()
	for _, s := range app.scopes() {
		sweep, err := reconcilers[s].Days.Day(r.Context(), day)
		if err != nil {
			return apiError(http.StatusBadGateway, "%s: %w", s.Key(), err)
		}
		views = append(views, SweepView{App: s.App, Mode: string(s.Mode), Sweep: sweep})
	}
	return answerJSON(w, views)
}

func reconcileCommand() *cobra.Command {
	c := &adminClient{}
	var date string
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compares a day with Ping++'s list of charges",
		Long: `
Compares the charges created on a day, in UTC+8, with Ping++'s list, and reports what either side lacks. A payment that only Ping++
knows of is recorded and delivered like any other. The same comparison runs by itself every night for the day before, and for the days
before that in which no process could.

Exits 1 when the two sides differ, or when the day has more charges than can be compared.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if date == "" {
				date = time.Now().In(nightly.China).AddDate(0, 0, -1).Format(time.DateOnly)
			}
			var views []SweepView
			printed, err := c.call(cmd, http.MethodPost, "/pay/reconcile", url.Values{"date": {date}}, struct{}{}, &views)
			if err != nil {
				return err
			}
			if !printed {
				printSweeps(cmd.OutOrStdout(), views)
			}
			return differences(views)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&date, "date", "", "The day, like 2006-01-02, in UTC+8 (default: yesterday)")
	return cmd
}

func printSweeps(w io.Writer, views []SweepView) {
	for _, v := range views {
		fmt.Fprintf(w, "%s, %s mode, %s: %d charges at Ping++, %d in the ledger, %d payments recovered\n", plain(v.App), plain(v.Mode), plain(v.Date), v.AtPingpp, v.InLedger, v.Recovered)
		if v.Cut {
			fmt.Fprintln(w, "  not compared whole: the day has more charges than can be compared")
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, part := range []struct {
			name  string
			items []nightly.Item
		}{{"only at Ping++", v.OnlyThere}, {"only in the ledger", v.OnlyHere}, {"differ", v.Differ}} {
			for _, i := range part.items {
				paid := "unpaid"
				if i.Paid {
					paid = "paid"
				}
				fmt.Fprintf(t, "  %s\t%s\t%s\t%d fen\t%s\t%s\n", part.name, plain(i.Charge), plain(i.OrderNo), i.Amount, paid, plain(i.What))
			}
		}
		_ = t.Flush()
	}
}

func differences(views []SweepView) error {
	n, cut := 0, false
	for _, v := range views {
		cut = cut || v.Cut
		n += len(v.OnlyThere) + len(v.OnlyHere) + len(v.Differ)
	}
	switch {
	case cut:
		return fmt.Errorf("the day was not compared whole; as far as it was, the two sides differ in %d charges", n)
	case n > 0:
		return fmt.Errorf("the two sides differ in %d charges", n)
	}
	return nil
}
