package core

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddypay/caddypay/ledger"
)

// put writes what a line says.
func put(t Tx, l *moveLine) error {
	switch {
	case l.Event != nil:
		return putEvent(t, l.Event)
	case l.Charge != nil:
		return putCharge(t, l.Charge)
	case l.Quote != nil:
		return t.SetQuote(l.Quote.Scope, l.Quote.OrderNo, l.Quote.Quote)
	case l.Refund != nil:
		re := *l.Refund
		return t.AddRefund(&re)
	case l.Audit != nil:
		return putDecision(t, l.Audit)
	case l.Run != nil:
		return putRun(t, l.Run)
	case l.Scope != nil:
		return putScope(t, l.Scope)
	}
	return t.SaveLogin(*l.Login, 0)
}

func putEvent(t Tx, m *movedEvent) error {
	e := m.Event
	first := e
	first.Acks = 0 // as a row that is new has it, which is what is counted
	added, err := t.AddEvent(&first)
	if err == nil && !added {
		err = fmt.Errorf("event %s is there already", e.ID)
	}
	if err != nil {
		return err
	}
	row, err := t.Event(e.Scope, e.ID)
	if err != nil {
		return err
	}
	row.Attempts, row.Tries, row.Acks, row.Replay, row.Back, row.Settled = e.Attempts, e.Tries, e.Acks, e.Replay, e.Back, e.Settled
	if err := t.SetEvent(row); err != nil {
		return err
	}
	for n := range m.Deliveries {
		if err := t.AddDelivery(row.Seq, &m.Deliveries[n]); err != nil {
			return err
		}
	}
	return nil
}

func putCharge(t Tx, m *movedCharge) error {
	c := m.Charge
	if m.Payment != "" {
		e, err := t.Event(c.Scope, m.Payment)
		if err == nil && e == nil {
			err = fmt.Errorf("charge %s was paid by the event %s, which is not there", c.ID, m.Payment)
		}
		if err != nil {
			return err
		}
		c.Payment = e.Seq
	}
	first := c
	if c.State != ledger.Foreign {
		first.State = ledger.Reserving
	}
	added, err := t.AddCharge(&first)
	if err == nil && !added {
		err = fmt.Errorf("the attempt %s of order %s is there already", c.Number, c.OrderNo)
	}
	if err != nil {
		return err
	}
	c.Seq = first.Seq
	if err := t.SetAttempt(&c); err != nil {
		return err
	}
	if c.Raw != nil {
		if err := t.SetAnswer(&c); err != nil {
			return err
		}
	}
	if m.Shipment == nil {
		return nil
	}
	s := *m.Shipment
	s.Charge = c
	if err := t.AddShipment(&s); err != nil {
		return err
	}
	for n := range m.Shippings {
		if err := t.AddShippingAttempt(c.Seq, &m.Shippings[n]); err != nil {
			return err
		}
		if err := t.SetShippingAttempt(c.Seq, &m.Shippings[n]); err != nil {
			return err
		}
	}
	return nil
}

func putDecision(t Tx, m *movedAudit) error {
	if m.Decision.EventID == "" {
		return t.AddAudit(nil, &m.Decision)
	}
	e, err := t.Event(m.Decision.Scope, m.Decision.EventID)
	if err == nil && e == nil {
		err = fmt.Errorf("somebody decided about the event %s, which is not there", m.Decision.EventID)
	}
	if err != nil {
		return err
	}
	e.State = m.Was
	return t.AddAudit(e, &m.Decision)
}

func putRun(t Tx, r *ledger.Run) error {
	row := Run{Run: *r}
	added, err := t.AddRun(&row)
	if err == nil && !added {
		err = fmt.Errorf("run %s is there already", r.ID)
	}
	if err != nil {
		return err
	}
	return t.SetRun(&row)
}

func putScope(t Tx, m *movedScope) error {
	// Both also where there is nothing to say: of a scope that has no other row any more they make sure that it is there.
	if err := t.SetSweep(m.Scope, Sweep{Compared: m.Compared}); err != nil {
		return err
	}
	if err := t.SetPause(m.Scope, m.Pause); err != nil {
		return err
	}
	if !m.Tallied.IsZero() {
		if err := t.SetTalliedSince(m.Scope, m.Tallied); err != nil {
			return err
		}
	}
	for _, h := range m.Hours {
		for what, n := range map[string]int64{TallyCharges: h.Charges, TallyWebhook: h.Webhook, TallyQuery: h.Query, TallyPaid: h.Paid, TallyRefunded: h.Refunded} {
			if n != 0 {
				t.Tally(m.Scope, h.At, what, n)
			}
		}
	}
	return nil
}

// bytesMark begins a text in a line that JSON cannot hold as it is.
const bytesMark = "\x00base64:"

// packTexts makes texts that are not UTF-8 ones that JSON keeps.
func packTexts(v any) {
	_ = texts(reflect.ValueOf(v), func(s string) (string, error) {
		if utf8.ValidString(s) && !strings.HasPrefix(s, bytesMark) {
			return s, nil
		}
		return bytesMark + base64.StdEncoding.EncodeToString([]byte(s)), nil
	})
}

func unpackTexts(v any) error {
	return texts(reflect.ValueOf(v), func(s string) (string, error) {
		rest, packed := strings.CutPrefix(s, bytesMark)
		if !packed {
			return s, nil
		}
		raw, err := base64.StdEncoding.DecodeString(rest)
		return string(raw), err
	})
}

var timeType = reflect.TypeFor[time.Time]()

// texts changes every text in a value that pointers lead to.
func texts(v reflect.Value, change func(string) (string, error)) error {
	switch v.Kind() {
	case reflect.Pointer:
		return texts(v.Elem(), change) // of nil it is of no kind
	case reflect.Struct:
		if v.Type() == timeType {
			return nil
		}
		for i := range v.NumField() {
			if err := texts(v.Field(i), change); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := texts(v.Index(i), change); err != nil {
				return err
			}
		}
	case reflect.String:
		s, err := change(v.String())
		if err != nil {
			return err
		}
		v.SetString(s)
	}
	return nil
}
