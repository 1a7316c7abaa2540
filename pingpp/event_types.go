package pingpp

import "slices"

// eventTypes are those that Ping++ documents or that its SDKs know.
var eventTypes = []string{
	"account.summary.available", "agreement.succeeded", "balance.withdrawal.succeeded", "batch_refund.succeeded", "batch_transfer.succeeded",
	"charge.succeeded", "customs.succeeded", "order.refunded", "order.succeeded", "order_refund.succeeded", "recharge.succeeded",
	"red_envelope.received", "red_envelope.sent", "refund.succeeded", "summary.daily.available", "summary.monthly.available",
	"summary.weekly.available", "transfer.succeeded",
}

// EventTypes returns the types of event that Ping++ sends, in alphabetical order. There is none for a payment that fails or expires.
func EventTypes() []string { return slices.Clone(eventTypes) }
