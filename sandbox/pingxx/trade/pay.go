package trade

import (
	"errors"

	"go.uber.org/zap"

	"github.com/caddypay/caddypay/sandbox/pingxx/channel"
	"github.com/caddypay/caddypay/sandbox/pingxx/events"
	"github.com/caddypay/caddypay/sandbox/rawjson"
)

// Errors of Pay, for errors.Is.
var (
	ErrUnknownCharge  = errors.New("no such charge")
	ErrChargePaid     = errors.New("the charge is already paid")
	ErrChargeExpired  = errors.New("the charge has expired")
	ErrChargeReversed = errors.New("the charge is reversed")
	ErrCredentialDead = errors.New("the charge's credential is dead: the channel gives it a shorter life than the charge has")
)

// Pay makes a charge paid, as if its user had paid it in WeChat: charge.succeeded goes out to the
// webhooks. It returns ErrUnknownCharge, ErrChargePaid (also for another charge of its number), ErrChargeReversed, ErrChargeExpired
// or ErrCredentialDead when it cannot.
func (cs *Charges) Pay(chargeID string) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.pay(chargeID)
}

func (cs *Charges) pay(chargeID string) error {
	now := cs.now()
	c, ok := cs.kept.Get(chargeID)
	switch {
	case !ok:
		return ErrUnknownCharge
	case c.Paid:
		return ErrChargePaid
	case c.Reversed:
		return ErrChargeReversed
	case c.Expired(now):
		return ErrChargeExpired
	case c.Dead(now):
		return ErrCredentialDead
	}
	if known := cs.byNumber[c.key()]; known != nil && known.Paid {
		return ErrChargePaid // the channel takes the money for a number once
	}
	cs.byNumber[c.key()] = c
	family := channel.Find(c.Channel).Family
	unix, number := now.Unix(), family.TransactionNo(cs.dice, c.Livemode, now)
	c.Paid, c.TimePaid, c.TransactionNo = true, &unix, &number
	family.PaidExtra(&c.Extra, c.Livemode, c.Amount)
	cs.tellPaid(c, now)
	cs.log.Info("charge paid", zap.String("charge", c.ID), zap.String("order_no", c.OrderNo))
	cs.events.Emit(events.New{Type: "charge.succeeded", Object: c.shown(now), Livemode: c.Livemode, Request: &c.request, Charge: c.ID})
	cs.orderPaid(c, now)
	return nil
}

// Shown is a charge as it is answered now, of either mode.
func (cs *Charges) Shown(id string) (*Charge, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c, ok := cs.kept.Get(id)
	if !ok {
		return nil, false
	}
	return c.shown(cs.now()), true
}

// PayTest pays a test charge and reports whether it is paid, before or now.
func (cs *Charges) PayTest(id string) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c, ok := cs.kept.Get(id)
	if !ok || c.Livemode {
		return false
	}
	err := cs.pay(id)
	return err == nil || errors.Is(err, ErrChargePaid)
}

// Tell makes an event of any type about a charge as it is.
func (cs *Charges) Tell(kind, id string) (events.State, bool) {
	c, ok := cs.Shown(id)
	if !ok {
		return events.State{}, false
	}
	c.Credential = rawjson.Object{} // events never carry one
	return cs.events.Emit(events.New{Type: kind, Object: c, Livemode: c.Livemode, Request: &c.request, Charge: id}), true
}
