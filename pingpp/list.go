package pingpp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// MostListed is how many charges or refunds Ping++ lists at once at the most.
const MostListed = 100

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
	HasMore bool // ask again with StartingAfter = the last charge's id; of an order's charges with the next Page
	Raw     json.RawMessage
}

// ListCharges lists the app's charges. Any error is an *[Error]; a page with one charge that cannot be read, or that is not
// the app's, is refused whole, so that nobody takes the rest for all there is.
func (c *Client) ListCharges(ctx context.Context, p ListParams) (*ChargeList, error) {
	q, err := p.query(c.app)
	l, err := list(ctx, c, "list charges", "/v1/charges", q, err, c.parseOwnCharge)
	return (*ChargeList)(l), err
}

func (p ListParams) query(app string) (url.Values, error) {
	q, err := pageQuery(p.Limit, p.StartingAfter, p.EndingBefore)
	if err != nil {
		return nil, err
	}
	q.Set("app[id]", app)
	if p.Channel != "" {
		if !validID(p.Channel) {
			return nil, errors.New("channel is not 1 to 64 letters, digits and underscores")
		}
		q.Set("channel", p.Channel)
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

// pageQuery is what every list can be asked for; what is zero or empty is not sent.
func pageQuery(limit int, startingAfter, endingBefore string) (url.Values, error) {
	q := url.Values{}
	if limit < 0 || limit > MostListed {
		return nil, fmt.Errorf("the limit is %d: give 1 to %d, or 0 for Ping++'s default", limit, MostListed)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	for name, id := range map[string]string{"starting_after": startingAfter, "ending_before": endingBefore} {
		if id == "" {
			continue
		}
		if !validID(id) {
			return nil, fmt.Errorf("%s is not 1 to 64 letters, digits and underscores", name)
		}
		q.Set(name, id)
	}
	return q, nil
}

// parseList reads one page; item reads, and may refuse, one element of it.
func parseList[T any](raw []byte, item func([]byte) (T, error)) (data []T, more bool, err error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, false, err
	}
	r := reader{object: o, name: "list"}
	more = r.mustFlag("has_more")
	if kind := r.text("object"); kind != "list" {
		r.fail("object", `"list"`)
	}
	var items []json.RawMessage
	if !r.has("data") || json.Unmarshal(o.get("data").raw, &items) != nil {
		r.fail("data", "an array")
	}
	if r.err != nil {
		return nil, false, r.err
	}
	if more && len(items) == 0 {
		return nil, false, errors.New("it says that there is more, and is empty")
	}
	for i, raw := range items {
		v, err := item(raw)
		if err != nil {
			return nil, false, fmt.Errorf("item %d: %w", i, err)
		}
		data = append(data, v)
	}
	return data, more, nil
}
