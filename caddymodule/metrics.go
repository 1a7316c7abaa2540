package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// The metrics of this process. They are made once and registered with each configuration, so that they go on counting over
// reloads. No label has a value that comes from outside.
var metrics = struct {
	charges, refunds, unclear, webhooks, deliveries, reconciled *prometheus.CounterVec
	delivery                                                    prometheus.Histogram
}{
	charges: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "charges_total",
		Help: "Requests to create a charge, by channel and result: created, reused, or the code of the refusal.",
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
		Help: "Webhooks by result: recorded, duplicate, same_effect, held, or why they were refused (missing, empty, not_base64, wrong_key, malformed, mode, app, rate_limited, unavailable).",
	}, []string{"result"}),
	deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "deliveries_total",
		Help: "Attempts to deliver an event to the backend, by result: delivered, failed, unreachable, dead.",
	}, []string{"result"}),
	reconciled: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "reconciled_total",
		Help: "What was looked up at Ping++, by result: of charges paid, unpaid, reversed; of attempts that got no answer found, absent; of refunds refund_succeeded, refund_failed, refund_pending; and error.",
	}, []string{"result"}),
	delivery: prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "pay", Name: "delivery_seconds",
		Help:    "Seconds from an event's arrival to the backend's acknowledgement.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300, 3600, 86400},
	}),
}

// registerMetrics adds them to a configuration's registry.
func registerMetrics(r *prometheus.Registry) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{metrics.charges, metrics.refunds, metrics.unclear, metrics.webhooks, metrics.deliveries, metrics.reconciled, metrics.delivery} {
		if err := r.Register(c); err != nil && !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
			return err
		}
	}
	return nil
}
