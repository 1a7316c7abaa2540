package command

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/caddypay/caddypay/adminapi"
	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/ledger"
)

// printOrder shows an order: whether it is paid, whether the backend knows, what is to be done, and its whole life.
func printOrder(w io.Writer, o *adminapi.OrderLife) {
	fmt.Fprintf(w, "Order %s, %s in %s mode: %s\n", plain.Text(o.OrderNo), plain.Text(o.App), plain.Text(o.Mode), plain.Text(o.Status))
	for _, e := range o.Known() {
		fmt.Fprintf(w, "Your backend knows of %s.\n", what(e.EventView))
	}
	for _, e := range o.Waiting() {
		printWaiting(w, e.EventView, o)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	last := lastAnswers(o.Timeline)
	for i, e := range o.Timeline {
		at := e.At.Local().Format(zoned)
		if e.Ahead {
			at += ", " + countdown(e.At, o.Now)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", at, plain.Text(e.Kind), plain.Text(e.Text))
		if e.Delivery == nil || e.Delivery.Snippet == "" {
			continue
		}
		answer := e.Delivery.Snippet
		if last[e.Event] != i {
			answer = firstWords(answer)
		}
		fmt.Fprintf(t, "\t\tit answered: %s\n", plain.Text(answer))
	}
	_ = t.Flush()
}

// printWaiting says what is to be done about an event that the backend has not acknowledged.
func printWaiting(w io.Writer, e adminapi.EventView, o *adminapi.OrderLife) {
	knows, id := "does not know", plain.Text(e.ID)
	if e.Acks > 0 {
		knows = "has not acknowledged again, but knows"
	}
	fmt.Fprintf(w, "Your backend %s of %s: ", knows, what(e))
	switch e.State {
	case string(ledger.Held):
		fmt.Fprintf(w, "it is held (%s) until you decide.\n  caddy pay events release %s --reason \"…\"\n  caddy pay events discard %s --reason \"…\"\n",
			plain.Text(strings.Join(e.Reasons, ", ")), id, id)
	case string(ledger.Dead):
		fmt.Fprintf(w, "no attempt is left. Once it is mended:\n  caddy pay events replay %s\n", id)
	default:
		when := "delivered by itself, " + countdown(e.Due, o.Now)
		if o.Paused != nil {
			when = "delivered once delivery is resumed: caddy pay resume"
		}
		fmt.Fprintln(w, when)
	}
}

// what names an event by its type and money.
func what(e adminapi.EventView) string {
	text := plain.Text(e.Type)
	if e.Money != 0 {
		text += ", " + adminapi.Yuan(max(e.Money, -e.Money))
	}
	return text
}

// lastAnswers finds, for each event, where the answer to its last attempt stands: that one is shown whole.
func lastAnswers(timeline []adminapi.Entry) map[string]int {
	last := make(map[string]int)
	for i, e := range timeline {
		if e.Delivery != nil {
			last[e.Event] = i
		}
	}
	return last
}
