package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/sandbox"
)

// sentPrinter prints each try of a webhook, and what came back, as one line.
type sentPrinter struct {
	mu   sync.Mutex // several webhooks are on their way at the same time
	w    io.Writer
	json bool
}

func (p *sentPrinter) print(s sandbox.Sent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		_ = json.NewEncoder(p.w).Encode(s)
		return
	}
	_, _ = fmt.Fprintln(p.w, sentLine(s))
}

// sentLine is a try in words. What the backend, or a caller of the levers, has put into it reaches no terminal as it is.
func sentLine(s sandbox.Sent) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s", s.At.Local().Format(time.TimeOnly), plain.Text(s.Type))
	if s.Charge != "" {
		fmt.Fprintf(&b, " of %s", plain.Text(s.Charge))
	}
	if s.Livemode {
		b.WriteString(", live")
	}
	fmt.Fprintf(&b, " (%s) → %s: ", plain.Text(s.Event), plain.Text(s.URL))
	if s.Status != 0 {
		fmt.Fprintf(&b, "%d in %d ms", s.Status, s.Millis)
	} else {
		fmt.Fprintf(&b, "no answer after %d ms", s.Millis)
	}
	if s.Error != "" {
		fmt.Fprintf(&b, ", %s", plain.Text(s.Error))
	}
	if s.Snippet != "" {
		fmt.Fprintf(&b, ", %.100q", s.Snippet)
	}
	if s.Fault != "" {
		fmt.Fprintf(&b, ", with the fault %s", s.Fault)
	}
	switch wait := time.Duration(0); {
	case s.Delivery == "failed":
		fmt.Fprintf(&b, "; given up after %d tries", s.Try)
	case s.Next != nil && s.Delivery == "delivered":
		b.WriteString("; a copy follows")
	case s.Next != nil:
		wait = max(time.Until(*s.Next), 0)
		fmt.Fprintf(&b, "; try %d failed, the next in %s", s.Try, wait.Round(max(time.Millisecond, wait/100).Truncate(time.Millisecond)))
	}
	return b.String()
}
