package postgres

import (
	"math"

	"github.com/caddypay/caddypay/ledger/core"
)

// Runs, as they are read.
const (
	sqlRun        = `SELECT ` + runColumns + ` FROM caddypay.runs WHERE id = $1`
	sqlRuns       = `SELECT ` + runColumns + ` FROM caddypay.runs WHERE seq < $1 ORDER BY seq DESC LIMIT $2`
	sqlOpenRuns   = `SELECT ` + runColumns + ` FROM caddypay.runs WHERE ended = 0 ORDER BY seq`
	sqlRunDecided = `SELECT count(*) FROM caddypay.audit WHERE run = $1 AND run <> ''`
)

// These are core.Reader.

func (r *reader) Run(id string) (found *core.Run, err error) {
	rs, err := r.runs(sqlRun, id)
	if err != nil || len(rs) == 0 {
		return nil, err
	}
	return &rs[0], nil
}

func (r *reader) OpenRuns() ([]core.Run, error) { return r.runs(sqlOpenRuns) }

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
