package sqlite

// schemaVersion is the file's user_version. A change of the schema adds one, and a step to upgrades that brings older files up to it.
const schemaVersion = 4

// lapses is [ledger.Charge.Lapses]: a charge without an expiry can be paid for a day.
const lapses = `CASE time_expire WHEN 0 THEN created + 86400000 ELSE time_expire END`

// atRisk is whether money was paid that the backend never acknowledged: of a pending, held or dead event that is [ledger.Event.AtRisk].
const atRisk = `(money > 0 AND acks = 0)`

// late is what is pending and not found in events_due by when it was received. Most events are delivered before they are that.
const late = `state = 'pending' AND (blocked = 1 OR due <> received)`

// runs3 came with version 3.
const runs3 = `
-- Actions on many events that go on beside everything else, for ever: see ledger.Run.
CREATE TABLE runs (
	seq        INTEGER PRIMARY KEY, -- order of their beginning
	id         TEXT NOT NULL UNIQUE,
	created    INTEGER NOT NULL,
	ended      INTEGER NOT NULL,    -- 0: it goes on
	stopped    INTEGER NOT NULL,    -- when somebody decided that; 0: nobody
	stopped_by TEXT NOT NULL,
	doc        BLOB NOT NULL,       -- what it is about and how far it has come, whose owner knows it
	owner      TEXT NOT NULL DEFAULT '', -- of the lease; empty without one
	until      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_open ON runs (seq) WHERE ended = 0;
`

// shipments4 came with version 4.
const shipments4 = `
-- What WeChat has to know, and has been told, about payments whose money it keeps; of sites that report nothing there is none.
CREATE TABLE shipments (
	charge   INTEGER PRIMARY KEY,
	scope    INTEGER NOT NULL,
	amount   INTEGER NOT NULL,      -- fen that WeChat keeps, or kept: what was paid and the payer has not got back
	paid     INTEGER NOT NULL,      -- when
	state    TEXT NOT NULL,         -- waiting, failed, reported, confirmed, settled, refunded or not_managed
	stage    TEXT NOT NULL,         -- of the report: open, done or failed; empty: there is none
	content  TEXT,                  -- JSON of what was reported last; NULL: nothing
	recorded INTEGER NOT NULL,      -- when that was
	reported INTEGER NOT NULL,      -- when WeChat last accepted something
	uploads  INTEGER NOT NULL,      -- complete reports that WeChat has
	posted   TEXT,                  -- JSON of what WeChat may have accepted; NULL: nothing
	code     TEXT NOT NULL,         -- of the problem of the report; empty: it has none
	problem  TEXT NOT NULL,
	attempts INTEGER NOT NULL,      -- rows of shippings, those pruned too
	tries    INTEGER NOT NULL,      -- this and the next two: since the report is open
	missed   INTEGER NOT NULL,      -- when WeChat did not know the payment
	unclear  INTEGER NOT NULL,      -- when nobody knew whether WeChat had accepted it
	last     TEXT NOT NULL,         -- what became of the last attempt
	due      INTEGER NOT NULL,      -- 0: not any more
	epoch    INTEGER NOT NULL,      -- how often it was claimed
	owner    TEXT,                  -- of the lease; NULL without one
	until    INTEGER NOT NULL
);
-- Lists and what runs out of its time need nothing but this.
CREATE INDEX shipments_state ON shipments (scope, state, paid, charge, amount);
CREATE INDEX shipments_due ON shipments (scope, ` + shipmentOpen + `, due) WHERE due > 0;

-- What WeChat was asked about them.
CREATE TABLE shippings (
	charge  INTEGER NOT NULL,
	n       INTEGER NOT NULL,       -- order of asking
	at      INTEGER NOT NULL,
	took    INTEGER NOT NULL,       -- microseconds
	step    TEXT NOT NULL,          -- post or ask
	result  TEXT NOT NULL,          -- asking while it is under way, or its process ended
	code    TEXT NOT NULL,
	problem TEXT NOT NULL,
	state   TEXT NOT NULL,          -- of the shipment after it
	content TEXT,                   -- what was posted; NULL: nothing
	PRIMARY KEY (charge, n)
) WITHOUT ROWID;
`

