package file

import (
	"context"
	"errors"
	"testing"
)

// A job is taken once: by the writer, by the caller who gives up, or by neither when its time was over by then, which its caller is told.
func TestWhoTakesAJob(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name     string
		ctx      context.Context
		dropped  bool
		want     bool
		wantTold error
	}{
		{"one that waits", t.Context(), false, true, nil},
		{"one that was given up", over, true, false, nil},
		{"one whose time is over", over, false, false, context.Canceled},
	} {
		j := &job{ctx: c.ctx, done: make(chan error, 1)}
		if c.dropped && !j.drop() {
			t.Errorf("%s: it cannot be given up", c.name)
		}
		if got := j.take(); got != c.want || j.drop() {
			t.Errorf("%s: taken %t", c.name, got)
		}
		var told error
		select {
		case told = <-j.done:
		default:
		}
		if !errors.Is(told, c.wantTold) {
			t.Errorf("%s: told %v", c.name, told)
		}
	}
}
