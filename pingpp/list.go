package pingpp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// ListParams narrows a list of charges. Every field may be left at its zero value, which is not sent. Without a bound on
// Created Ping++ lists about the last month.
type ListParams struct {
	Limit         int    // 1 to 100; Ping++'s default is 10
	StartingAfter string // a charge id: the page begins behind it
	EndingBefore  string // a charge id: the page ends before it

	CreatedGT, CreatedGTE, CreatedLT, CreatedLTE int64 // Unix seconds

	Channel  string
	Paid     *bool
	Refunded *bool
	Reversed *bool
}

// ChargeList is one page of charges, newest first.
type ChargeList struct {
	Data    []*Charge
	HasMore bool // ask again with StartingAfter = the last charge's id
	Raw     json.RawMessage
}

// ListCharges lists the app's charges. Any error is an *[Error]; a page with one charge that cannot be read, or that is not
// the app's, is refused whole, so that nobody takes the rest for all there is.
func (c *Client) ListCharges(ctx context.Context, p ListParams) (*ChargeList, error) {
	r := request{op: "list charges", method: http.MethodGet, secrets: c.secrets(nil)}
	q, err := p.query(c.app)
	if err != nil {
		return nil, &Error{Kind: InvalidRequest, Op: r.op, err: err}
	}
	r.target = "/v1/charges?" + q.Encode()
	raw, failed := c.do(ctx, r)
	if failed != nil {
		return nil, failed
	}
	list, err := c.parseList(raw)
	if err != nil {
		return nil, r.malformed(http.StatusOK, err)
	}
	return list, nil
}

func (p ListParams) query(app string) (url.Values, error) {
	q := url.Values{"app[id]": {app}}
	if p.Limit < 0 || p.Limit > 100 {
		return nil, fmt.Errorf("the limit is %d: give 1 to 100, or 0 for Ping++'s default", p.Limit)
	}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	for name, id := range map[string]string{"starting_after": p.StartingAfter, "ending_before": p.EndingBefore, "channel": p.Channel} {
		if id == "" {
			continue
		}
		if !validID(id) {
			return nil, fmt.Errorf("%s is not 1 to 64 letters, digits and underscores", name)
		}
		q.Set(name, id)
	}
	for op, at := range map[string]int64{"gt": p.CreatedGT, "gte": p.CreatedGTE, "lt": p.CreatedLT, "lte": p.CreatedLTE} {
		if at != 0 {
			q.Set("created["+op+"]", strconv.FormatInt(at, 10))
		}
	}
	for name, flag := range map[string]*bool{"paid": p.Paid, "refunded": p.Refunded, "reversed": p.Reversed} {
		if flag != nil {
			q.Set(name, strconv.FormatBool(*flag))
		}
	}
	return q, nil
}

func (c *Client) parseList(raw []byte) (*ChargeList, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	r := reader{object: o, name: "list"}
	list := &ChargeList{HasMore: r.mustFlag("has_more"), Raw: raw}
	if kind := r.text("object"); kind != "list" {
		r.fail("object", `"list"`)
	}
	var items []json.RawMessage
	if !r.has("data") || json.Unmarshal(o["data"], &items) != nil {
		r.fail("data", "an array")
	}
	if r.err != nil {
		return nil, r.err
	}
	if list.HasMore && len(items) == 0 {
		return nil, errors.New("it says that there is more, and is empty")
	}
	for i, item := range items {
		ch, err := parseCharge(item)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		if ch.App != c.app || ch.Livemode != c.live {
			return nil, fmt.Errorf("item %d is another app's or the other mode's", i)
		}
		list.Data = append(list.Data, ch)
	}
	return list, nil
}