// schema is made for ten million events. A scope is a small number in every key instead of an app id and a mode. What is
// big and read seldom (bodies) has a table of its own: rows that change often stay small, and pruning removes whole rows.
// Every index that only pending events need holds only those. A CHECK with a
// list of states would cost a temporary table for each row that is written. Times are Unix milliseconds, 0 for none; money is in fen.
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
	effect    INTEGER NOT NULL,     -- 1: it has the effect (object_id, type); 0: another has, or its effect is its id, or see charges.payment
	by_charge INTEGER NOT NULL,     -- 1: charges.payment leads from its order, which is its lane, to it
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
	state     TEXT NOT NULL,        -- pending, delivered, dead, held, discarded or filtered
	reasons   TEXT NOT NULL,        -- JSON array, or empty
	late      TEXT NOT NULL,
	attempts  INTEGER NOT NULL DEFAULT 0,
	tries     INTEGER NOT NULL DEFAULT 0,
	replay    INTEGER NOT NULL DEFAULT 0,
	due       INTEGER NOT NULL,
	settled   INTEGER NOT NULL DEFAULT 0,
	blocked   INTEGER NOT NULL DEFAULT 0, -- while pending: another pending event of its lane goes first
	owner     TEXT,                 -- of the lease; NULL without one
	until     INTEGER NOT NULL DEFAULT 0,
	back      INTEGER NOT NULL DEFAULT 0, -- while pending: when it is due if the backend is back, kept when it is; 0: it does not wait for that
	first_at  INTEGER NOT NULL DEFAULT 0, -- its first delivery succeeded, began then, and is in no row of deliveries; 0: it is not so
	first_took    INTEGER NOT NULL DEFAULT 0, -- microseconds
	first_status  INTEGER NOT NULL DEFAULT 0,
	first_snippet TEXT NOT NULL DEFAULT '',
	money     INTEGER NOT NULL DEFAULT 0, -- fen that came with it, or went back: then less than 0
	acks      INTEGER NOT NULL DEFAULT 0, -- how often the backend has acknowledged it
	UNIQUE (scope, id)
);
CREATE UNIQUE INDEX events_effect ON events (scope, object_id, type) WHERE effect = 1;
CREATE INDEX events_due    ON events (scope, due) WHERE state = 'pending' AND blocked = 0;
CREATE INDEX events_back   ON events (scope) WHERE state = 'pending' AND back > 0;
-- Payments are found in their lane as they are by their order: through its charges.
CREATE INDEX events_lane   ON events (scope, lane, rank, created) WHERE state = 'pending' AND lane <> '' AND by_charge = 0;
CREATE INDEX events_behind ON events (scope, lane) WHERE state = 'pending' AND blocked = 1;
CREATE INDEX events_leased ON events (scope, owner) WHERE owner IS NOT NULL;
CREATE INDEX events_unpaid ON events (scope, charge_id) WHERE state = 'filtered' AND reasons = '["payment_held"]';
CREATE INDEX events_unreadable ON events (scope, object_id) WHERE state = 'held' AND reasons = '["unreadable"]';
CREATE INDEX events_late   ON events (scope, ` + atRisk + `) WHERE ` + late + `;
-- For lists. Most events are payments, and delivered sooner or later: whoever looks for those finds them without an index of their type or state.
CREATE INDEX events_scope ON events (scope);
CREATE INDEX events_state ON events (scope, state, ` + atRisk + `) WHERE state <> 'pending' AND state <> 'delivered';
CREATE INDEX events_order ON events (scope, order_no) WHERE order_no <> '' AND by_charge = 0;
CREATE INDEX events_type  ON events (scope, type) WHERE type <> 'charge.succeeded';

