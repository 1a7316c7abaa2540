package postgres

import "github.com/caddypay/caddypay/ledger/core"

const (
	sqlRunToSet      = `SELECT ` + runColumns + ` FROM caddypay.runs WHERE id = $1 FOR UPDATE`
	sqlOpenRunsToSet = `SELECT ` + runColumns + ` FROM caddypay.runs WHERE ended = 0 ORDER BY seq FOR UPDATE`
	sqlAddRun        = `INSERT INTO caddypay.runs (id, created, ended, stopped, stopped_by, doc) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING seq`
	sqlSetRun        = `UPDATE caddypay.runs SET ended = $2, stopped = $3, stopped_by = $4, doc = $5, owner = $6, until = $7 WHERE seq = $1`
	sqlDecided       = `SELECT 1 FROM caddypay.audit WHERE run = $1 AND run <> '' AND event = $2`
)

// runs reads the rows of runs that a statement finds.
func (s *session) runs(text string, args ...any) (rs []core.Run, err error) {
	err = s.run(text, func(r *row) { rs = append(rs, readRun(r)) }, args...)
	return rs, err
}

func (t *tx) Run(id string) (*core.Run, error) {
	rs, err := t.runs(sqlRunToSet, id)
	if err != nil || len(rs) == 0 {
		return nil, err
	}
	return &rs[0], nil
}

func (t *tx) OpenRuns() ([]core.Run, error) { return t.runs(sqlOpenRunsToSet) }

func (t *tx) AddRun(r *core.Run) (added bool, err error) {
	r.Seq, err = t.number(sqlAddRun, r.ID, millis(r.Created), millis(r.Ended), millis(r.Stopped), r.StoppedBy, nonNil(r.Doc))
	return r.Seq != 0, err
}

func (t *tx) SetRun(r *core.Run) error {
	t.tell(sqlSetRun, r.Seq, millis(r.Ended), millis(r.Stopped), r.StoppedBy, nonNil(r.Doc), r.Owner, millis(r.Until))
	return nil
}

// nonNil is for a column that is never NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (t *tx) Decided(seq int64, run string) (bool, error) { return t.found(sqlDecided, run, seq) }
