package caddymodule

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/relay/intake"
)

// Under Caddy's `tracing`, a request has a span, and what we do for it has spans below. Caddy keeps where spans go to itself: we learn it from
// the requests, and events are delivered by no request. So the last one whose event was accepted says where the spans of deliveries go.
var tracers atomic.Pointer[trace.TracerProvider]

const (
	spanPingpp  = "pay.pingpp"
	spanWeChat  = "pay.wechat"
	spanQuote   = "pay.quote"
	spanLogin   = "pay.login"
	spanAccept  = "pay.accept"
	spanDeliver = "pay.deliver"
	spanShip    = "pay.shipping"
)

const tracerName = "github.com/caddypay/caddypay"

// traceContext is W3C's traceparent, which the ledger keeps.
var traceContext propagation.TraceContext

// begin begins a span below that of a context; where there is none, one that nobody sees.
func begin(ctx context.Context, name string, kind trace.SpanKind, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	return trace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
}

// spanned gives each request that somebody else answers a span. Queries stay out of it: WeChat's hold secrets.
type spanned struct {
	http.RoundTripper
	name func(*http.Request) string
}

// RoundTrip passes the request on unchanged.
func (s spanned) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(r.Context()).IsValid() {
		return s.RoundTripper.RoundTrip(r)
	}
	ctx, span := begin(r.Context(), s.name(r), trace.SpanKindClient, attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path))
	defer span.End()
	resp, err := s.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil { // its words may hold a URL
		span.SetStatus(codes.Error, "no answer")
		return resp, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.StatusCode >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, strconv.Itoa(resp.StatusCode))
	}
	return resp, nil
}

// spanning puts spans of one name around a transport.
func spanning(rt http.RoundTripper, name string) http.RoundTripper {
	return spanned{rt, func(*http.Request) string { return name }}
}

// spanBackend puts spans around the calls to the backend that are made for a user's request.
func (h *Handler) spanBackend(rt http.RoundTripper) http.RoundTripper {
	return spanned{rt, func(r *http.Request) string {
		if l := h.resolved.Login; l != nil && r.URL.Path == l.Path {
			return spanLogin
		}
		return spanQuote
	}}
}

// spanAccepting begins the span of an event's way to the disk.
func spanAccepting(ctx context.Context, a intake.Arrival) (context.Context, func(error)) {
	of := trace.SpanFromContext(ctx)
	if !of.SpanContext().IsValid() {
		return ctx, func(error) {}
	}
	if a.Source == ledger.Webhook && of.IsRecording() {
		provider := of.TracerProvider()
		tracers.Store(&provider)
	}
	ctx, span := begin(ctx, spanAccept, trace.SpanKindInternal, attribute.String("pay.event", a.Event.ID), attribute.String("pay.type", a.Event.Type),
		attribute.String("pay.source", string(a.Source)))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "not recorded")
		}
		span.End()
	}
}

// spanDelivering begins the span of an attempt, in the trace that the event came in by. The backend's own spans belong below it: it gets the
// span's traceparent; where nobody traces, the one that was kept.
func spanDelivering(ctx context.Context, ev *ledger.Event, attempt int) (_ context.Context, traceParent string, end func(status int, why string)) {
	provider := tracers.Load()
	if provider == nil || ev.TraceParent == "" {
		return ctx, ev.TraceParent, func(int, string) {}
	}
	ctx = traceContext.Extract(ctx, propagation.MapCarrier{"traceparent": ev.TraceParent})
	ctx, span := (*provider).Tracer(tracerName).Start(ctx, spanDeliver, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("pay.event", ev.ID), attribute.String("pay.type", ev.Type), attribute.String("pay.order_no", ev.OrderNo), attribute.Int("pay.attempt", attempt)))
	header := propagation.MapCarrier{}
	traceContext.Inject(ctx, header)
	return ctx, header["traceparent"], func(status int, why string) {
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		if why != "" {
			span.SetStatus(codes.Error, why)
		}
		span.End()
	}
}
