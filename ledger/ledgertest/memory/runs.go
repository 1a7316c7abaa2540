package memory

import (
	"cmp"

	"github.com/caddypay/caddypay/ledger/core"
)

// decision is what the audit log keeps of a run's decision about an event.
type decision struct {
	run   string
	event int64
}

func (v *view) Run(id string) (*core.Run, error) {
	return v.runs.one(func(r *core.Run) bool { return r.ID == id })
}

func (v *view) Runs(before int64, limit int) ([]core.Run, error) {
	return v.runs.sorted(limit, func(r *core.Run) bool { return before <= 0 || r.Seq < before }, func(a, b core.Run) int { return cmp.Compare(b.Seq, a.Seq) })
}

func (v *view) RunDecided(id string) (int, error) {
	found, err := v.decisions.where(func(d *decision) bool { return d.run == id })
	return len(found), err
}

func (v *view) OpenRuns() ([]core.Run, error) {
	return v.runs.where(func(r *core.Run) bool { return r.Ended.IsZero() })
}

func (t *tx) AddRun(r *core.Run) (added bool, err error) {
	if same, _ := t.Run(r.ID); same != nil {
		return false, nil
	}
	r.Seq = t.next()
	t.runs.add(r.Seq, keepRun(*r))
	return true, nil
}

func (t *tx) SetRun(r *core.Run) error { return t.runs.set(r.Seq, keepRun(*r)) }

func keepRun(r core.Run) core.Run {
	keep(&r.Created, &r.Ended, &r.Stopped, &r.Until)
	return r
}

func (t *tx) Decided(seq int64, run string) (bool, error) {
	d, err := t.decisions.one(func(d *decision) bool { return d.run == run && d.event == seq })
	return d != nil, err
}
