package postgres

import (
	"context"

	"github.com/caddypay/caddypay/ledger/core"
)

// mostFaults is how many faults of a kind are told.
const mostFaults = 100

// sqlFaults are what compares what is recorded twice, and says where it differs.
var sqlFaults = []string{sqlDrift, sqlQueueDrift, sqlBodiesGone}

// sqlDrift is about what is counted: states, money at risk, frozen money, and what is tallied by the hour.
const sqlDrift = `
	WITH read AS MATERIALIZED ( -- once: there may be millions
		SELECT scope, state, source, received / 3600000 * 3600000 AS hour, count(*) AS n, count(*) FILTER (WHERE money > 0) AS payments,
			sum(greatest(money, 0)) AS paid, sum(greatest(-money, 0)) AS refunded, count(*) FILTER (WHERE ` + atRisk + `) AS risks,
			coalesce(sum(money) FILTER (WHERE ` + atRisk + `), 0) AS fen
		FROM caddypay.events GROUP BY 1, 2, 3, 4
	), tallied AS MATERIALIZED ( -- once too: there are many hours
		SELECT scope AS of, hour AS since FROM caddypay.counts WHERE what = 'since'
	), counted (scope, hour, what, kept, found) AS (
		SELECT scope, hour, what, n, 0 FROM ` + kept + `
		UNION ALL SELECT scope, -1, state, 0, n FROM read
		UNION ALL SELECT scope, -1, 'at risk', 0, risks FROM read WHERE state IN ('pending', 'held', 'dead')
		UNION ALL SELECT scope, -1, 'fen at risk', 0, fen FROM read WHERE state IN ('pending', 'held', 'dead')
		UNION ALL SELECT scope, -1, 'frozen', 0, count(*) FROM caddypay.shipments WHERE ` + isFrozen + ` GROUP BY 1
		UNION ALL SELECT s.scope, -1, 'fen frozen', 0, sum(greatest(0, c.amount_paid - c.amount_refunded)) FROM caddypay.shipments AS s
			JOIN caddypay.charges AS c ON c.seq = s.charge WHERE s.` + isFrozen + ` GROUP BY 1
		UNION ALL SELECT scope, hour, source, 0, payments FROM read
		UNION ALL SELECT scope, hour, 'paid', 0, paid FROM read
		UNION ALL SELECT scope, hour, 'refunded', 0, refunded FROM read
		UNION ALL SELECT scope, created / 3600000 * 3600000, 'charges', 0, count(*) FROM caddypay.charges WHERE state = 'created' GROUP BY 1, 2
	)
	SELECT format('miscounted: app %s (%s): %s%s is counted as %s, and is %s', app, mode, what,
		CASE WHEN hour <> -1 THEN ' in the hour of ' || to_char(to_timestamp(hour / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') ELSE '' END,
		sum(kept), sum(found))
	FROM counted JOIN caddypay.scopes ON id = scope LEFT JOIN tallied ON of = id
	WHERE hour = -1 OR hour >= coalesce(since, 0)
	GROUP BY app, mode, hour, what HAVING sum(kept) <> sum(found) ORDER BY app, mode, hour, what LIMIT $1`

// sqlQueueDrift is about the queue, which has what is pending, and nothing else.
const sqlQueueDrift = `
	SELECT format('not in the queue: app %s (%s): event %s is pending, and nobody will deliver it', app, mode, e.id)
		FROM caddypay.events AS e LEFT JOIN caddypay.queue AS q ON q.event = e.seq JOIN caddypay.scopes AS s ON s.id = e.scope
		WHERE e.state = 'pending' AND q.event IS NULL
	UNION ALL SELECT format('in the queue: event %s is %s, and may be delivered all the same', q.event, coalesce(e.id || ', which is ' || e.state, 'unknown'))
		FROM caddypay.queue AS q LEFT JOIN caddypay.events AS e ON e.seq = q.event WHERE e.state IS DISTINCT FROM 'pending'
	UNION ALL SELECT format('in the queue: event %s of scope %s and lane %s is there as of scope %s and lane %s', e.id, e.scope, e.lane, q.scope, q.lane)
		FROM caddypay.queue AS q JOIN caddypay.events AS e ON e.seq = q.event
		WHERE (q.scope, q.rank, q.created, q.received, q.risk) IS DISTINCT FROM (e.scope, e.rank, e.created, e.received, ` + atRisk + `)
	LIMIT $1`

// sqlBodiesGone is about events that could be delivered, or decided about, whose bodies are not where they should be.
const sqlBodiesGone = `
	SELECT format('without its body: app %s (%s): event %s is %s', app, mode, e.id, e.state)
	FROM caddypay.events AS e JOIN caddypay.scopes AS s ON s.id = e.scope LEFT JOIN caddypay.bodies AS b ON b.event = e.seq AND b.day = e.body_day
	WHERE e.body_day IS NOT NULL AND b.event IS NULL LIMIT $1`

// Verify implements [ledger.Ledger].
func (l *Ledger) Verify(ctx context.Context) (faults []string, err error) {
	err = store{l}.Read(ctx, func(of core.Reader) error {
		r := of.(*reader)
		return r.AtOnce(func() error {
			for _, text := range sqlFaults {
				if err := r.run(text, func(row *row) { faults = append(faults, row.text()) }, mostFaults); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return faults, err
}
