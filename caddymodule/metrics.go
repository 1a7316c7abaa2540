package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// remote are the bounds for what the network and others take.
var remote = []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 15}

// The metrics of this process. They are made once and registered with each configuration, so that they go on counting over
// reloads. No label has a value that comes from outside.
var metrics = struct {
	charges, refunds, unclear, webhooks, deliveries, reconciled, shipping *prometheus.CounterVec
	accept, delivery                                                      prometheus.Histogram
	provider, wechat                                                      *prometheus.HistogramVec
}{
	charges: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "charges_total",
		Help: "Requests to create a charge, by channel and result: created, reused, or the code of the refusal. The channel is any where a refusal has nothing to do with it.",
	}, []string{"channel", "result"}),
	refunds: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "refunds_total",
		Help: "Requests for a refund, by result: made, failed, unknown (it is being looked for), repeated, or the code of the refusal.",
	}, []string{"result"}),
	unclear: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "refunds_unclear_total",
		Help: "Refunds that began to wait for a person, since nobody knows whether Ping++ made them, by reason: ambiguous (refunds there may be it, or not), unanswered (asked for twice, and not there).",
	}, []string{"reason"}),
	webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "webhooks_total",
		Help: "Webhooks by result: recorded, duplicate, same_effect, held, no_app, or why they were refused (missing, empty, several, not_base64, wrong_key, malformed, mode, app, rate_limited, unavailable).",
	}, []string{"result"}),
	deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "deliveries_total",
		Help: "Attempts to deliver an event to the backend, by result: delivered, failed, unreachable, dead.",
	}, []string{"result"}),
	reconciled: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "reconciled_total",
		Help: "What was looked up at Ping++, by result: of charges paid, unpaid, reversed; of attempts that got no answer found, absent; of refunds refund_succeeded, refund_failed, refund_pending; and error.",
	}, []string{"result"}),
	shipping: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "shipping_total",
		Help: "What WeChat was asked about shipping, by result: accepted (a report), told (what it has), not_found, transient, again, unknown, final (a report is refused), unmanaged.",
	}, []string{"result"}),
	accept: prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "accept_seconds",
		Help:    "Seconds from a webhook's arrival to its 200, when it is on the disk.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 10},
	}),
	provider: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "provider_seconds",
		Help:    "Seconds until Ping++ began to answer a request, by result: answered, or failed (no answer, or a status of 500 and above).",
		Buckets: remote,
	}, []string{"result"}),
	wechat: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "wechat_seconds",
		Help:    "Seconds until WeChat began to answer a request, by result: answered, or failed (no answer, or a status of 500 and above).",
		Buckets: remote,
	}, []string{"result"}),
	delivery: prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "delivery_seconds",
		Help:    "Seconds from an event's arrival to the backend's acknowledgement.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300, 3600, 86400},
	}),
}

// A shop may have one payment a day: a series that began with its first event would hide that event from increase(). So what alerts ask
// for is there from the start.
func init() {
	for of, results := range map[*prometheus.CounterVec][]string{
		metrics.unclear: {"ambiguous", "unanswered"},
		metrics.webhooks: {"recorded", "duplicate", "same_effect", "held", "no_app",
			"missing", "empty", "several", "not_base64", "wrong_key", "malformed", "mode", "app", "rate_limited", "unavailable"},
		metrics.deliveries: {"delivered", "failed", "unreachable", "dead"},
		metrics.shipping:   {"accepted", "told", "not_found", "transient", "again", "unknown", "final", "unmanaged"},
		metrics.reconciled: {"paid", "unpaid", "reversed", "found", "absent", "refund_succeeded", "refund_failed", "refund_pending", "error"},
	} {
		for _, result := range results {
			of.WithLabelValues(result)
		}
	}
	for _, result := range []string{didAnswer, didFail} {
		metrics.provider.WithLabelValues(result)
		metrics.wechat.WithLabelValues(result)
	}
}

// countCharge counts a request to create a charge. A site may offer twenty channels, and twenty refusals are the same through each.
func countCharge(channel, result string) {
	switch result {
	case "created", "reused", "amount_invalid", "channel_extra_missing", "charge_rejected", "charge_superseded", "provider_rejected", "provider_timeout", "provider_unavailable":
	default:
		channel = "any"
	}
	metrics.charges.WithLabelValues(channel, result).Inc()
}

// registerMetrics adds them to a configuration's registry.
func registerMetrics(r *prometheus.Registry) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{metrics.charges, metrics.refunds, metrics.unclear, metrics.webhooks, metrics.deliveries, metrics.reconciled, metrics.shipping,
		metrics.accept, metrics.provider, metrics.wechat, metrics.delivery} {
		if err := r.Register(c); err != nil && !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
			return err
		}
	}
	return nil
}
