package sqlite

import (
	"database/sql"
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

func scanRun(row scanner) (r core.Run, err error) {
	err = row.Scan(&r.Seq, &r.ID, (*stamp)(&r.Created), (*stamp)(&r.Ended), (*stamp)(&r.Stopped), &r.StoppedBy, &r.Doc, &r.Owner, (*stamp)(&r.Until))
	return r, err
}

func runs(rows *sql.Rows, err error) (rs []core.Run, _ error) {
	err = each(rows, err, func(rows *sql.Rows) error {
		r, err := scanRun(rows)
		rs = append(rs, r)
		return err
	})
	return rs, err
}

func runOf(from source, id string) (*core.Run, error) {
	r, err := scanRun(from.row(sqlRun, id))
	if err != nil {
		return nil, none(err)
	}
	return &r, nil
}

// These are core.Reader.

func (r *reader) Run(id string) (*core.Run, error) { return runOf(r, id) }

func (r *reader) Runs(before int64, limit int) ([]core.Run, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	return runs(r.query(sqlRuns, before, limit))
}

func (r *reader) OpenRuns() ([]core.Run, error) { return runs(r.query(sqlOpenRuns)) }

func (r *reader) RunDecided(id string) (int, error) {
	n, err := optional(r.row(sqlRunDecided, id))
	return int(n), err
}

// These are core.Tx.

func (t *tx) Run(id string) (*core.Run, error) { return runOf(t, id) }

func (t *tx) OpenRuns() ([]core.Run, error) { return runs(t.query(sqlOpenRuns)) }

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
	n, err := optional(t.row(sqlDecided, run, seq))
	return n != 0, err
}
