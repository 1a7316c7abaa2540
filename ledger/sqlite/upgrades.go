package sqlite

// upgrades[v] brings a ledger of version v to v+1, in the transaction that also sets the version.
var upgrades = map[int]string{
	1: `
DROP INDEX charges_query;
CREATE INDEX charges_query ON charges (scope, ` + queryKind + `, next_query) WHERE next_query > 0;
ALTER TABLE refunds ADD COLUMN funding_source TEXT NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN unclear TEXT NOT NULL DEFAULT '';
UPDATE refunds SET asks = 1 WHERE refund_no IS NOT NULL;
UPDATE charges SET amount = amount_paid WHERE amount = 0;
CREATE TABLE sweeps (
	scope    INTEGER PRIMARY KEY,
	compared INTEGER NOT NULL,      -- what was created before it; 0: nothing yet
	owner    TEXT NOT NULL,         -- of the lease; empty without one
	until    INTEGER NOT NULL
);
ALTER TABLE events ADD COLUMN back INTEGER NOT NULL DEFAULT 0;
CREATE INDEX events_back   ON events (scope) WHERE state = 'pending' AND back > 0;
ALTER TABLE charges ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
UPDATE charges SET next_query = max(created, 1) WHERE superseded AND state = 'created' AND next_query > 0 AND NOT paid AND NOT reversed;
UPDATE charges SET hold = 4 WHERE hold = 0 AND payment IN (SELECT seq FROM events AS e WHERE state = 'dead'
	AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = e.seq AND state = 'delivered'));
CREATE INDEX events_unreadable ON events (scope, object_id) WHERE state = 'held' AND reasons = '["unreadable"]';
ALTER TABLE audit ADD COLUMN said TEXT NOT NULL DEFAULT '';
UPDATE audit SET said = by, by = '';
CREATE INDEX charges_payer ON charges (scope, payer, ` + lapses + `) WHERE state = 'created' AND NOT paid AND NOT reversed;
`,
	2: `
ALTER TABLE events ADD COLUMN first_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN first_took INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN first_status INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN first_snippet TEXT NOT NULL DEFAULT '';
UPDATE events SET by_charge = 0 WHERE by_charge = 1 AND state <> 'delivered'
	AND NOT EXISTS (SELECT 1 FROM charges AS c WHERE c.scope = events.scope AND c.order_no = events.order_no AND c.payment = events.seq);
DROP INDEX events_lane;
CREATE INDEX events_lane   ON events (scope, lane, rank, created) WHERE state = 'pending' AND lane <> '' AND by_charge = 0;
ALTER TABLE events ADD COLUMN money INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN acks INTEGER NOT NULL DEFAULT 0;
UPDATE events SET acks = (SELECT count(*) FROM deliveries WHERE event = seq AND state = 'delivered'),
		money = coalesce((SELECT amount_paid FROM charges AS c WHERE c.scope = events.scope AND c.id = charge_id AND payment = events.seq), 0)
	WHERE scope IN (SELECT id FROM scopes) AND state IN ('pending', 'held', 'dead') AND type = 'charge.succeeded';
INSERT INTO counts SELECT scope, 'at risk', count(*) FROM events
	WHERE scope IN (SELECT id FROM scopes) AND state IN ('pending', 'held', 'dead') AND ` + atRisk + ` GROUP BY scope;
INSERT INTO counts SELECT scope, 'fen at risk', sum(money) FROM events
	WHERE scope IN (SELECT id FROM scopes) AND state IN ('pending', 'held', 'dead') AND ` + atRisk + ` GROUP BY scope;
DROP INDEX events_state;
CREATE INDEX events_scope ON events (scope);
CREATE INDEX events_state ON events (scope, state, ` + atRisk + `) WHERE state <> 'pending' AND state <> 'delivered';
CREATE INDEX events_behind ON events (scope, lane) WHERE state = 'pending' AND blocked = 1;
CREATE INDEX events_late   ON events (scope, ` + atRisk + `) WHERE ` + late + `;
CREATE TABLE tallies (
	scope INTEGER NOT NULL,
	hour  INTEGER NOT NULL,
	what  TEXT NOT NULL,
	n     INTEGER NOT NULL,
	PRIMARY KEY (scope, hour, what)
) WITHOUT ROWID;
INSERT INTO tallies SELECT id, (unixepoch() / 3600 + 1) * 3600000, 'since', 0 FROM scopes;
ALTER TABLE charges ADD COLUMN transaction_no TEXT NOT NULL DEFAULT '';
CREATE INDEX charges_transaction ON charges (scope, transaction_no) WHERE transaction_no <> '';
CREATE INDEX charges_foreign ON charges (scope, number) WHERE state = 'foreign' AND number <> order_no;
DROP INDEX charges_created;
CREATE INDEX charges_created ON charges (scope, state, created, seq, id);
CREATE INDEX refunds_created ON refunds (scope, created);
ALTER TABLE audit ADD COLUMN scope INTEGER NOT NULL DEFAULT 0;
UPDATE audit SET scope = coalesce((SELECT scope FROM events WHERE seq = event), 0);
CREATE INDEX audit_time ON audit (scope, at);
CREATE INDEX audit_event ON audit (event, at) WHERE event <> 0;
CREATE TABLE pauses (
	scope  INTEGER PRIMARY KEY,
	since  INTEGER NOT NULL,
	by     TEXT NOT NULL,
	said   TEXT NOT NULL,
	reason TEXT NOT NULL
);
ALTER TABLE audit ADD COLUMN run TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX audit_run ON audit (run, event) WHERE run <> '';
` + runs3,
	3: `
ALTER TABLE charges ADD COLUMN logged_in INTEGER NOT NULL DEFAULT 0;
` + shipments4,
}
