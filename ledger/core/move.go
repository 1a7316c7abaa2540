package core

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"time"

	"github.com/caddypay/caddypay/ledger"
)

// A ledger moves from one engine to another as lines of JSON: a head, a line for each thing that is recorded, and an end that counts them and has their
// sum. What goes by numbers of rows, which are an engine's own, goes by names there; leases are left behind, since whoever held them is gone.

// moveFormat is the version of the lines.
const moveFormat = 1

// What lines are about, in the order in which they come.
const (
	moveEvents  = "events"
	moveCharges = "charges"
	moveQuotes  = "quotes"
	moveRefunds = "refunds"
	moveAudit   = "audit"
	moveRuns    = "runs"
	moveScopes  = "scopes"
	moveLogins  = "logins"
)

// moveBatch is how many lines are read, and written in one transaction.
const moveBatch = 200

// moveLine is a line. One of its members is there.
type moveLine struct {
	Head   *moveHead     `json:"head,omitempty"`
	Event  *movedEvent   `json:"event,omitempty"`
	Charge *movedCharge  `json:"charge,omitempty"`
	Quote  *movedQuote   `json:"quote,omitempty"`
	Refund *Refund       `json:"refund,omitempty"`
	Audit  *movedAudit   `json:"audit,omitempty"`
	Run    *ledger.Run   `json:"run,omitempty"`
	Scope  *movedScope   `json:"scope,omitempty"`
	Login  *ledger.Login `json:"login,omitempty"`
	End    *Moved        `json:"end,omitempty"`
}

type moveHead struct {
	Format int    `json:"format"`
	ID     string `json:"id"` // of this export, by which a half import knows its own
}

type movedEvent struct {
	Event      Event
	Deliveries []ledger.Delivery `json:",omitempty"`
}

type movedCharge struct {
	Charge    Charge
	Payment   string                   `json:",omitempty"` // the event's id
	Shipment  *Shipment                `json:",omitempty"`
	Shippings []ledger.ShippingAttempt `json:",omitempty"`
}

type movedQuote struct {
	Scope   ledger.Scope
	OrderNo string
	Quote   ledger.Quote
}

type movedAudit struct {
	Decision ledger.Decision
	Was      ledger.State
}

type movedScope struct {
	Scope    ledger.Scope
	Compared time.Time     // how far charges have been compared with Ping++'s list
	Pause    *ledger.Pause `json:",omitempty"`
	Hours    []ledger.Hour `json:",omitempty"`
}

// Moved says how much of a ledger has been moved, and what it was.
type Moved struct {
	Counts map[string]int64 `json:"counts"` // lines, by what they are about
	SHA256 string           `json:"sha256"` // of all lines between the head and the end
	Lines  int64            `json:"lines"`
}

// Whole reads everything, each in the order of recording, after a row and up to a limit. Events come without their bodies, with Claims and HasBody; charges
// without Raw.
type Whole interface {
	Scopes() ([]ledger.Scope, error)
	WholeEvents(s ledger.Scope, after int64, limit int) ([]Event, error)
	WholeCharges(s ledger.Scope, after int64, limit int) ([]Charge, error)
	WholeRefunds(s ledger.Scope, after int64, limit int) ([]Refund, error)
	// WholeAudit has EventID and Run too.
	WholeAudit(s ledger.Scope, after int64, limit int) ([]ledger.Decided, error)
	// EventID is the id of an event.
	EventID(s ledger.Scope, seq int64) (string, error)
	// WholeQuotes returns the orders of which there is one, in the order of their numbers.
	WholeQuotes(s ledger.Scope, after string, limit int) ([]string, error)
	// WholeLogins go by their keys.
	WholeLogins(after []byte, limit int) ([]ledger.Login, error)
}

// Export writes all that the ledger has, as it is at one moment, and says how far it is now and then.
func (l *Ledger) Export(ctx context.Context, to io.Writer, tell func(Moved)) (m Moved, err error) {
	out := bufio.NewWriterSize(to, 1<<16)
	err = l.store.Read(ctx, func(r Reader) error {
		return r.AtOnce(func() error {
			e := &exporter{Reader: r, ctx: ctx, out: out, sum: sha256.New(), tell: tell, moved: Moved{Counts: make(map[string]int64)}}
			if err := e.plain(moveLine{Head: &moveHead{Format: moveFormat, ID: rand.Text()}}); err != nil {
				return err
			}
			if err := e.all(); err != nil {
				return err
			}
			e.moved.SHA256 = hex.EncodeToString(e.sum.Sum(nil))
			m = e.moved
			return e.plain(moveLine{End: &m})
		})
	})
	if err == nil {
		err = out.Flush()
	}
	return m, err
}

