package postgres

import (
	"time"

	"github.com/caddypay/caddypay/ledger/core"
)

const (
	// here tells this ledger on this server from one that was restored from a backup or copied, elsewhere or in its place.
	here = `((SELECT system_identifier FROM pg_control_system())::text || ' ' || (SELECT oid FROM pg_database WHERE datname = current_database())
		|| ' ' || 'caddypay.events'::regclass::oid)`

	sqlAwake = `SELECT last, at FROM caddypay.awake WHERE which = ` + here
	sqlWake  = `INSERT INTO caddypay.awake (which, last, at) SELECT ` + here + `, coalesce(max(seq), 0), $1 FROM caddypay.events ON CONFLICT DO NOTHING`
)

// opening is since when the server has forgotten nothing of what was committed, the lax writes of all nodes included: since it last recovered from a
// crash, or took another's place, both of which empty the table that says so.
func opening(s *session, now time.Time) (o core.Opening, err error) {
	look := func() error {
		return s.run(sqlAwake, func(r *row) { o.Last, o.At = r.number(), r.time() })
	}
	if err = look(); err != nil || !o.At.IsZero() {
		return o, err
	}
	s.tell(sqlWake, max(1, millis(now)))
	return o, look()
}
