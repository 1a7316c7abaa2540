package problem

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// Log is where a site's problems are written down.
type Log struct {
	Logger   *zap.Logger
	ClientIP func(*http.Request) string // the client's address as the server trusts it
	Now      func() time.Time

	lines Lines
}

// Report writes the one log line of a failed call: faults of ours or of the other side as errors, the rest quietly.
func (l *Log) Report(r *http.Request, route string, p *Problem) {
	if p.Logged {
		return
	}
	fields := []zap.Field{
		zap.String("route", route),
		zap.String("method", r.Method),
		zap.String("client_ip", l.ClientIP(r)),
		zap.String("code", p.Code),
		zap.Int("status", p.Status()),
	}
	if p.Cause != nil {
		fields = append(fields, zap.Error(p.Cause))
	}
	if p.Budget != "" { // a flood must not fill the disk
		suppressed, ok := l.lines.Allow(p.Budget, l.Now())
		if !ok {
			return
		}
		fields = append(fields, zap.Int64("not_logged_before", suppressed))
	}
	gone := errors.Is(p.Cause, context.Canceled) && r.Context().Err() != nil // the client's doing, not a fault
	if (p.Status() >= http.StatusInternalServerError || l.loud(p)) && !gone {
		l.Logger.Error("refused", fields...)
		return
	}
	l.Logger.Info("refused", fields...)
}

// loud reports whether a problem that is the client's by its status is to be seen by the operator too, who is not to be flooded with it.
func (l *Log) loud(p *Problem) bool {
	if !p.Backend {
		return false
	}
	_, ok := l.lines.Allow("backend", l.Now())
	return ok
}

// Lines limits the log lines of what is refused, each reason by itself: a flood must not fill the disk.
type Lines struct {
	mu      sync.Mutex
	reasons map[string]*lineCount
}

type lineCount struct {
	limit      *rate.Limiter
	suppressed int64
}

// Allow says whether a line may be written, and how many were not since the last.
func (l *Lines) Allow(reason string, now time.Time) (suppressed int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reasons == nil {
		l.reasons = make(map[string]*lineCount)
	}
	c := l.reasons[reason]
	if c == nil {
		c = &lineCount{limit: rate.NewLimiter(rate.Every(10*time.Second), 5)}
		l.reasons[reason] = c
	}
	if !c.limit.AllowN(now, 1) {
		c.suppressed++
		return 0, false
	}
	suppressed, c.suppressed = c.suppressed, 0
	return suppressed, true
}
