package relay

import (
	"regexp"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddypay/caddypay/ledger"
)

// report tells people and metrics how attempts end.
type report struct {
	asks    string // what the backend is asked: method and path
	observe func(result string, since time.Duration)
	logger  *zap.Logger
}

const shownWords = 120 // bytes of an answer that a log line holds

var longWord = regexp.MustCompile(`[A-Za-z0-9_-]{16,}`)

// redacted returns the first words of an answer for the log. Long ones, which may be an openid or a token, are cut short.
func redacted(snippet string) string {
	return printable([]byte(longWord.ReplaceAllStringFunc(snippet, func(word string) string { return word[:6] + "…" })), shownWords)
}

// log writes the one line of an attempt. The backend's own words are in it only where it turned us away, else only in the ledger.
func (r *report) log(ev *ledger.Event, d ledger.Delivery, why string) {
	level, msg := zapcore.InfoLevel, "event delivered"
	fields := []zap.Field{
		zap.String("event", ev.ID), zap.String("order_no", ev.OrderNo), zap.String("charge", ev.ChargeID), zap.String("type", ev.Type),
		zap.Int("attempt", d.Attempt), zap.Int("status", d.Status), zap.Duration("took", d.Took),
	}
	switch {
	case d.Uncounted:
		level, msg = zapcore.WarnLevel, "event not delivered, the backend is unreachable; this attempt does not count"
		fields = append(fields, zap.String("why", why), zap.Time("next", d.Due))
	case d.State == ledger.Pending:
		level, msg = zapcore.WarnLevel, "event not delivered, will try again"
		fields = append(fields, zap.String("why", why), zap.Time("next", d.Due))
	case d.State == ledger.Dead:
		level, msg = zapcore.ErrorLevel, "event not delivered, no attempts are left; replay it when the backend works again"
		fields = append(fields, zap.String("why", why))
	}
	if turnedAway(d.Status) {
		level = zapcore.ErrorLevel
		fields = append(fields, zap.String("asked", r.asks), zap.String("answer", redacted(d.Snippet)))
	}
	r.logger.Log(level, msg, fields...)
}

// count counts an attempt.
func (r *report) count(ev *ledger.Event, d ledger.Delivery, how reach, end time.Time) {
	switch {
	case d.State == ledger.Delivered && ev.Replay:
		r.observe("delivered", 0)
	case d.State == ledger.Delivered:
		r.observe("delivered", end.Sub(ev.Received))
	case d.State == ledger.Dead:
		r.observe("dead", 0)
	case how == unreachable, how == unsent:
		r.observe("unreachable", 0)
	default:
		r.observe("failed", 0)
	}
}
