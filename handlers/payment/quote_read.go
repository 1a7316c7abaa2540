package payment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddypay/caddypay/handlers/backend"
	"github.com/caddypay/caddypay/object"
)

// answered is the backend's JSON about an order.
type answered struct {
	raw    []byte
	fields map[string]json.RawMessage
	paths  map[string]string
}

// read checks the JSON as a whole. A name that stands twice in an object, at any depth, is refused: two readers could see
// two different prices.
func (o *Orders) read(raw []byte) (*answered, error) {
	a := &answered{raw: bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), paths: o.Paths}
	var err error
	if !json.Valid(a.raw) { // and so not too deep
		err = errors.New("not JSON")
	} else if err = uniqueNames(a.raw); err == nil {
		if err := o.NotFound.check(a.raw); err != nil {
			return nil, err
		}
		if len(o.Paths) == 0 || bytes.TrimSpace(a.raw)[0] != '[' {
			a.fields, err = object.Parse(a.raw)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w; it starts with %s", err, backend.Excerpt(a.raw, 60))
	}
	return a, nil
}

// get returns a member's JSON text, and nil when it is not there or null. Numbers stay text: none goes through a float.
func (a *answered) get(name string) json.RawMessage {
	v := a.fields[name]
	if path, ok := a.paths[name]; ok {
		v = json.RawMessage(strings.TrimSpace(gjson.GetBytes(a.raw, path).Raw))
	}
	if len(v) == 0 || string(v) == "null" {
		return nil
	}
	return v
}

// unsaid reports whether a path leads elsewhere than to null: where it leads to nothing, it may be mistyped.
func (a *answered) unsaid(name string) bool {
	path, ok := a.paths[name]
	return ok && string(bytes.TrimSpace([]byte(gjson.GetBytes(a.raw, path).Raw))) != "null"
}

// where names a member in an error.
func (a *answered) where(name string) string {
	if path, ok := a.paths[name]; ok {
		return fmt.Sprintf("%s (at %s)", name, path)
	}
	return name
}

// text reads a string. Where a path leads into a backend's own JSON, a number, true and false are read as they stand there.
func (a *answered) text(name string) (string, error) {
	v := a.get(name)
	if v == nil {
		return "", nil
	}
	if _, ok := a.paths[name]; ok && scalar(v) {
		return string(v), nil
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return "", fmt.Errorf("%s must be a string, not %s", a.where(name), backend.Excerpt(v, 40))
	}
	return s, nil
}

// scalar reports whether a JSON value is a number, true or false.
func scalar(v json.RawMessage) bool { return !strings.ContainsRune(`"[{n`, rune(v[0])) }

// parse reads the backend's answer.
func (o *Orders) parse(raw []byte, orderNo string) (*quote, error) {
	a, err := o.read(raw)
	if err != nil {
		return nil, err
	}
	q := &quote{}
	for name, to := range map[string]*string{
		"order_no": &q.OrderNo, "currency": &q.Currency, "subject": &q.Subject, "body": &q.Body, "status": &q.Status, "openid": &q.OpenID,
	} {
		if *to, err = a.text(name); err != nil {
			return nil, err
		}
	}
	if q.OpenID == "" && a.unsaid("openid") { // neither a wrong path nor a column left blank may open every order to everybody
		return nil, fmt.Errorf("%s is missing or empty; an order that is nobody's own has null there", a.where("openid"))
	}
	if err := o.readStatus(a, q); err != nil {
		return nil, err
	}
	if q.Status == "paid" || q.Status == "closed" { // what it cost does not matter any more
		return q, nil
	}
	if _, ok := a.paths["currency"]; ok {
		q.Currency = strings.ToLower(q.Currency)
	}
	o.Defaults.fill(q, orderNo)
	if q.Amount, err = o.readAmount(a, q.Currency); err != nil {
		return nil, err
	}
	if q.TimeExpire, err = a.time("time_expire"); err != nil {
		return nil, err
	}
	if q.Metadata, err = a.pairs("metadata"); err != nil {
		return nil, err
	}
	if v := a.get("extra"); v != nil && string(v) != "[]" { // PHP's empty array
		if q.Extra, err = object.Parse(v); err != nil {
			return nil, fmt.Errorf("%s must be an object, not %s", a.where("extra"), backend.Excerpt(v, 40))
		}
	}
	return q, nil
}

// QuoteDefaults stand for what a quote leaves out. {order_no} in them is the order's number.
type QuoteDefaults struct{ Subject, Body, Currency string }

func (d QuoteDefaults) fill(q *quote, orderNo string) {
	if strings.TrimSpace(q.Subject) == "" {
		q.Subject = strings.ReplaceAll(d.Subject, "{order_no}", orderNo)
	}
	if q.Body == "" {
		q.Body = strings.ReplaceAll(d.Body, "{order_no}", orderNo)
	}
	if q.Currency == "" {
		q.Currency = d.Currency
	}
}

// readStatus turns the backend's own word for an order's state into ours.
func (o *Orders) readStatus(a *answered, q *quote) error {
	if o.Status == nil {
		return nil
	}
	if q.Status == "" {
		return fmt.Errorf("%s is missing", a.where("status"))
	}
	ours, ok := o.Status[q.Status]
	if !ok {
		return fmt.Errorf("%s is %.40q, which the status block of orders does not name", a.where("status"), q.Status)
	}
	q.Status = ours
	return nil
}

// pairs reads an object of strings. Where a path leads into a backend's own JSON, scalars are read as they stand there.
func (a *answered) pairs(name string) (map[string]string, error) {
	v := a.get(name)
	if v == nil || string(v) == "[]" { // PHP's empty array
		return nil, nil
	}
	bad := fmt.Errorf("%s must be an object of strings, not %s", a.where(name), backend.Excerpt(v, 40))
	members, err := object.Parse(v)
	if err != nil {
		return nil, bad
	}
	pairs := make(map[string]string, len(members))
	_, own := a.paths[name]
	for k, v := range members {
		var s string
		switch {
		case own && scalar(v):
			s = string(v)
		case json.Unmarshal(v, &s) != nil:
			return nil, bad
		}
		pairs[k] = s
	}
	return pairs, nil
}

// uniqueNames refuses a valid JSON text when an object has a name twice, at any depth.
func uniqueNames(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return uniqueIn(d)
}

func uniqueIn(d *json.Decoder) error {
	t, err := d.Token()
	delim, composed := t.(json.Delim)
	if err != nil || !composed {
		return err
	}
	names := make(map[string]bool)
	for d.More() {
		if delim == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			name := t.(string) // the decoder lets nothing else stand before a colon
			if names[name] {
				return fmt.Errorf("the member %.40q stands twice", name)
			}
			names[name] = true
		}
		if err := uniqueIn(d); err != nil {
			return err
		}
	}
	_, err = d.Token() // its end
	return err
}
