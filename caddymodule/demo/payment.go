package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// pay makes one payment as a mini program would, and shows what every part saw.
func (d *stage) pay(ctx context.Context, out *printer) error {
	var code, chargeID, orderNo, eventID string
	var login struct{ OpenID, Session string }

	if err := out.step("login", func() (string, error) {
		code = d.box.NewCode("")
		return "wx.login gave the code " + code[:8] + "…", nil
	}); err != nil {
		return err
	}
	if err := out.step("openid", func() (string, error) {
		if _, err := d.call(ctx, http.MethodGet, "/pay/openid?code="+code, "", nil, &login); err != nil {
			return "", err
		}
		return "the user is " + login.OpenID, nil
	}); err != nil {
		return err
	}

	var order legacyOrder
	if _, err := d.call(ctx, http.MethodPost, "/orders", login.Session, map[string]string{"product": "tea"}, &order); err != nil {
		return out.failed("order_quote", fmt.Errorf("the shop made no order: %w", err))
	}
	orderNo = order.OrderNo
	start := time.Now()
	var charge struct {
		ID         string
		Credential struct {
			WxLite struct{ Package string } `json:"wx_lite"`
		}
	}
	status, err := d.call(ctx, http.MethodPost, "/pay/charges", login.Session, map[string]string{"order_no": orderNo, "channel": "wx_lite"}, &charge)
	if qerr := out.stepSeen(ctx, "order_quote", start); qerr != nil {
		return errors.Join(qerr, err)
	}
	if err := out.stepSince("charge_created", start, func() (string, error) {
		chargeID = charge.ID
		return fmt.Sprintf("%d: %s, %s", status, charge.ID, charge.Credential.WxLite.Package), err
	}); err != nil {
		return err
	}
	if err := out.step("user_paid", func() (string, error) {
		return "the user paid " + chargeID, d.box.Pay(chargeID)
	}); err != nil {
		return err
	}
	if err := out.step("webhook_verified", func() (saw string, err error) {
		saw, eventID, err = d.webhookAnswered(ctx, chargeID)
		return saw, err
	}); err != nil {
		return err
	}
	if err := d.ledgerSteps(ctx, out, eventID); err != nil {
		return err
	}
	return out.step("client_confirmed", func() (string, error) {
		var view struct{ Status string }
		if _, err := d.call(ctx, http.MethodGet, "/pay/charges/"+chargeID+"?wait=25s&client=success", login.Session, nil, &view); err != nil {
			return "", err
		}
		if view.Status != "paid" {
			return "", fmt.Errorf("the charge is %s, not paid", view.Status)
		}
		if _, err := d.call(ctx, http.MethodGet, "/orders/"+orderNo, login.Session, nil, &order); err != nil {
			return "", err
		}
		return fmt.Sprintf("the charge is paid; the shop says order %s is %s", orderNo, order.Status), nil
	})
}

// legacyOrder is an order as the shop shows it to its customer.
type legacyOrder struct {
	OrderNo string `json:"order_no"`
	Status  string `json:"status"`
}

// webhookAnswered waits until Ping++ has the site's answer to the webhook of a charge.
func (d *stage) webhookAnswered(ctx context.Context, chargeID string) (saw, eventID string, err error) {
	err = await(ctx, func() error {
		for _, e := range d.box.State(10).Events {
			if e.Charge != chargeID {
				continue
			}
			for _, delivery := range e.Deliveries {
				for _, a := range delivery.Attempts {
					if a.Status != http.StatusOK {
						return fmt.Errorf("the site answered the webhook with %d %s", a.Status, a.Error)
					}
					saw, eventID = fmt.Sprintf("%s, signed by Ping++, answered %d", e.ID, a.Status), e.ID
					return nil
				}
			}
		}
		return errors.New("no webhook was answered")
	})
	return saw, eventID, err
}

// ledgerSteps shows that the event is on disk, and then that the backend has it.
func (d *stage) ledgerSteps(ctx context.Context, out *printer, eventID string) error {
	scope := ledger.Scope{App: d.box.App(), Mode: ledger.Test}
	event := func() (*ledger.Event, error) {
		l, err := d.ledger(ctx)
		if err != nil {
			return nil, err
		}
		return l.Event(ctx, scope, eventID)
	}
	if err := out.step("event_stored", func() (string, error) {
		e, err := event()
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s of %d bytes is in the ledger", e.Type, len(e.Body)), nil
	}); err != nil {
		return err
	}
	return out.step("event_delivered", func() (saw string, err error) {
		return saw, await(ctx, func() error {
			e, err := event()
			if err != nil {
				return err
			}
			if e.State != ledger.Delivered {
				return fmt.Errorf("the event is %s after %d attempts", e.State, e.Attempts)
			}
			saw = fmt.Sprintf("the shop heard %s, attempt %d", out.seen("event_delivered"), e.Attempts)
			return nil
		})
	})
}

// await tries until it works, for at most ten seconds.
func await(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// call makes a request to the site as the mini program does.
func (d *stage) call(ctx context.Context, method, path, session string, body, into any) (status int, err error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.site+path, payload)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Language", "en")
	if session != "" {
		req.Header.Set(sessionHeaderName, session)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return resp.StatusCode, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return resp.StatusCode, fmt.Errorf("%s answered %d: %s", path, resp.StatusCode, raw)
	}
	return resp.StatusCode, json.Unmarshal(raw, into)
}

const sessionHeaderName = "X-Pay-Session"
