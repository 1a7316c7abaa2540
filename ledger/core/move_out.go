package core

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"math"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Export writes all that the ledger has, as it is at one moment, and says how far it is now and then.
func (l *Ledger) Export(ctx context.Context, to io.Writer, tell func(Moved)) (m Moved, err error) {
	out := bufio.NewWriterSize(to, 1<<16)
	err = l.store.Read(ctx, func(r Reader) error {
		return r.AtOnce(func() error {
			e := &exporter{Reader: r, ctx: ctx, out: out, sum: sha256.New(), tell: tell, moved: Moved{Counts: make(map[string]int64)}}
			if err := e.plain(moveLine{Head: &moveHead{Format: moveFormat, ID: rand.Text()}}); err != nil {
				return err
			}
			if err := e.all(); err != nil {
				return err
			}
			e.moved.SHA256 = hex.EncodeToString(e.sum.Sum(nil))
			m = e.moved
			return e.plain(moveLine{End: &m})
		})
	})
	if err == nil {
		err = out.Flush()
	}
	return m, err
}

// exporter writes lines.
type exporter struct {
	Reader
	ctx   context.Context
	out   io.Writer
	sum   hash.Hash
	tell  func(Moved)
	moved Moved
}

func (e *exporter) plain(l moveLine) error {
	line, err := encodeLine(l)
	if err == nil {
		_, err = e.out.Write(line)
	}
	return err
}

// line writes a line that counts.
func (e *exporter) line(about string, l moveLine) error {
	line, err := encodeLine(l)
	if err != nil {
		return err
	}
	e.sum.Write(line)
	e.moved.Counts[about]++
	if e.moved.Lines++; e.moved.Lines%moveBatch == 0 {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		e.tell(e.moved)
	}
	_, err = e.out.Write(line)
	return err
}

func (e *exporter) all() error {
	scopes, err := e.Scopes()
	if err != nil {
		return err
	}
	if err := merged(scopes, e.WholeEvents, func(v *Event) int64 { return v.Seq }, e.event); err != nil {
		return err
	}
	if err := merged(scopes, e.WholeCharges, func(v *Charge) int64 { return v.Seq }, e.charge); err != nil {
		return err
	}
	for _, s := range scopes {
		if err := e.quotes(s); err != nil {
			return err
		}
	}
	if err := merged(scopes, e.WholeRefunds, func(v *Refund) int64 { return v.Seq }, e.refund); err != nil {
		return err
	}
	if err := merged(scopes, e.WholeAudit, func(v *ledger.Decided) int64 { return v.Seq }, e.decision); err != nil {
		return err
	}
	if err := e.runs(); err != nil {
		return err
	}
	for _, s := range scopes {
		if err := e.scope(s); err != nil {
			return err
		}
	}
	return e.logins()
}