-- What Ping++ sent; the row goes when retention prunes it, and the event stays.
CREATE TABLE bodies (
	event     INTEGER PRIMARY KEY,
	signature TEXT NOT NULL,
	body      BLOB NOT NULL
);

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
	uncounted INTEGER NOT NULL,
	PRIMARY KEY (event, n)
) WITHOUT ROWID;

-- What persons decided, for ever.
CREATE TABLE audit (
	seq    INTEGER PRIMARY KEY,
	event  INTEGER NOT NULL,        -- 0: about the scope
	at     INTEGER NOT NULL,
	action TEXT NOT NULL,
	state  TEXT NOT NULL,           -- the event's, before
	by     TEXT NOT NULL,           -- as the server knows it; empty for older decisions, of which only the claim was kept
	reason TEXT NOT NULL,
	said   TEXT NOT NULL DEFAULT '', -- who the request says it was
	run    TEXT NOT NULL DEFAULT '', -- what it is part of; empty: nothing
	scope  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX audit_time ON audit (scope, at);
CREATE INDEX audit_event ON audit (event, at) WHERE event <> 0;

-- Scopes of which nothing is delivered until a person says otherwise.
CREATE TABLE pauses (
	scope  INTEGER PRIMARY KEY,
	since  INTEGER NOT NULL,
	by     TEXT NOT NULL,
	said   TEXT NOT NULL,
	reason TEXT NOT NULL
);
CREATE UNIQUE INDEX audit_run ON audit (run, event) WHERE run <> '';

-- How many events are in a state; counting a million pending ones each time would be slow. Also how many are 'at risk' (see atRisk), and of how much
-- money: 'fen at risk', and the same of shipments whose money is 'frozen': 'fen frozen'. Written once per transaction.
CREATE TABLE counts (
	scope INTEGER NOT NULL,
	state TEXT NOT NULL,
	n     INTEGER NOT NULL,
	PRIMARY KEY (scope, state)
) WITHOUT ROWID;

-- What happened in an hour: see core.TallyCharges and its like. Hours before the one of 'since', if there is that, were not counted: see core.Whole.
CREATE TABLE tallies (
	scope INTEGER NOT NULL,
	hour  INTEGER NOT NULL,         -- when it begins
	what  TEXT NOT NULL,
	n     INTEGER NOT NULL,
	PRIMARY KEY (scope, hour, what)
) WITHOUT ROWID;

-- What the backend last said about an order. When it said closed, amount and currency are what it said before.
CREATE TABLE quotes (
	scope    INTEGER NOT NULL,
	order_no TEXT NOT NULL,
	amount   INTEGER NOT NULL,
	currency TEXT NOT NULL,
	closed   INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	PRIMARY KEY (scope, order_no)
) WITHOUT ROWID;

CREATE TABLE charges (
	seq             INTEGER PRIMARY KEY,  -- order of the attempts
	scope           INTEGER NOT NULL,
	order_no        TEXT NOT NULL,
	number          TEXT NOT NULL,
	state           TEXT NOT NULL,        -- reserved, created, refused, unknown, taken or foreign
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
	amount_paid     INTEGER NOT NULL DEFAULT 0,
	payment         INTEGER NOT NULL DEFAULT 0, -- the event that has the effect of the charge's success; 0: none yet
	hold            INTEGER NOT NULL DEFAULT 0, -- why its payment is not delivered: see Hold in ledger/core
	amount_refunded INTEGER NOT NULL DEFAULT 0,
	reversed        INTEGER NOT NULL DEFAULT 0,
	client_result   TEXT NOT NULL DEFAULT '',
	client_at       INTEGER NOT NULL DEFAULT 0,
	queries         INTEGER NOT NULL DEFAULT 0,
	next_query      INTEGER NOT NULL DEFAULT 0, -- 0: not any more
	query_until     INTEGER NOT NULL DEFAULT 0, -- the end of the lease of whoever is asking
	fingerprint     TEXT NOT NULL DEFAULT '',   -- of what was asked for; empty: not known
	transaction_no  TEXT NOT NULL DEFAULT '',   -- the channel's number of its payment; empty: not known
	logged_in       INTEGER NOT NULL DEFAULT 0  -- when the payer's session was given; 0: not known
);
-- A foreign charge's number says nothing about ours.
CREATE UNIQUE INDEX charges_number ON charges (scope, number) WHERE state <> 'foreign';
CREATE UNIQUE INDEX charges_id ON charges (scope, id) WHERE id IS NOT NULL;
CREATE INDEX charges_order ON charges (scope, order_no);
CREATE UNIQUE INDEX charges_reserved ON charges (scope, order_no) WHERE state = 'reserved';
-- The second column is the kind of the look-up: see ledger.QueryKind.
CREATE INDEX charges_query ON charges (scope, ` + queryKind + `, next_query) WHERE next_query > 0;
CREATE INDEX charges_payer ON charges (scope, payer, ` + lapses + `) WHERE state = 'created' AND NOT paid AND NOT reversed;
CREATE INDEX charges_created ON charges (scope, state, created, seq, id); -- lists go by created, then seq; sweeps need nothing but this
CREATE INDEX charges_transaction ON charges (scope, transaction_no) WHERE transaction_no <> '';
CREATE INDEX charges_foreign ON charges (scope, number) WHERE state = 'foreign' AND number <> order_no;

-- What Ping++ answered; pruned like bodies.
CREATE TABLE answers (
	charge INTEGER PRIMARY KEY,
	raw    BLOB NOT NULL
);

-- What the merchant asked to give back, and what else an event reported.
CREATE TABLE refunds (
	seq            INTEGER PRIMARY KEY,   -- order of asking
	scope          INTEGER NOT NULL,
	refund_no      TEXT,                  -- NULL for one made elsewhere
	charge_id      TEXT NOT NULL,
	order_no       TEXT NOT NULL,
	through        TEXT NOT NULL DEFAULT '',
	amount         INTEGER NOT NULL,
	whole          INTEGER NOT NULL DEFAULT 0,
	description    TEXT NOT NULL DEFAULT '',
	funding_source TEXT NOT NULL DEFAULT '',
	state          TEXT NOT NULL CHECK (state IN ('asked', 'pending', 'succeeded', 'failed')),
	id             TEXT,                  -- NULL until known
	failure_code   TEXT NOT NULL DEFAULT '',
	failure_msg    TEXT NOT NULL DEFAULT '',
	counted        INTEGER NOT NULL DEFAULT 0, -- 1: charges.amount_refunded has it
	created        INTEGER NOT NULL,
	time_succeeded INTEGER NOT NULL DEFAULT 0,
	asked          INTEGER NOT NULL DEFAULT 0,
	asks           INTEGER NOT NULL DEFAULT 0, -- how often it was asked for, and may have been made
	unclear        TEXT NOT NULL DEFAULT '',   -- why it waits for a person, while it is asked; else empty
	next_query     INTEGER NOT NULL DEFAULT 0, -- 0: not any more
	owner          TEXT,                  -- of the lease; NULL without one
	until          INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX refunds_no ON refunds (scope, refund_no) WHERE refund_no IS NOT NULL;
CREATE UNIQUE INDEX refunds_id ON refunds (scope, id) WHERE id IS NOT NULL;
CREATE INDEX refunds_charge ON refunds (scope, charge_id);
CREATE INDEX refunds_order ON refunds (scope, order_no);
CREATE INDEX refunds_created ON refunds (scope, created);
CREATE INDEX refunds_query ON refunds (scope, next_query) WHERE next_query > 0;

CREATE TABLE logins (
	key      BLOB PRIMARY KEY,
	identity BLOB NOT NULL,
	expires  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX logins_expires ON logins (expires);

-- How far charges have been compared with Ping++'s list.
CREATE TABLE sweeps (
	scope    INTEGER PRIMARY KEY,
	compared INTEGER NOT NULL,      -- what was created before it; 0: nothing yet
	owner    TEXT NOT NULL,         -- of the lease; empty without one
	until    INTEGER NOT NULL
);
` + runs3 + shipments4
