package core

import (
	"context"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// Charge implements [ledger.Charges].
func (l *Ledger) Charge(ctx context.Context, s ledger.Scope, id string) (*ledger.Charge, error) {
	var p ledger.Charge
	err := l.store.Read(ctx, func(r Reader) error {
		c, err := r.Charge(s, id)
		if err != nil {
			return err
		}
		if c == nil {
			return ledger.ErrNotFound
		}
		p = c.public()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// Attempts implements [ledger.Charges].
func (l *Ledger) Attempts(ctx context.Context, s ledger.Scope, orderNo string) ([]ledger.Charge, error) {
	return l.charges(ctx, func(r Reader) ([]Charge, error) { return r.Attempts(s, orderNo) })
}

// Payable implements [ledger.Charges].
func (l *Ledger) Payable(ctx context.Context, s ledger.Scope, payer string, now time.Time) ([]ledger.Charge, error) {
	return l.charges(ctx, func(r Reader) ([]Charge, error) { return r.Payable(s, payer, now) })
}

// ChargesCreated implements [ledger.Charges].
func (l *Ledger) ChargesCreated(ctx context.Context, s ledger.Scope, from, to time.Time, after string, limit int) ([]ledger.Charge, error) {
	if limit <= 0 {
		return nil, nil
	}
	return l.charges(ctx, func(r Reader) ([]Charge, error) { return r.ChargesCreated(s, from, to, after, limit) })
}

func (l *Ledger) charges(ctx context.Context, read func(Reader) ([]Charge, error)) (ps []ledger.Charge, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		cs, err := read(r)
		ps = publish(cs)
		return err
	})
	return ps, err
}

func publish(cs []Charge) (ps []ledger.Charge) {
	for i := range cs {
		ps = append(ps, cs[i].public())
	}
	return ps
}

// ClaimQueries implements [ledger.Charges].
func (l *Ledger) ClaimQueries(ctx context.Context, c ledger.QueryClaim) (ps []ledger.Charge, err error) {
	if c.Owner == "" {
		return nil, errNoOwner
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	leases := l.steps.leases(c.Now, c.Until.Sub(c.Now))
	err = l.store.WriteLax(ctx, func(t Tx) error {
		if c.Kind == ledger.QueryLater {
			if err := forsake(t, c, leases); err != nil {
				return err
			}
		}
		cs, err := t.DueQueries(c, leases)
		ps = publish(cs)
		for i := range cs {
			ps[i].Lease = Kept(c.Until)
			if err == nil {
				cs[i].leaseQuery(c.Until)
				err = t.SetCharge(&cs[i])
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ps, nil
}

// forsakenAfter is how long after its end a reservation that nobody took over counts as a dead holder's.
const forsakenAfter = time.Minute

// forsake makes the attempts of dead holders unknown.
func forsake(t Tx, c ledger.QueryClaim, leases Span) error {
	leases.Now = leases.Now.Add(-forsakenAfter)
	cs, err := t.Forsaken(c.Scope, leases)
	for i := range cs {
		if err == nil {
			cs[i].forsake(c.Now)
			err = t.SetAttempt(&cs[i])
		}
	}
	return err
}

// Queried implements [ledger.Charges].
func (l *Ledger) Queried(ctx context.Context, q ledger.Queried) error {
	write := l.store.WriteLax
	if q.Reversed {
		write = l.store.Write
	}
	return write(ctx, func(t Tx) error {
		if q.ChargeID == "" && q.Number != "" {
			return sought(t, q)
		}
		return queried(t, q)
	})
}

func sought(t Tx, q ledger.Queried) error {
	c, err := t.Numbered(q.Scope, q.Number)
	if err != nil || !c.isSought() || !c.leasedAs(q.Lease) {
		return err
	}
	c.sought(q.Next)
	return t.SetCharge(c)
}

func queried(t Tx, q ledger.Queried) error {
	c, err := lockedCharge(t, q.Scope, q.ChargeID)
	if err != nil {
		return err
	}
	c.queried(q)
	if q.Reversed {
		t.Touch(ledger.ChargeTopic(q.Scope, q.ChargeID))
		did, err := takeBack(t, c, c.ID, ledger.ReasonReversed, q.At)
		if err != nil {
			return err
		}
		if did {
			c.Hold = WentBack
		}
		if err := shipBack(t, c); err != nil {
			return err
		}
	}
	return t.SetCharge(c)
}

// lockedCharge returns a charge that is about to change, or ErrNotFound.
func lockedCharge(t Tx, s ledger.Scope, id string) (*Charge, error) {
	if err := t.Lock(s, ACharge, id); err != nil {
		return nil, err
	}
	c, err := t.Charge(s, id)
	if err == nil && c == nil {
		err = ledger.ErrNotFound
	}
	return c, err
}

// NoteClient implements [ledger.Charges].
func (l *Ledger) NoteClient(ctx context.Context, s ledger.Scope, id string, n ledger.ClientNote) error {
	return l.store.WriteLax(ctx, func(t Tx) error {
		c, err := lockedCharge(t, s, id)
		if err != nil {
			return err
		}
		c.note(n)
		t.Touch(ledger.ChargeTopic(s, id))
		return t.SetCharge(c)
	})
}