// merged goes through the rows of all scopes in the order of recording: what is pruned is looked for in that.
func merged[T any](scopes []ledger.Scope, read func(ledger.Scope, int64, int) ([]T, error), seq func(*T) int64, do func(*T) error) error {
	type strand struct {
		rows []T
		last int64
		over bool
	}
	strands := make([]strand, len(scopes))
	for {
		first := -1
		for i := range strands {
			s := &strands[i]
			if len(s.rows) == 0 && !s.over {
				rows, err := read(scopes[i], s.last, moveBatch)
				if err != nil {
					return err
				}
				if s.rows, s.over = rows, len(rows) < moveBatch; len(rows) > 0 {
					s.last = seq(&rows[len(rows)-1])
				}
			}
			if len(s.rows) > 0 && (first < 0 || seq(&s.rows[0]) < seq(&strands[first].rows[0])) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		if err := do(&strands[first].rows[0]); err != nil {
			return err
		}
		strands[first].rows = strands[first].rows[1:]
	}
}

func (e *exporter) event(v *Event) (err error) {
	m := movedEvent{Event: *v}
	if v.HasBody {
		whole, err := e.Event(v.Scope, v.ID)
		if err != nil {
			return err
		}
		m.Event.Body, m.Event.Signature = whole.Body, whole.Signature
	}
	if m.Deliveries, err = e.Deliveries(v.Scope, v.ID); err != nil {
		return err
	}
	m.Event.Seq, m.Event.Owner, m.Event.Until, m.Event.Stored, m.Event.Risked = 0, "", time.Time{}, "", 0
	return e.line(moveEvents, moveLine{Event: &m})
}

func (e *exporter) charge(c *Charge) (err error) {
	m := movedCharge{Charge: *c}
	if c.ID != "" {
		whole, err := e.Charge(c.Scope, c.ID)
		if err != nil {
			return err
		}
		m.Charge.Raw = whole.Raw
	}
	if c.Payment != 0 {
		if m.Payment, err = e.EventID(c.Scope, c.Payment); err != nil {
			return err
		}
	}
	if m.Shipment, err = e.Shipment(c.Scope, c.Seq); err != nil {
		return err
	}
	if m.Shipment != nil {
		if m.Shippings, err = e.ShippingAttempts(c.Scope, c.Seq, math.MaxInt32); err != nil {
			return err
		}
		s := m.Shipment
		s.Charge, s.Stored, s.Owner, s.Until = Charge{}, "", "", time.Time{}
	}
	m.Charge.Seq, m.Charge.Payment, m.Charge.QueryUntil = 0, 0, time.Time{}
	return e.line(moveCharges, moveLine{Charge: &m})
}

func (e *exporter) quotes(s ledger.Scope) error {
	for after := ""; ; {
		orders, err := e.WholeQuotes(s, after, moveBatch)
		if err != nil || len(orders) == 0 {
			return err
		}
		for _, no := range orders {
			q, err := e.Quote(s, no)
			if err == nil {
				err = e.line(moveQuotes, moveLine{Quote: &movedQuote{s, no, *q}})
			}
			if err != nil {
				return err
			}
		}
		after = orders[len(orders)-1]
	}
}

func (e *exporter) refund(r *Refund) error {
	m := *r
	m.Seq, m.Owner, m.Until = 0, "", time.Time{}
	return e.line(moveRefunds, moveLine{Refund: &m})
}

func (e *exporter) decision(d *ledger.Decided) error {
	return e.line(moveAudit, moveLine{Audit: &movedAudit{d.Decision, d.Was}})
}

func (e *exporter) runs() error {
	var all []Run
	for before := int64(0); ; {
		rs, err := e.Runs(before, moveBatch)
		if err != nil {
			return err
		}
		if all = append(all, rs...); len(rs) < moveBatch {
			break
		}
		before = rs[len(rs)-1].Seq
	}
	for _, r := range slices.Backward(all) {
		r.Run.Seq = 0
		if err := e.line(moveRuns, moveLine{Run: &r.Run}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) scope(s ledger.Scope) error {
	f, err := e.Figures(s)
	if err != nil {
		return err
	}
	m := movedScope{Scope: s, Compared: f.Swept, Pause: f.Paused}
	if m.Tallied, err = e.TalliedSince(s); err != nil {
		return err
	}
	if m.Hours, err = e.Hours(s, ledger.FirstTime, ledger.FirstTime.AddDate(1000, 0, 0)); err != nil {
		return err
	}
	return e.line(moveScopes, moveLine{Scope: &m})
}

func (e *exporter) logins() error {
	for after := []byte{}; ; {
		ls, err := e.WholeLogins(after, moveBatch)
		if err != nil || len(ls) == 0 {
			return err
		}
		for i := range ls {
			after = ls[i].Key
			if bytes.HasPrefix(after, moveMark) {
				continue
			}
			if err := e.line(moveLogins, moveLine{Login: &ls[i]}); err != nil {
				return err
			}
		}
	}
}
