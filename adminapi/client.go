package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Client asks the server of a running Caddy.
type Client struct {
	// HTTP reaches the admin endpoint, whatever its address in a URL is.
	HTTP *http.Client
	// URL is the endpoint without a path, like http://localhost:2019.
	URL string
	// Said is who asks, by their own word; it stands in the audit log beside what they pause.
	Said string
	// Origin is what Caddy compares with its own addresses; over a Unix socket it wants none.
	Origin string
}

// answerMost is the longest answer that is read: a page of the longest events.
const answerMost = 64 << 20

// call makes a request and reads its answer.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	answer, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(io.LimitReader(answer, answerMost)).Decode(into); err != nil {
		return fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	return nil
}

// send makes a request and returns its answer, unless that is an error.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(raw)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, payload)
	if err != nil {
		return nil, err
	}
	if c.Origin != "" {
		req.Header.Set("Origin", c.Origin)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	e := &Error{Status: resp.StatusCode}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	if json.Unmarshal(raw, e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("%.500s", raw)
	}
	return nil, fmt.Errorf("HTTP %d: %w", e.Status, e)
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	answer := new(T)
	return answer, c.call(ctx, http.MethodGet, path, query, nil, answer)
}

func post[T any](ctx context.Context, c *Client, path string, query url.Values, body any) (*T, error) {
	answer := new(T)
	return answer, c.call(ctx, http.MethodPost, path, query, body, answer)
}

// Events is Server.Events.
func (c *Client) Events(ctx context.Context, q EventQuery) (*EventPage, error) {
	return get[EventPage](ctx, c, "/pay/events", q.values())
}

// Event is Server.Event.
func (c *Client) Event(ctx context.Context, ref EventRef) (*EventWhole, error) {
	return get[EventWhole](ctx, c, "/pay/events/"+url.PathEscape(ref.ID), scopeValues(ref.App, ref.Mode))
}

// Decide is Server.Decide.
func (c *Client) Decide(ctx context.Context, ref EventRef, action ledger.Action, d Decision) (*EventView, error) {
	return post[EventView](ctx, c, "/pay/events/"+url.PathEscape(ref.ID)+"/"+string(action), scopeValues(ref.App, ref.Mode), d)
}

// Preview is Server.Preview.
func (c *Client) Preview(ctx context.Context, i Intent) (*Preview, error) {
	return post[Preview](ctx, c, "/pay/runs/preview", nil, i)
}

// Begin is Server.Begin.
func (c *Client) Begin(ctx context.Context, i Intent) (*RunView, error) {
	return post[RunView](ctx, c, "/pay/runs", nil, i)
}

// Run is Server.Run.
func (c *Client) Run(ctx context.Context, id string) (*RunView, error) {
	return get[RunView](ctx, c, "/pay/runs/"+url.PathEscape(id), nil)
}

// Runs is Server.Runs.
func (c *Client) Runs(ctx context.Context, before int64, limit int) (*RunPage, error) {
	return get[RunPage](ctx, c, "/pay/runs", runsValues(before, limit))
}

// Stop is Server.Stop.
func (c *Client) Stop(ctx context.Context, id string) (*RunView, error) {
	return post[RunView](ctx, c, "/pay/runs/"+url.PathEscape(id)+"/stop", nil, struct{}{})
}

// Health is Server.Health.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	return get[Health](ctx, c, "/pay/health", nil)
}

// Reconcile is Server.Reconcile.
func (c *Client) Reconcile(ctx context.Context, date string) ([]SweepView, error) {
	views, err := post[[]SweepView](ctx, c, "/pay/reconcile", url.Values{"date": {date}}, struct{}{})
	return *views, err
}

// VerifyLedger is Server.VerifyLedger.
func (c *Client) VerifyLedger(ctx context.Context) (*LedgerCheck, error) {
	return post[LedgerCheck](ctx, c, "/pay/ledger/verify", nil, struct{}{})
}

// Charges is Server.Charges.
func (c *Client) Charges(ctx context.Context, q ChargeQuery) (*ChargePage, error) {
	return get[ChargePage](ctx, c, "/pay/charges", q.values())
}

// Orders is Server.Orders.
func (c *Client) Orders(ctx context.Context, q OrderQuery) (*OrderPage, error) {
	return get[OrderPage](ctx, c, "/pay/orders", q.values())
}

// Order is Server.Order.
func (c *Client) Order(ctx context.Context, app, mode, orderNo string) (*OrderLife, error) {
	return get[OrderLife](ctx, c, "/pay/orders/"+url.PathEscape(orderNo), scopeValues(app, mode))
}

// Query is Server.Query.
func (c *Client) Query(ctx context.Context, app, mode, orderNo string) (*OrderLife, error) {
	return post[OrderLife](ctx, c, "/pay/orders/"+url.PathEscape(orderNo)+"/query", scopeValues(app, mode), struct{}{})
}

// Refunds is Server.Refunds.
func (c *Client) Refunds(ctx context.Context, q RefundQuery) (*RefundPage, error) {
	return get[RefundPage](ctx, c, "/pay/refunds", q.values())
}

// Audit is Server.Audit.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	return get[AuditPage](ctx, c, "/pay/audit", q.values())
}

// Find is Server.Find.
func (c *Client) Find(ctx context.Context, text string) ([]Found, error) {
	found, err := get[[]Found](ctx, c, "/pay/find", url.Values{"q": {text}})
	return *found, err
}

// Figures is Server.Figures.
func (c *Client) Figures(ctx context.Context) ([]ScopeFigures, error) {
	figures, err := get[[]ScopeFigures](ctx, c, "/pay/figures", nil)
	return *figures, err
}

// Hours is Server.Hours.
func (c *Client) Hours(ctx context.Context, since, until time.Time) ([]HourView, error) {
	hours, err := get[[]HourView](ctx, c, "/pay/hours", url.Values{"since": {since.Format(time.RFC3339)}, "until": {until.Format(time.RFC3339)}})
	return *hours, err
}

// Pause is Server.Pause.
func (c *Client) Pause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	paused, err := post[[]PauseView](ctx, c, "/pay/pause", scopeValues(app, mode), Decision{Said: c.Said, Reason: reason})
	return *paused, err
}

// Unpause is Server.Unpause.
func (c *Client) Unpause(ctx context.Context, app, mode, reason string) ([]PauseView, error) {
	paused, err := post[[]PauseView](ctx, c, "/pay/resume", scopeValues(app, mode), Decision{Said: c.Said, Reason: reason})
	return *paused, err
}
