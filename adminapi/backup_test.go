package adminapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// stubborn is a ledger whose copy tells how far it is, and comes to no end by itself.
type stubborn struct {
	ledger.Ledger
	ended chan error
}

func (s stubborn) Backup(ctx context.Context, _ string, progress func(done, pages int)) error {
	defer func() { s.ended <- context.Cause(ctx) }()
	for done := 0; ; done++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
			progress(done, 1000)
		}
		if done > 5000 {
			return errors.New("nobody ended it")
		}
	}
}

// A copy ends when whoever asked for it goes away.
func TestBackupEndsWithItsClient(t *testing.T) {
	s := stubborn{ended: make(chan error, 1)}
	srv := httptest.NewServer(New(Config{Ledger: func(context.Context) (ledger.Ledger, error) { return s, nil }}))
	defer srv.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	told := 0
	_, err := NewClient(Endpoint{HTTP: srv.Client(), URL: srv.URL}).BackupLedger(ctx, BackupOrder{File: filepath.Join(t.TempDir(), "copy.db")}, func(p BackupProgress) {
		if p.Pages != 1000 {
			t.Errorf("told %+v", p)
		}
		if told++; told == 2 {
			leave()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-s.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the copy ended: %v", err)
	}
}

// failing is one that cannot be copied whole.
type failing struct{ ledger.Ledger }

func (failing) Backup(_ context.Context, _ string, progress func(done, pages int)) error {
	progress(1, 2)
	return errors.New("no space left on device")
}

// What goes wrong after the answer has begun is an error of the client all the same; so is what is refused before.
func TestBackupFails(t *testing.T) {
	l := ledger.Ledger(failing{})
	srv := httptest.NewServer(New(Config{Ledger: func(context.Context) (ledger.Ledger, error) { return l, nil }}))
	defer srv.Close()
	c := NewClient(Endpoint{HTTP: srv.Client(), URL: srv.URL})
	for _, tc := range []struct {
		file   string
		ledger ledger.Ledger
		want   string
		status int
	}{
		{"/copy.db", failing{}, "no backup was made: no space left on device", 0},
		{"copy.db", failing{}, "file must be a path from the root", http.StatusBadRequest},
		{"", failing{}, "file must be a path from the root", http.StatusBadRequest},
		{"/copy.db", struct{ ledger.Ledger }{}, "back that up with its own tools", http.StatusConflict},
	} {
		l = tc.ledger
		_, err := c.BackupLedger(t.Context(), BackupOrder{File: tc.file}, func(BackupProgress) {})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, tc.want) || e.Status != tc.status {
			t.Errorf("%s: %v", tc.file, err)
		}
	}
}
