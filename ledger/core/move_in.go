package core

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// ErrNotEmpty says that a ledger to which another is to be moved has something in it.
var ErrNotEmpty = errors.New("this ledger is in use, or has something in it; a ledger is moved to an empty one, or to where its import was broken off")

// moveMark begins the key under which a half import says how far it has come, among the logins: no login has it, and it expires with the end of the import.
var moveMark = []byte("caddypay import ")

// moveState is what stands there.
type moveState struct {
	ID    string
	Moved Moved
}

// Import takes in what Export wrote. One that was broken off goes on where it was. In the end what is there is exported once more and compared, line by line.
func (l *Ledger) Import(ctx context.Context, from io.Reader, now time.Time, tell func(Moved)) (m Moved, err error) {
	in := bufio.NewReaderSize(from, 1<<16)
	head, _, err := readLine(in)
	if err != nil || head.Head == nil {
		return Moved{}, errors.Join(errors.New("this is no exported ledger; make one with caddy pay ledger export"), err)
	}
	if head.Head.Format != moveFormat {
		return m, fmt.Errorf("this ledger was exported in format %d, and this caddypay knows %d; import it with the version that exported it", head.Head.Format, moveFormat)
	}
	done, err := l.halfImport(ctx, head.Head.ID, now)
	if err != nil {
		return m, err
	}
	i := &importer{ledger: l, ctx: ctx, now: now, id: head.Head.ID, tell: tell, sum: sha256.New(), skip: done.Lines, moved: Moved{Counts: make(map[string]int64)}}
	for {
		line, raw, err := readLine(in)
		if err != nil {
			return i.moved, errors.Join(fmt.Errorf("line %d: %w; what came before it stays, and an import of the same export goes on from there", i.moved.Lines+2, err),
				i.write(i.ledger.store.WriteLax))
		}
		if line.End != nil {
			return i.end(*line.End)
		}
		if err := i.take(line, raw); err != nil {
			return i.moved, err
		}
	}
}

func readLine(in *bufio.Reader) (l moveLine, raw []byte, err error) {
	if raw, err = in.ReadBytes('\n'); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the export is cut off")
		}
		return l, nil, err
	}
	l, err = decodeLine(raw)
	return l, raw, err
}

// halfImport returns how far an import has come; ErrNotEmpty when something else is in the ledger.
func (l *Ledger) halfImport(ctx context.Context, id string, now time.Time) (m Moved, err error) {
	err = l.store.Read(ctx, func(r Reader) error {
		raw, err := r.Login(moveKey(id), now.UnixMilli())
		if err != nil {
			return err
		}
		if raw != nil {
			var s moveState
			if err := json.Unmarshal(raw, &s); err != nil {
				return err
			}
			m = s.Moved
			return nil
		}
		return isEmpty(r)
	})
	return m, err
}

// isEmpty returns ErrNotEmpty when a ledger has anything, were it that somebody logged in: it would not be what was exported in the end.
func isEmpty(r Reader) error {
	scopes, err := r.Scopes()
	if err != nil {
		return err
	}
	runs, err := r.Runs(0, 1)
	if err != nil {
		return err
	}
	logins, err := r.WholeLogins([]byte{}, moveBatch)
	if err != nil {
		return err
	}
	logins = slices.DeleteFunc(logins, func(l ledger.Login) bool { return bytes.HasPrefix(l.Key, moveMark) }) // of an import that has ended
	if len(scopes)+len(runs)+len(logins) > 0 {
		return ErrNotEmpty
	}
	return nil
}

func moveKey(id string) []byte { return append(slices.Clone(moveMark), id...) }

// importer takes lines in.
type importer struct {
	ledger *Ledger
	ctx    context.Context
	now    time.Time
	id     string
	tell   func(Moved)
	sum    hash.Hash
	skip   int64 // lines that are in the ledger already
	moved  Moved
	wait   []moveLine // lines that are not yet
}

func (i *importer) take(l moveLine, raw []byte) error {
	about := l.about()
	if about == "" {
		return fmt.Errorf("line %d is about nothing that is known here", i.moved.Lines+2)
	}
	i.sum.Write(raw)
	i.moved.Counts[about]++
	i.moved.Lines++
	if i.moved.Lines <= i.skip {
		return i.ctx.Err()
	}
	if i.wait = append(i.wait, l); len(i.wait) < moveBatch {
		return nil
	}
	return i.write(i.ledger.store.WriteLax)
}

func (l *moveLine) about() string {
	switch {
	case l.Event != nil:
		return moveEvents
	case l.Charge != nil:
		return moveCharges
	case l.Quote != nil:
		return moveQuotes
	case l.Refund != nil:
		return moveRefunds
	case l.Audit != nil:
		return moveAudit
	case l.Run != nil:
		return moveRuns
	case l.Scope != nil:
		return moveScopes
	case l.Login != nil:
		return moveLogins
	}
	return ""
}

// write puts the lines that wait into the ledger, and how far it has come with them: both are there, or neither.
func (i *importer) write(write func(context.Context, func(Tx) error) error) error {
	if len(i.wait) == 0 {
		return nil
	}
	state, err := json.Marshal(moveState{i.id, i.moved})
	if err != nil {
		return err
	}
	err = write(i.ctx, func(t Tx) error {
		for n := range i.wait {
			if err := put(t, &i.wait[n]); err != nil {
				return err
			}
		}
		return t.SaveLogin(i.mark(state, i.now.AddDate(10, 0, 0)), 0)
	})
	if err != nil {
		return fmt.Errorf("up to line %d: %w", i.moved.Lines+1, err)
	}
	i.wait = i.wait[:0]
	i.tell(i.moved)
	return nil
}

// mark is without the time that it is: nothing that has expired is to go before it was compared.
func (i *importer) mark(state []byte, until time.Time) ledger.Login {
	return ledger.Login{Key: moveKey(i.id), Identity: state, Expires: until.UnixMilli()}
}

// end compares what has come with what was exported, and what is in the ledger now with both.
func (i *importer) end(want Moved) (Moved, error) {
	i.moved.SHA256 = hex.EncodeToString(i.sum.Sum(nil))
	if i.moved.SHA256 != want.SHA256 || i.moved.Lines != want.Lines {
		return i.moved, fmt.Errorf("the export is damaged: %d lines with the sum %s, where there were %d with %s; export it once more, to another empty ledger",
			i.moved.Lines, i.moved.SHA256, want.Lines, want.SHA256)
	}
	if err := i.write(i.ledger.store.WriteLax); err != nil {
		return i.moved, err
	}
	there, err := i.ledger.Export(i.ctx, io.Discard, func(Moved) {})
	if err != nil {
		return i.moved, fmt.Errorf("reading what was imported: %w", err)
	}
	if there.SHA256 != want.SHA256 {
		return there, fmt.Errorf("what is in the ledger now (%v) is not what was exported (%v); do not use it, and report this", there.Counts, want.Counts)
	}
	return there, i.ledger.store.Write(i.ctx, func(t Tx) error { return t.SaveLogin(i.mark([]byte("{}"), i.now), 0) })
}
