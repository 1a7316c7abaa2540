package pingpp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// errForeign refuses an object that is another app's or the other mode's.
var errForeign = errors.New("it is another app's or the other mode's")

// fetch asks, and returns what the answer is read as. The function that reads it also refuses what is not the thing asked for. ids are those in
// the request's path.
func fetch[T any](ctx context.Context, c *Client, r request, read func(raw []byte) (T, error), ids ...string) (v T, err error) {
	r.secrets = secretsOf(c.key.Reveal(), r.payer)
	raw, failed := c.ask(ctx, r, ids...)
	if failed != nil {
		return v, failed
	}
	got, err := read(raw)
	switch {
	case err == errForeign: // of an item in a list it is malformed: the list was asked for by app
		return v, &Error{Kind: Foreign, Op: r.op, Status: http.StatusOK, sent: true}
	case err != nil:
		return v, r.malformed(http.StatusOK, err)
	}
	return got, nil
}

// fetchOne is fetch for what has an id: it returns the object if it is that one, and as the checks want it.
func fetchOne[T any](ctx context.Context, c *Client, r request, id string, read func(raw []byte) (*T, error), idOf func(*T) string, checks ...func(*T) error) (*T, error) {
	return fetch(ctx, c, r, func(raw []byte) (*T, error) {
		v, err := read(raw)
		if v != nil && idOf(v) != id {
			return nil, mismatch("id", idOf(v), id)
		}
		for _, check := range checks {
			if err == nil {
				err = check(v)
			}
		}
		return v, err
	}, id)
}

// page is what every list answers.
type page[T any] struct {
	Data    []T
	HasMore bool
	Raw     json.RawMessage
}

// list asks for one page of what a path holds; err says why the query cannot be sent, and item reads, and may refuse, one element.
func list[T any](ctx context.Context, c *Client, op, path string, q url.Values, err error, item func(raw []byte) (T, error), ids ...string) (*page[T], error) {
	r := request{op: op, method: http.MethodGet, target: path, err: err}
	if len(q) > 0 {
		r.target += "?" + q.Encode()
	}
	return fetch(ctx, c, r, func(raw []byte) (*page[T], error) {
		data, more, err := parseList(raw, item)
		return &page[T]{data, more, raw}, err
	}, ids...)
}

// invalid is the error for parameters that cannot be sent.
func (r request) invalid(err error) *Error {
	return &Error{Kind: InvalidRequest, Op: r.op, err: r.secrets.hideError(err)}
}

// checkPurchase refuses what neither a charge nor an order can be made of. Each of the texts, which have names, is needed.
func checkPurchase(amount, timeExpire int64, texts ...[2]string) error {
	for _, text := range texts {
		if text[1] == "" {
			return fmt.Errorf("the %s is empty", text[0])
		}
	}
	if amount <= 0 {
		return fmt.Errorf("the amount is %d fen: it must be more than 0", amount)
	}
	if timeExpire < 0 {
		return fmt.Errorf("the time of expiry is %d: give Unix seconds, or 0 for Ping++'s default", timeExpire)
	}
	return nil
}

// is is one member of an answer: its name, what it is, and what it has to be.
type is struct {
	name      string
	got, want any
}

// agree says which member of an answer is the first that is not what was asked for: whoever pays that would pay something else.
func agree(members ...is) error {
	for _, m := range members {
		if m.got != m.want {
			return mismatch(m.name, m.got, m.want)
		}
	}
	return nil
}