// exporter writes lines.
type exporter struct {
	Reader
	ctx   context.Context
	out   io.Writer
	sum   hash.Hash
	tell  func(Moved)
	moved Moved
}

func (e *exporter) plain(l moveLine) error {
	line, err := encodeLine(l)
	if err == nil {
		_, err = e.out.Write(line)
	}
	return err
}

// line writes a line that counts.
func (e *exporter) line(about string, l moveLine) error {
	line, err := encodeLine(l)
	if err != nil {
		return err
	}
	e.sum.Write(line)
	e.moved.Counts[about]++
	if e.moved.Lines++; e.moved.Lines%moveBatch == 0 {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		e.tell(e.moved)
	}
	_, err = e.out.Write(line)
	return err
}

func (e *exporter) all() error {
	scopes, err := e.Scopes()
	if err != nil {
		return err
	}
	if err := merged(scopes, e.WholeEvents, func(v *Event) int64 { return v.Seq }, e.event); err != nil {
		return err
	}
	if err := merged(scopes, e.WholeCharges, func(v *Charge) int64 { return v.Seq }, e.charge); err != nil {
		return err
	}
	for _, s := range scopes {
		if err := e.quotes(s); err != nil {
			return err
		}
	}
	if err := merged(scopes, e.WholeRefunds, func(v *Refund) int64 { return v.Seq }, e.refund); err != nil {
		return err
	}
	if err := merged(scopes, e.WholeAudit, func(v *ledger.Decided) int64 { return v.Seq }, e.decision); err != nil {
		return err
	}
	if err := e.runs(); err != nil {
		return err
	}
	for _, s := range scopes {
		if err := e.scope(s); err != nil {
			return err
		}
	}
	return e.logins()
}

