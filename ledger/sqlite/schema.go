package sqlite

// schemaVersion is the file's user_version. A change of the schema adds one, and a step that brings older files up to it.
const schemaVersion = 1

// schema is made for ten million events. A scope is a small number in every key instead of an app id and a mode. What is
// big and read seldom (bodies) has a table of its own: rows that change often stay small, and pruning removes whole rows.
// Every index that only pending events need holds only those. Times are Unix milliseconds, 0 for none; money is in fen.
const schema = `
CREATE TABLE scopes (
	id   INTEGER PRIMARY KEY,
	app  TEXT NOT NULL,
	mode TEXT NOT NULL CHECK (mode IN ('live', 'test')),
	UNIQUE (app, mode)
);

CREATE TABLE events (
	seq       INTEGER PRIMARY KEY,  -- order of arrival
	scope     INTEGER NOT NULL,
	id        TEXT NOT NULL,
	type      TEXT NOT NULL,
	object_id TEXT NOT NULL,
	charge_id TEXT NOT NULL,
	number    TEXT NOT NULL,
	order_no  TEXT NOT NULL,
	lane      TEXT NOT NULL,
	rank      INTEGER NOT NULL,
	source    TEXT NOT NULL,
	created   INTEGER NOT NULL,
	received  INTEGER NOT NULL,
	host      TEXT NOT NULL,
	trace     TEXT NOT NULL,
	state     TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'held', 'discarded', 'filtered')),
	reasons   TEXT NOT NULL,        -- JSON array, or empty
	late      TEXT NOT NULL,
	attempts  INTEGER NOT NULL DEFAULT 0,
	due       INTEGER NOT NULL,
	settled   INTEGER NOT NULL DEFAULT 0,
	owner     TEXT,                 -- of the lease; NULL without one
	until     INTEGER NOT NULL DEFAULT 0,
	UNIQUE (scope, id)
);
CREATE INDEX events_due  ON events (scope, due) WHERE state = 'pending';
CREATE INDEX events_lane ON events (scope, lane, rank, created) WHERE state = 'pending' AND lane <> '';
CREATE INDEX events_leased ON events (scope, owner) WHERE owner IS NOT NULL;

-- What Ping++ sent; the row goes when retention prunes it, and the event stays.
CREATE TABLE bodies (
	event     INTEGER PRIMARY KEY,
	signature TEXT NOT NULL,
	body      BLOB NOT NULL
);

-- Which event had an effect first. Effects that are the event id itself are not repeated here.
CREATE TABLE effects (
	scope  INTEGER NOT NULL,
	effect TEXT NOT NULL,
	event  INTEGER NOT NULL,
	PRIMARY KEY (scope, effect)
) WITHOUT ROWID;

CREATE TABLE deliveries (
	event   INTEGER NOT NULL,
	n       INTEGER NOT NULL,     -- order of recording
	attempt INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	took    INTEGER NOT NULL,     -- microseconds
	status  INTEGER NOT NULL,
	error   TEXT NOT NULL,
	snippet TEXT NOT NULL,
	state   TEXT NOT NULL,
	due     INTEGER NOT NULL,
	PRIMARY KEY (event, n)
) WITHOUT ROWID;

-- How many events are in a state; counting a million pending ones each time would be slow.
CREATE TABLE counts (
	scope INTEGER NOT NULL,
	state TEXT NOT NULL,
	n     INTEGER NOT NULL,
	PRIMARY KEY (scope, state)
) WITHOUT ROWID;
CREATE TRIGGER events_insert AFTER INSERT ON events BEGIN
	INSERT INTO counts VALUES (new.scope, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER events_state AFTER UPDATE OF state ON events WHEN old.state <> new.state BEGIN
	UPDATE counts SET n = n - 1 WHERE scope = old.scope AND state = old.state;
	INSERT INTO counts VALUES (new.scope, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TABLE charges (
	seq             INTEGER PRIMARY KEY,  -- order of the attempts
	scope           INTEGER NOT NULL,
	order_no        TEXT NOT NULL,
	number          TEXT NOT NULL,
	state           TEXT NOT NULL CHECK (state IN ('reserved', 'created', 'refused', 'unknown')),
	reserved_until  INTEGER NOT NULL,
	id              TEXT,                 -- NULL until known
	channel         TEXT NOT NULL DEFAULT '',
	payer           TEXT NOT NULL DEFAULT '',
	payer_app       TEXT NOT NULL DEFAULT '',
	amount          INTEGER NOT NULL DEFAULT 0,
	currency        TEXT NOT NULL DEFAULT '',
	host            TEXT NOT NULL DEFAULT '',
	created         INTEGER NOT NULL,
	time_expire     INTEGER NOT NULL DEFAULT 0,
	superseded      INTEGER NOT NULL DEFAULT 0,
	paid            INTEGER NOT NULL DEFAULT 0,
	time_paid       INTEGER NOT NULL DEFAULT 0,
	amount_refunded INTEGER NOT NULL DEFAULT 0,
	reversed        INTEGER NOT NULL DEFAULT 0,
	client_result   TEXT NOT NULL DEFAULT '',
	client_at       INTEGER NOT NULL DEFAULT 0,
	UNIQUE (scope, number)
);
CREATE UNIQUE INDEX charges_id ON charges (scope, id) WHERE id IS NOT NULL;
CREATE INDEX charges_order ON charges (scope, order_no);
CREATE UNIQUE INDEX charges_reserved ON charges (scope, order_no) WHERE state = 'reserved';

-- What Ping++ answered; pruned like bodies.
CREATE TABLE answers (
	charge INTEGER PRIMARY KEY,
	raw    BLOB NOT NULL
);

CREATE TABLE logins (
	key      BLOB PRIMARY KEY,
	identity BLOB NOT NULL,
	expires  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX logins_expires ON logins (expires);
`
