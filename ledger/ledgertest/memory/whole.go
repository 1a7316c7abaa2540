package memory

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/ledger/core"
)

// These are core.Whole.

func (v *view) Scopes() (scopes []ledger.Scope, _ error) {
	seen := make(map[ledger.Scope]bool)
	for _, e := range v.events {
		seen[e.is.Scope] = true
	}
	for _, c := range v.charges {
		seen[c.is.Scope] = true
	}
	for _, r := range v.refunds {
		seen[r.is.Scope] = true
	}
	for _, d := range v.audit {
		seen[d.is.Scope] = true
	}
	for s := range v.pauses {
		seen[s] = true
	}
	for s := range v.sweeps {
		seen[s] = true
	}
	for s := range seen {
		scopes = append(scopes, s)
	}
	slices.SortFunc(scopes, func(a, b ledger.Scope) int { return cmp.Or(strings.Compare(a.App, b.App), cmp.Compare(a.Mode, b.Mode)) })
	return scopes, nil
}

func (v *view) WholeEvents(s ledger.Scope, after int64, limit int) ([]core.Event, error) {
	es, err := v.events.sorted(limit, func(e *core.Event) bool { return e.Scope == s && e.Seq > after }, func(a, b core.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := range es {
		es[i].Body, es[i].Signature = nil, ""
	}
	return es, err
}

func (v *view) WholeCharges(s ledger.Scope, after int64, limit int) ([]core.Charge, error) {
	cs, err := v.bare(func(c *core.Charge) bool { return c.Scope == s && c.Seq > after })
	slices.SortFunc(cs, func(a, b core.Charge) int { return cmp.Compare(a.Seq, b.Seq) })
	return cs[:min(limit, len(cs))], err
}

func (v *view) WholeRefunds(s ledger.Scope, after int64, limit int) ([]core.Refund, error) {
	return v.refunds.sorted(limit, func(r *core.Refund) bool { return r.Scope == s && r.Seq > after }, func(a, b core.Refund) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (v *view) WholeAudit(s ledger.Scope, after int64, limit int) ([]ledger.Decided, error) {
	return v.audit.sorted(limit, func(d *ledger.Decided) bool { return d.Scope == s && d.Seq > after }, func(a, b ledger.Decided) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (v *view) WholeQuotes(s ledger.Scope, after string, limit int) (orders []string, _ error) {
	for topic := range v.quotes {
		if no, ok := strings.CutPrefix(string(topic), string(ledger.OrderTopic(s, ""))); ok && no > after {
			orders = append(orders, no)
		}
	}
	slices.Sort(orders)
	return orders[:min(limit, len(orders))], nil
}

func (v *view) WholeLogins(after []byte, limit int) (ls []ledger.Login, _ error) {
	for _, l := range v.logins {
		if bytes.Compare(l.Key, after) > 0 {
			l.Now = 0
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(a, b ledger.Login) int { return bytes.Compare(a.Key, b.Key) })
	return ls[:min(limit, len(ls))], nil
}

func (v *view) EventID(s ledger.Scope, seq int64) (string, error) {
	e, err := v.events.one(func(e *core.Event) bool { return e.Scope == s && e.Seq == seq })
	if e == nil {
		return "", err
	}
	return e.ID, err
}