// merged goes through the rows of all scopes in the order of recording: what is pruned is looked for in that.
func merged[T any](scopes []ledger.Scope, read func(ledger.Scope, int64, int) ([]T, error), seq func(*T) int64, do func(*T) error) error {
	type strand struct {
		rows []T
		last int64
		over bool
	}
	strands := make([]strand, len(scopes))
	for {
		first := -1
		for i := range strands {
			s := &strands[i]
			if len(s.rows) == 0 && !s.over {
				rows, err := read(scopes[i], s.last, moveBatch)
				if err != nil {
					return err
				}
				if s.rows, s.over = rows, len(rows) < moveBatch; len(rows) > 0 {
					s.last = seq(&rows[len(rows)-1])
				}
			}
			if len(s.rows) > 0 && (first < 0 || seq(&s.rows[0]) < seq(&strands[first].rows[0])) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		if err := do(&strands[first].rows[0]); err != nil {
			return err
		}
		strands[first].rows = strands[first].rows[1:]
	}
}

func (e *exporter) event(v *Event) (err error) {
	m := movedEvent{Event: *v}
	if v.HasBody {
		whole, err := e.Event(v.Scope, v.ID)
		if err != nil {
			return err
		}
		m.Event.Body, m.Event.Signature = whole.Body, whole.Signature
	}
	if m.Deliveries, err = e.Deliveries(v.Scope, v.ID); err != nil {
		return err
	}
	m.Event.Seq, m.Event.Owner, m.Event.Until, m.Event.Stored, m.Event.Risked = 0, "", time.Time{}, "", 0
	return e.line(moveEvents, moveLine{Event: &m})
}

func (e *exporter) charge(c *Charge) (err error) {
	m := movedCharge{Charge: *c}
	if c.ID != "" {
		whole, err := e.Charge(c.Scope, c.ID)
		if err != nil {
			return err
		}
		m.Charge.Raw = whole.Raw
	}
	if c.Payment != 0 {
		if m.Payment, err = e.EventID(c.Scope, c.Payment); err != nil {
			return err
		}
	}
	if m.Shipment, err = e.Shipment(c.Scope, c.Seq); err != nil {
		return err
	}
	if m.Shipment != nil {
		if m.Shippings, err = e.ShippingAttempts(c.Scope, c.Seq, math.MaxInt32); err != nil {
			return err
		}
		s := m.Shipment
		s.Charge, s.Stored, s.Owner, s.Until = Charge{}, "", "", time.Time{}
	}
	m.Charge.Seq, m.Charge.Payment, m.Charge.QueryUntil = 0, 0, time.Time{}
	return e.line(moveCharges, moveLine{Charge: &m})
}

func (e *exporter) quotes(s ledger.Scope) error {
	for after := ""; ; {
		orders, err := e.WholeQuotes(s, after, moveBatch)
		if err != nil || len(orders) == 0 {
			return err
		}
		for _, no := range orders {
			q, err := e.Quote(s, no)
			if err == nil && q != nil {
				err = e.line(moveQuotes, moveLine{Quote: &movedQuote{s, no, *q}})
			}
			if err != nil {
				return err
			}
		}
		after = orders[len(orders)-1]
	}
}

func (e *exporter) refund(r *Refund) error {
	m := *r
	m.Seq, m.Owner, m.Until = 0, "", time.Time{}
	return e.line(moveRefunds, moveLine{Refund: &m})
}

func (e *exporter) decision(d *ledger.Decided) error {
	return e.line(moveAudit, moveLine{Audit: &movedAudit{d.Decision, d.Was}})
}

func (e *exporter) runs() error {
	var all []Run
	for before := int64(0); ; {
		rs, err := e.Runs(before, moveBatch)
		if err != nil {
			return err
		}
		if all = append(all, rs...); len(rs) < moveBatch {
			break
		}
		before = rs[len(rs)-1].Seq
	}
	for _, r := range slices.Backward(all) {
		r.Run.Seq = 0
		if err := e.line(moveRuns, moveLine{Run: &r.Run}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) scope(s ledger.Scope) error {
	f, err := e.Figures(s)
	if err != nil {
		return err
	}
	m := movedScope{Scope: s, Compared: f.Swept, Pause: f.Paused}
	if m.Hours, err = e.Hours(s, ledger.FirstTime, ledger.FirstTime.AddDate(1000, 0, 0)); err != nil {
		return err
	}
	return e.line(moveScopes, moveLine{Scope: &m})
}

func (e *exporter) logins() error {
	for after := []byte{}; ; {
		ls, err := e.WholeLogins(after, moveBatch)
		if err != nil || len(ls) == 0 {
			return err
		}
		for i := range ls {
			after = ls[i].Key
			if bytes.HasPrefix(after, moveMark) {
				continue
			}
			if err := e.line(moveLogins, moveLine{Login: &ls[i]}); err != nil {
				return err
			}
		}
	}
}

// encodeLine is a line, with its end.
func encodeLine(l moveLine) ([]byte, error) {
	packTexts(&l)
	raw, err := json.Marshal(l)
	return append(raw, '\n'), err
}

func decodeLine(raw []byte) (l moveLine, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err = d.Decode(&l); err != nil {
		return l, err
	}
	return l, unpackTexts(&l)
}

// ErrNotEmpty says that a ledger to which another is to be moved has something in it.
var ErrNotEmpty = errors.New("this ledger is in use, or has something in it; a ledger is moved to an empty one, or to where its import was broken off")

// moveMark begins the key under which a half import says how far it has come, among the logins: no login has it, and it goes with the end of the import.
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
		return m, errors.Join(errors.New("this is no exported ledger; make one with caddy pay ledger export"), err)
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
		scopes, err := r.Scopes()
		if err == nil && len(scopes) > 0 {
			err = ErrNotEmpty
		}
		runs, err2 := r.Runs(0, 1)
		if err = cmp.Or(err, err2); err == nil && len(runs) > 0 {
			err = ErrNotEmpty
		}
		return err
	})
	return m, err
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

func (i *importer) mark(state []byte, until time.Time) ledger.Login {
	return ledger.Login{Key: moveKey(i.id), Identity: state, Now: i.now.UnixMilli(), Expires: until.UnixMilli()}
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
	return there, i.ledger.store.Write(i.ctx, func(t Tx) error { return t.SaveLogin(i.mark([]byte("{}"), i.now), 1) })
}
