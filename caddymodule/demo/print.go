package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// printer shows each step as it happens, in words or as a line of JSON.
type printer struct {
	w      io.Writer
	asJSON bool

	mu    sync.Mutex
	notes map[string]note // what the shop saw
}

type note struct {
	text string
	at   time.Time
}

func newPrinter(w io.Writer, asJSON bool) *printer {
	return &printer{w: w, asJSON: asJSON, notes: make(map[string]note)}
}

// note records what the shop saw of a step; the shop calls it from its own requests.
func (p *printer) note(step, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes[step] = note{text, time.Now()}
}

func (p *printer) seen(step string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.notes[step].text
}

// step runs one step and shows what it saw and how long it took.
func (p *printer) step(name string, run func() (saw string, err error)) error {
	return p.stepSince(name, time.Now(), run)
}

// stepSince is step for something that began earlier.
func (p *printer) stepSince(name string, start time.Time, run func() (saw string, err error)) error {
	saw, err := run()
	if err != nil {
		return p.failed(name, err)
	}
	p.print(name, saw, time.Since(start), true)
	return nil
}

// stepSeen shows a step that the shop has noted.
func (p *printer) stepSeen(ctx context.Context, name string, start time.Time) error {
	p.mu.Lock()
	n, ok := p.notes[name]
	p.mu.Unlock()
	if !ok {
		return p.failed(name, fmt.Errorf("the shop was not asked: %w", context.Cause(ctx)))
	}
	p.print(name, n.text, n.at.Sub(start), true)
	return nil
}

// failed shows a step that did not work and returns the error that names it.
func (p *printer) failed(name string, err error) error {
	p.print(name, err.Error(), 0, false)
	return fmt.Errorf("the demo failed at the step %s: %w", name, err)
}

func (p *printer) print(name, saw string, took time.Duration, ok bool) {
	if p.asJSON {
		_ = json.NewEncoder(p.w).Encode(struct {
			Step string  `json:"step"`
			OK   bool    `json:"ok"`
			Saw  string  `json:"saw"`
			MS   float64 `json:"ms"` // milliseconds
		}{name, ok, saw, float64(took.Microseconds()) / 1000})
		return
	}
	mark := "✓"
	if !ok {
		mark = "✗"
	}
	fmt.Fprintf(p.w, "%s %-17s %8.1f ms  %s\n", mark, name, float64(took.Microseconds())/1000, saw)
}

// stay tells what can be tried while the demo is up.
func (p *printer) stay(d *stage) {
	if p.asJSON {
		_ = json.NewEncoder(p.w).Encode(map[string]string{"site": d.site, "console": d.site + "/console/", "sandbox": d.boxURL})
		return
	}
	fmt.Fprintf(p.w, `
Now do it yourself: open %[1]s/ in a browser. It will warn of the certificate, which this run's own authority made.
The operator's console is at %[1]s/console/: orders, events, what waits, and the health of all of it.

The demo stays up until Ctrl+C. The emulated Ping++ and WeChat are at %[2]s. From a terminal:

  # log in: any code that begins with sandbox- works once
  curl -sk '%[1]s/pay/openid?code=sandbox-alice'
  SESSION=…    # the session from the answer

  # an order at the shop, and its payment
  curl -sk %[1]s/orders -H "X-Pay-Session: $SESSION" -d '{"product":"cup"}'
  curl -sk %[1]s/pay/charges -H "X-Pay-Session: $SESSION" -H 'Content-Type: application/json' -d '{"order_no":"…","channel":"wx_lite"}'

  # the user pays; the shop hears of it
  curl -s -X POST %[2]s/sandbox/charges/ch_…/pay
  curl -sk %[1]s/pay/charges/ch_… -H "X-Pay-Session: $SESSION"
  curl -sk %[1]s/orders/… -H "X-Pay-Session: $SESSION"

  # what Ping++ saw
  curl -s %[2]s/sandbox/state
`, d.site, d.boxURL)
}
