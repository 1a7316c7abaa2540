package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// BackupOrder says where a copy of the ledger goes.
type BackupOrder struct {
	File string `json:"file"` // on Caddy's machine, from the root; nothing may be there yet
}

// BackupProgress is how far a copy has come.
type BackupProgress struct {
	Done  int `json:"done"`  // pages that are copied
	Pages int `json:"pages"` // that there are
}

// LedgerBackup is a copy that is whole.
type LedgerBackup struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	MS    int64  `json:"ms"` // milliseconds that it took
}

// copier is a ledger whose engine copies it into a file while it is in use.
type copier interface {
	Backup(ctx context.Context, to string, progress func(done, pages int)) error
}

// ledgerServer looks after the ledger's file.
type ledgerServer struct {
	books
	file string // where it is, for people to read
}

type ledgerClient struct{ *Endpoint }

// BackupLedger copies the ledger, as it stands now, beside everything else. It ends with the context, and leaves nothing then.
func (s *ledgerServer) BackupLedger(ctx context.Context, o BackupOrder, progress func(BackupProgress)) (*LedgerBackup, error) {
	if !filepath.IsAbs(o.File) {
		return nil, refuse(http.StatusBadRequest, "file must be a path from the root, on the machine of Caddy, not %.200q", o.File)
	}
	l, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := l.(copier)
	if !ok {
		return nil, refuse(http.StatusConflict, "this ledger is in no file but in a database, %s; back that up with its own tools, while payments go on: "+
			"pg_dump --format=custom --schema=caddypay --file=ledger.dump with the DSN of ledger postgres, or with backups of the whole server that go on with its WAL", s.file)
	}
	to, start := filepath.Clean(o.File), time.Now()
	err = c.Backup(ctx, to, func(done, pages int) { progress(BackupProgress{Done: done, Pages: pages}) })
	if errors.Is(err, fs.ErrExist) {
		return nil, refuse(http.StatusConflict, "%w", err)
	}
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(to)
	}
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "no backup was made: %w", err)
	}
	return &LedgerBackup{File: to, Bytes: info.Size(), MS: time.Since(start).Milliseconds()}, nil
}

const tellEvery = 250 * time.Millisecond // how far a copy has come

// serveBackup answers in lines, and ends the copy when nobody takes them any more.
func (s *ledgerServer) serveBackup(w http.ResponseWriter, r *http.Request) (any, error) {
	var in BackupOrder
	if err := readBody(w, r, &in); err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, bodyMax)) // only after its end is it noticed that the client goes
	ctx, end := context.WithCancel(r.Context())
	defer end()
	var told time.Time
	lines := json.NewEncoder(w)
	b, err := s.BackupLedger(ctx, in, func(p BackupProgress) {
		if time.Since(told) < tellEvery {
			return
		}
		told = time.Now()
		w.Header().Set("Content-Type", "application/x-ndjson")
		err := lines.Encode(p)
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			end()
		}
	})
	if err != nil && !told.IsZero() { // too late for a status
		return &Error{Message: err.Error()}, nil
	}
	return b, err
}

// BackupLedger is Server.BackupLedger.
func (c *ledgerClient) BackupLedger(ctx context.Context, o BackupOrder, progress func(BackupProgress)) (*LedgerBackup, error) {
	answer, err := c.send(ctx, http.MethodPost, "/pay/ledger/backup", nil, o)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	for lines := json.NewDecoder(answer); ; {
		var line struct {
			BackupProgress
			LedgerBackup
			Error
		}
		switch err := lines.Decode(&line); {
		case err != nil:
			return nil, fmt.Errorf("the answer broke off, and with it the backup: %w", err)
		case line.Message != "":
			return nil, &line.Error
		case line.File != "":
			return &line.LedgerBackup, nil
		}
		progress(line.BackupProgress)
	}
}
