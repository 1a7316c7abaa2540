package sandbox

import (
	"github.com/caddypay/caddypay/sandbox/desk"
	"github.com/caddypay/caddypay/sandbox/pingxx/trade"
	"github.com/caddypay/caddypay/sandbox/weixin"
	"github.com/caddypay/caddypay/sandbox/weixin/shipping"
)

// What a program that holds the sandbox can do to it, beside the levers.

// Errors of Pay, for errors.Is.
var (
	ErrUnknownCharge  = trade.ErrUnknownCharge
	ErrChargePaid     = trade.ErrChargePaid
	ErrChargeExpired  = trade.ErrChargeExpired
	ErrChargeReversed = trade.ErrChargeReversed
	ErrCredentialDead = trade.ErrCredentialDead
)

// Pay makes a charge paid, as if its user had paid it in WeChat: charge.succeeded goes out to the
// webhooks. It returns ErrUnknownCharge, ErrChargePaid (also for another charge of its number), ErrChargeReversed, ErrChargeExpired
// or ErrCredentialDead when it cannot.
func (s *Sandbox) Pay(chargeID string) error { return s.pingxx.Trade.Charges.Pay(chargeID) }

// SetWebhooks changes where later events of both modes go; deliveries under way keep their URL.
func (s *Sandbox) SetWebhooks(urls ...string) { s.pingxx.Events.SetWebhooks(urls...) }

// SetLiveWebhooks changes where later events of live mode go beside.
func (s *Sandbox) SetLiveWebhooks(urls ...string) { s.pingxx.Events.SetLiveWebhooks(urls...) }

// SetTestWebhooks changes where later events of test mode go beside.
func (s *Sandbox) SetTestWebhooks(urls ...string) { s.pingxx.Events.SetTestWebhooks(urls...) }

// NewCode returns a fresh login code, as if the user had called wx.login: good once, for 5 minutes.
// An empty openid is a new user.
func (s *Sandbox) NewCode(openid string) string { return s.weixin.NewCode(openid, "") }

// WebUser is who looks at the official account's pages, for all that WeChat knows.
type WebUser = weixin.User

// SetWebUser says who the users of the next OAuth rounds are.
func (s *Sandbox) SetWebUser(u WebUser) { s.weixin.SetUser(u) }

// NewOAuthCode returns a fresh code of an OAuth round, as if a page's visitor had come back from WeChat: good once, for 5 minutes.
// An empty openid is the current WebUser's.
func (s *Sandbox) NewOAuthCode(openid string) string { return s.weixin.NewOAuthCode(openid) }

// WeChatProgram is what is set for the mini program.
type WeChatProgram = shipping.Program

// WeChatSetting changes it; what is nil stays.
type WeChatSetting = shipping.Setting

// SetProgram changes what is set for the mini program, and returns it.
func (s *Sandbox) SetProgram(change WeChatSetting) (WeChatProgram, error) {
	return s.weixin.Orders.Set(change)
}

// WeChatChange is what a buyer or WeChat does to an order; what is nil stays.
type WeChatChange = shipping.Change

// Errors of MoveWeChatOrder, for errors.Is.
var (
	ErrUnknownOrder = shipping.ErrUnknownOrder
	ErrNotShipped   = shipping.ErrNotShipped
)

// MoveWeChatOrder does to an order what its buyer or WeChat would do. It returns ErrUnknownOrder or ErrNotShipped when it cannot.
func (s *Sandbox) MoveWeChatOrder(transactionNo string, change WeChatChange) error {
	_, err := s.weixin.Orders.Move(transactionNo, change)
	return err
}

// SetFault makes the next times calls of an operation fail; pingxx and weixin list both, and so does
// docs/sandbox.md. Faults of one operation take effect in the order they were set. The error of an unknown name lists what there is.
func (s *Sandbox) SetFault(on, name string, times int) error {
	return s.faults.Set(desk.Fault{On: on, Name: name, Times: times})
}

// ClearFaults forgets all faults that have not happened yet.
func (s *Sandbox) ClearFaults() { s.faults.Clear() }
