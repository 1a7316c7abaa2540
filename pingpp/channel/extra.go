package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// member is a member of a charge's extra.
type member struct {
	name     string
	required bool
	from     source
	form     form
}

func need(name string, from source, f form) member { return member{name, true, from, f} }
func may(name string, from source, f form) member  { return member{name, false, from, f} }

// source is who may give a member of extra. The quote may give every one but open_id, and goes first.
type source int

const (
	fromQuote   source = iota // nobody else
	fromConfig                // the site's option of the same name: success_url, …
	fromClient                // the client, since it harms nobody: what it runs on, what it would like to pay with
	fromOrderNo               // the order number, when the quote gives none
	fromSession               // the session, and nobody else
)

// ClientMay returns what is wrong with a member of extra that a client sends; nil when it may.
func (c Channel) ClientMay(name string, value json.RawMessage) error {
	i := slices.IndexFunc(c.extra, func(m member) bool { return m.name == name && m.from == fromClient })
	if i < 0 {
		return errors.New("this channel takes no such member from a client")
	}
	if m := c.extra[i]; string(value) != "null" && !m.form.valid(value) {
		return fmt.Errorf("it must be %s", m.form.en)
	}
	return nil
}

// Given is where a charge's extra comes from, in the order of right.
type Given struct {
	Quote   map[string]json.RawMessage
	URLs    map[string]string // the site's, by the names of the options
	Client  map[string]json.RawMessage
	OrderNo string // the merchant's, in printable ASCII
	OpenID  string // of the session; the only one that counts
}

// MissingError is a member of extra that the channel demands and nobody has given.
type MissingError struct {
	Member string
	advice string
}

func (e *MissingError) Error() string { return "extra." + e.Member + " is missing: " + e.advice }

// Extra puts a charge's extra together. The error is a *MissingError, or says what is wrong with a member that the quote gives.
func (c Channel) Extra(g Given) (map[string]any, error) {
	extra := make(map[string]any, len(g.Quote)+len(c.extra))
	for name, v := range g.Quote {
		if name != openID.name && string(v) != "null" { // Ping++ may know members that the table does not
			extra[name] = v
		}
	}
	for _, m := range c.extra {
		v, ok := extra[m.name].(json.RawMessage)
		if ok && string(v) != `""` {
			if !m.form.valid(v) {
				// The value stays out of the log: it may be somebody's telephone number.
				return nil, fmt.Errorf("extra.%s must be %s", m.name, m.form.en)
			}
			continue
		}
		delete(extra, m.name)
		if v := g.otherwise(m); v != nil {
			extra[m.name] = v
		} else if m.required {
			return nil, &MissingError{m.name, advice[m.from]}
		}
	}
	return extra, nil
}

// otherwise is the value of a member that the quote does not give; nil when nobody does.
func (g Given) otherwise(m member) any {
	switch v, ok := g.Client[m.name]; {
	case m.from == fromSession && g.OpenID != "":
		return g.OpenID
	case m.from == fromOrderNo:
		return g.OrderNo[:min(len(g.OrderNo), maxProductID)]
	case m.from == fromConfig && g.URLs[m.name] != "":
		return strings.ReplaceAll(g.URLs[m.name], "{order_no}", url.QueryEscape(g.OrderNo))
	case m.from == fromClient && ok && string(v) != "null":
		return v
	}
	return nil
}

// advice says who has to give a member that is missing.
var advice = [...]string{
	fromQuote:   "the backend has to name it in the quote's extra",
	fromConfig:  "set the option of that name in the pay block, or name it in the quote's extra",
	fromClient:  "the client has to send it in extra, or the backend to name it in the quote's extra",
	fromOrderNo: "the order number does not fit; the backend has to name it in the quote's extra",
	fromSession: "the session has no openid",
}
