package core

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// pruneStep is how many rows one transaction looks at; everybody else who writes may wait for it.
const pruneStep = 200

// Prune implements [ledger.Events].
func (l *Ledger) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	pruned, err := l.prune(ctx, limit, func(o Old, after int64) (page, error) {
		es, err := o.OldBodies(after, pruneStep)
		p := page{full: len(es) == pruneStep}
		for i := range es {
			e := &es[i]
			p.add(e.Seq, e.Received.Before(before), bodyOver(e, before), func(t Tx) error { return t.DropBody(e) })
		}
		return p, err
	})
	if err != nil {
		return pruned, err
	}
	more, err := l.prune(ctx, limit-pruned, func(o Old, after int64) (page, error) {
		cs, err := o.OldAnswers(after, pruneStep)
		p := page{full: len(cs) == pruneStep}
		for i := range cs {
			c := &cs[i]
			p.add(c.Seq, c.Created.Before(before), answerOver(c, before), func(t Tx) error {
				c.Raw = nil
				return t.SetAnswer(c)
			})
		}
		return p, err
	})
	if err != nil {
		return pruned + more, err
	}
	gone, err := l.prune(ctx, limit-pruned-more, func(o Old, after int64) (page, error) {
		ss, err := o.OldShipments(after, pruneStep)
		p := page{full: len(ss) == pruneStep}
		for i := range ss {
			s := &ss[i]
			p.add(s.Charge.Seq, s.TimePaid.Before(before), shipmentOver(s, before), func(t Tx) error { return t.DropShipment(s) })
		}
		return p, err
	})
	return pruned + more + gone, err
}

// page is what was looked at at once: rows in the order of their recording. The search ends at the first that came after the time. What stays among
// the old ones is what still waits for somebody.
type page struct {
	full, end bool
	last      int64 // the last row that was old
	over      []func(Tx) error
}

func (p *page) add(seq int64, old, over bool, drop func(Tx) error) {
	p.end = p.end || !old
	if p.end {
		return
	}
	p.last = seq
	if over {
		p.over = append(p.over, drop)
	}
}

// prune looks for rows to delete without a transaction, and deletes them in one: there it looks again, since a person may have replayed an event.
func (l *Ledger) prune(ctx context.Context, limit int, look func(o Old, after int64) (page, error)) (pruned int, err error) {
	for last, more := int64(0), true; more && pruned < limit; {
		var p page
		err := l.store.Read(ctx, func(r Reader) (err error) {
			p, err = look(r, last)
			return err
		})
		if err != nil {
			return pruned, err
		}
		gone := 0
		if len(p.over) > 0 {
			err = l.store.WriteLax(ctx, func(t Tx) error {
				gone = 0
				if err := t.Lock(ledger.Scope{}, APrune, ""); err != nil {
					return err
				}
				now, err := look(t, last)
				for _, drop := range now.over[:min(len(now.over), limit-pruned)] {
					if err == nil {
						err = drop(t)
						gone++
					}
				}
				return err
			})
		}
		if err != nil {
			return pruned, err
		}
		pruned += gone
		last, more = p.last, p.full && !p.end
	}
	return pruned, nil
}
