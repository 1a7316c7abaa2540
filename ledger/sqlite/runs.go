package sqlite

import (
	"math"

	"github.com/caddypay/caddypay/ledger/core"
)

// Runs.
const (
	runColumns = `seq, id, created, ended, stopped, stopped_by, doc, owner, until`

	sqlRun        = `SELECT ` + runColumns + ` FROM runs WHERE id = ?`
	sqlRuns       = `SELECT ` + runColumns + ` FROM runs WHERE seq < ? ORDER BY seq DESC LIMIT ?`
	sqlOpenRuns   = `SELECT ` + runColumns + ` FROM runs INDEXED BY runs_open WHERE ended = 0 AND seq > 0 ORDER BY seq`
	sqlAddRun     = `INSERT INTO runs (id, created, ended, stopped, stopped_by, doc) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlSetRun     = `UPDATE runs SET ended = ?, stopped = ?, stopped_by = ?, doc = ?, owner = ?, until = ? WHERE seq = ?`
	sqlDecided    = `SELECT 1 FROM audit WHERE run = ? AND run <> '' AND event = ?`
	sqlRunDecided = `SELECT count(*) FROM audit INDEXED BY audit_run WHERE run = ? AND run <> ''`
)

// readRun reads runColumns.
func readRun(r *row) (run core.Run) {
	run.Seq, run.ID, run.Created, run.Ended, run.Stopped, run.StoppedBy = r.number(), r.text(), r.time(), r.time(), r.time(), r.text()
	run.Doc, run.Owner, run.Until = r.bytes(), r.text(), r.time()
	return run
}

func (s *session) runs(text string, args ...any) (rs []core.Run, err error) {
	err = s.run(text, func(r *row) { rs = append(rs, readRun(r)) }, args...)
	return rs, err
}

// Run is core.Reader's and core.Tx's, as OpenRuns is.
func (s *session) Run(id string) (found *core.Run, err error) {
	rs, err := s.runs(sqlRun, id)
	if err != nil || len(rs) == 0 {
		return nil, err
	}
	return &rs[0], nil
}

func (s *session) OpenRuns() ([]core.Run, error) { return s.runs(sqlOpenRuns) }

// These are core.Reader.

func (r *reader) Runs(before int64, limit int) ([]core.Run, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	return r.runs(sqlRuns, before, limit)
}

func (r *reader) RunDecided(id string) (int, error) {
	n, err := r.number(sqlRunDecided, id)
	return int(n), err
}

// These are core.Tx.

func (t *tx) AddRun(r *core.Run) (added bool, err error) {
	rows, seq, err := t.change(sqlAddRun, r.ID, millis(r.Created), millis(r.Ended), millis(r.Stopped), r.StoppedBy, r.Doc)
	if err != nil || rows == 0 {
		return false, err
	}
	r.Seq = seq
	return true, nil
}

func (t *tx) SetRun(r *core.Run) error {
	return t.set(sqlSetRun, millis(r.Ended), millis(r.Stopped), r.StoppedBy, r.Doc, r.Owner, millis(r.Until), r.Seq)
}

func (t *tx) Decided(seq int64, run string) (bool, error) {
	n, err := t.number(sqlDecided, run, seq)
	return n != 0, err
}
