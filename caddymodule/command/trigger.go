package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/plain"
)

func triggerCommand() *cobra.Command {
	t := &trigger{client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	cmd := &cobra.Command{
		Use: "trigger <type>", Short: "Lets something happen to an order in the sandbox", Args: cobra.ExactArgs(1),
		Long: `
Lets the sandbox do to the last charge of an order what an event of this type tells, so that its webhook comes. Begin the payment first,
as your page or mini program does. It moves no money: against Ping++ itself it does nothing.

  caddy pay trigger charge.succeeded --order 1234                  as if the user had paid
  caddy pay trigger refund.succeeded --order 1234 --amount 500     as if it had been refunded in Ping++'s dashboard, in fen
  caddy pay trigger refund.failed --order 1234
  caddy pay trigger charge.succeeded --order 1234 --again          sends the event once more, with another id

Any other type is sent about the charge as it is.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return t.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.order, "order", "", "The order, by your own number")
	f.Int64Var(&t.amount, "amount", 0, "Of a refund, in fen (default: all that is left)")
	f.BoolVar(&t.again, "again", false, "Only send an event, whatever has happened already")
	f.StringVar(&t.sandbox, "sandbox", "http://localhost:8484", "Where the sandbox is")
	f.BoolVar(&t.asJSON, "json", false, "Print the sandbox's answer")
	_ = cmd.MarkFlagRequired("order")
	return cmd
}

type trigger struct {
	client         *http.Client
	order, sandbox string
	amount         int64
	again, asJSON  bool
}

// sandboxCharge is what the sandbox shows of a charge.
type sandboxCharge struct {
	ID       string
	OrderNo  string `json:"order_no"`
	Paid     bool
	Created  int64
	Metadata struct {
		OrderNo string `json:"pay_order_no"`
	}
}

func (t *trigger) run(ctx context.Context, out io.Writer, kind string) error {
	if t.amount < 0 || t.amount > 0 && !strings.HasPrefix(kind, "refund.") {
		return errors.New("--amount is that of a refund, in fen, more than 0")
	}
	at, err := url.Parse(t.sandbox)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return fmt.Errorf("--sandbox %q is no address; write one like http://localhost:8484", t.sandbox)
	}
	c, err := t.charge(ctx)
	if err != nil {
		return err
	}
	path, body := "/sandbox/events", map[string]any{"type": kind, "charge": c.ID}
	switch {
	case t.again:
	case kind == "charge.succeeded":
		path, body = "/sandbox/charges/"+c.ID+"/pay", nil
	case kind == "refund.succeeded" || kind == "refund.failed":
		path, body = "/sandbox/refunds", map[string]any{"charge": c.ID, "status": strings.TrimPrefix(kind, "refund.")}
		if t.amount > 0 {
			body["amount"] = t.amount
		}
	}
	var answer json.RawMessage
	if err := t.call(ctx, http.MethodPost, path, body, &answer); err != nil {
		return err
	}
	if t.asJSON {
		_, err = fmt.Fprintf(out, "%s\n", answer)
		return err
	}
	_, err = fmt.Fprintf(out, "%s of %s, for the order %s: the sandbox sends its webhook\n", plain.Text(kind), plain.Text(c.ID), plain.Text(t.order))
	return err
}

// charge finds the order's: the one that is paid, or else the newest.
func (t *trigger) charge(ctx context.Context) (found *sandboxCharge, err error) {
	var state struct{ Charges []sandboxCharge }
	if err := t.call(ctx, http.MethodGet, "/sandbox/state?limit=1000", nil, &state); err != nil {
		return nil, err
	}
	for i := range state.Charges {
		c := &state.Charges[i]
		if c.OrderNo != t.order && c.Metadata.OrderNo != t.order {
			continue
		}
		if found == nil || c.Paid && !found.Paid || c.Paid == found.Paid && c.Created > found.Created {
			found = c
		}
	}
	if found == nil {
		return nil, fmt.Errorf("the sandbox at %s has no charge of the order %.64q among its last 1000; begin to pay it first, and again after a reload that changed the configuration, which empties the sandbox", t.sandbox, t.order)
	}
	return found, nil
}

const sandboxMost = 64 << 20

func (t *trigger) call(ctx context.Context, method, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil || string(raw) == "null" {
		raw = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(t.sandbox, "/")+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return fmt.Errorf("%w; start it with caddy pay sandbox, or name another address with --sandbox", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, sandboxMost))
	if err != nil {
		return fmt.Errorf("reading the sandbox's answer: %w", err)
	}
	var refused struct{ Error string }
	if resp.StatusCode >= 300 {
		if json.Unmarshal(answer, &refused) != nil || refused.Error == "" {
			refused.Error = fmt.Sprintf("%s is no sandbox: it answers %s", t.sandbox, resp.Status)
		}
		return errors.New(refused.Error)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s is no sandbox: %w", t.sandbox, err)
	}
	return nil
}
