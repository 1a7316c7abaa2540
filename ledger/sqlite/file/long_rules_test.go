package file

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// What is read for long and ended for a pause of the writer's says that it may be tried again; whatever else ends it is told as it is.
func TestWhatEndsALongRead(t *testing.T) {
	f := &File{}
	odd := errors.New("odd")
	for _, c := range []struct {
		name        string
		pause, stop bool
		fail, want  error
	}{
		{"nothing", false, false, nil, nil},
		{"a pause", true, false, context.Canceled, errYield},
		{"a pause, when it was done", true, false, nil, nil},
		{"its caller", false, true, context.Canceled, context.Canceled},
		{"an error", false, false, odd, odd},
	} {
		given, cancel := context.WithCancel(t.Context())
		paused := make(chan struct{})
		err := f.long(given, func(ctx context.Context) error {
			if !f.pauses.busy() {
				t.Errorf("%s: nobody sees that it goes on", c.name)
			}
			if c.pause {
				go func() { f.pauses.pause()(); close(paused) }()
			}
			if c.stop {
				cancel()
			}
			if c.pause || c.stop {
				<-ctx.Done()
			}
			return c.fail
		})
		if !errors.Is(err, c.want) || err != nil && c.want == nil {
			t.Errorf("ended by %s: %v", c.name, err)
		}
		if c.pause {
			<-paused
		}
		cancel()
		if f.pauses.busy() || f.pauses.asked.Load() {
			t.Errorf("ended by %s: it seems to go on", c.name)
		}
	}
}

// What keeps a backup from being written says so, and not that something is wrong with the ledger.
func TestBackupThatCannotBeWritten(t *testing.T) {
	f := openBare(t)
	defer f.Close()
	to := filepath.Join(t.TempDir(), strings.Repeat("x", 255)) // .part makes it too long
	if err := f.Backup(t.Context(), to, nil); err == nil || !strings.HasPrefix(err.Error(), "copying the ledger to "+to+": ") || strings.Contains(err.Error(), f.path) {
		t.Error(err)
	}
}
