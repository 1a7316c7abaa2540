package postgres

// schemaVersion is in caddypay.about. A change of the schema adds one, and a step to upgrades that brings older ledgers up to it.
const schemaVersion = 2

// lapses is [ledger.Charge.Lapses]: a charge without an expiry can be paid for a day.
const lapses = `(CASE time_expire WHEN 0 THEN created + 86400000 ELSE time_expire END)`

// atRisk is whether money was paid that the backend never acknowledged: of a pending, held or dead event that is [ledger.Event.AtRisk].
const atRisk = `(money > 0 AND acks = 0)`

// queryKind is core's Charge.Kind, for the index that finds the due ones of each kind.
const queryKind = `(CASE WHEN next_query <= client_at THEN 0 WHEN queries = 0 AND state = 'created' AND NOT superseded THEN 1 ELSE 2 END)`

// shipmentOpen is whether a report is open: those are claimed apart from what is asked for in the daily round.
const shipmentOpen = `(stage = 'open')`

// schema has one row for ever in events, narrow, for each event; what is pending is in queue too, which stays small; what is big (bodies, answers)
// or many (deliveries) is only ever added to, in a partition for each day, and goes with it. What would make a row the one that every transaction
// waits for, a counter, is added to as well: deltas are folded into counts and tallies now and then.
//
// An event that is delivered changes no column of its row that is in an index, and leaves none of them anything to clean up: the state of those that
// are looked for by it is in shelf. Texts that are compared are so byte by byte: collations differ between systems, and change. Times are Unix
// milliseconds, 0 for none; money is in fen. No table has a CHECK or a foreign key that costs something for each row.
const schema = `
CREATE TABLE caddypay.about (
	version integer NOT NULL
);

-- Since when the server has forgotten nothing: this is empty after it has crashed, or when another has taken its place.
CREATE UNLOGGED TABLE caddypay.awake (
	which text COLLATE "C" PRIMARY KEY, -- server and table of events: what was restored from a backup has other ones
	last  bigint NOT NULL,          -- event that was recorded then
	at    bigint NOT NULL
);

CREATE TABLE caddypay.scopes (
	id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	app  text COLLATE "C" NOT NULL,
	mode text COLLATE "C" NOT NULL CHECK (mode IN ('live', 'test')),
	UNIQUE (app, mode)
);

CREATE TABLE caddypay.events (
	seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of arrival
	created    bigint NOT NULL,
	received   bigint NOT NULL,
	money      bigint NOT NULL,     -- fen that came with it, or went back: then less than 0
	settled    bigint NOT NULL,
	scope      integer NOT NULL,
	rank       integer NOT NULL,
	attempts   integer NOT NULL DEFAULT 0,
	tries      integer NOT NULL DEFAULT 0, -- this, due and back of what is pending are in queue
	acks       integer NOT NULL DEFAULT 0, -- how often the backend has acknowledged it
	effect     boolean NOT NULL,    -- it has the effect (object_id, type); else another has, or its effect is its id, or see charges.payment
	by_charge  boolean NOT NULL,    -- charges.payment leads from its order, which is its lane, to it
	replay     boolean NOT NULL DEFAULT false,
	id         text COLLATE "C" NOT NULL,
	type       text COLLATE "C" NOT NULL,
	object_id  text COLLATE "C" NOT NULL,
	charge_id  text COLLATE "C" NOT NULL,
	number     text COLLATE "C" NOT NULL,
	order_no   text COLLATE "C" NOT NULL,
	lane       text COLLATE "C" NOT NULL,
	source     text COLLATE "C" NOT NULL,
	host       text COLLATE "C" NOT NULL,
	trace      text COLLATE "C" NOT NULL,
	state      text COLLATE "C" NOT NULL, -- pending, delivered, dead, held, discarded or filtered
	reasons    text COLLATE "C" NOT NULL, -- JSON array, or empty
	late       text COLLATE "C" NOT NULL,
	due        bigint,
	back       bigint,
	body_day   integer,             -- the day of its row of bodies; NULL: there is none
	sent_from  integer,             -- the days of the first and the last of its rows of deliveries, those dropped too; NULL: there is none
	sent_to    integer,
	first_at   bigint,              -- its first delivery succeeded, began then, and is in no row of deliveries; NULL: it is not so
	first_took bigint,              -- microseconds
	first_status  integer,
	first_snippet text COLLATE "C",
	shelf      text COLLATE "C" GENERATED ALWAYS AS (CASE WHEN state = 'pending' OR state = 'delivered' THEN NULL ELSE state END) STORED,
	risk       boolean GENERATED ALWAYS AS (CASE WHEN state = 'pending' OR state = 'delivered' THEN NULL ELSE ` + atRisk + ` END) STORED,
	UNIQUE (scope, id)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE UNIQUE INDEX events_effect ON caddypay.events (scope, object_id, type) WHERE effect;
CREATE INDEX events_scope ON caddypay.events (scope, seq);
CREATE INDEX events_shelf ON caddypay.events (scope, shelf, risk, seq) WHERE shelf IS NOT NULL;
CREATE INDEX events_order ON caddypay.events (scope, order_no, seq) WHERE order_no <> '' AND NOT by_charge;
CREATE INDEX events_type  ON caddypay.events (scope, type, seq) WHERE type <> 'charge.succeeded';
CREATE INDEX events_unpaid ON caddypay.events (scope, charge_id) WHERE shelf = 'filtered' AND reasons = '["payment_held"]';
CREATE INDEX events_unreadable ON caddypay.events (scope, object_id) WHERE shelf = 'held' AND reasons = '["unreadable"]';

-- The pending events. Whoever takes one changes no indexed column but owner.
CREATE TABLE caddypay.queue (
	event    bigint PRIMARY KEY,
	due      bigint NOT NULL,
	created  bigint NOT NULL,
	received bigint NOT NULL,
	back     bigint NOT NULL DEFAULT 0, -- when it is due if the backend is back, kept when it is; 0: it does not wait for that
	until    bigint NOT NULL DEFAULT 0,
	scope    integer NOT NULL,
	rank     integer NOT NULL,
	tries    integer NOT NULL DEFAULT 0,
	blocked  boolean NOT NULL,      -- another pending event of its lane goes first
	risk     boolean NOT NULL,      -- its money is at risk
	lane     text COLLATE "C" NOT NULL,
	owner    text COLLATE "C"       -- of the lease; NULL without one
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0,
	autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_due ON caddypay.queue (scope, due, event) WHERE NOT blocked;
CREATE INDEX queue_lane ON caddypay.queue (scope, lane, rank, created, event) WHERE lane <> '';
CREATE INDEX queue_leased ON caddypay.queue (scope, owner) WHERE owner IS NOT NULL;
-- The condition, which all fulfil, keeps this from what does not ask for it: of a queue that is empty nearly always the server thinks that every index is
-- as good as every other, and goes through all that was delivered since it last cleaned up.
CREATE INDEX queue_old ON caddypay.queue (scope, risk, received) WHERE event > 0;
CREATE INDEX queue_back ON caddypay.queue (scope, event) WHERE back > 0;

-- What Ping++ sent; the row goes when retention prunes it, and the event stays. A day is that of the server's clock in UTC, counted from 1970-01-01.
CREATE TABLE caddypay.bodies (
	event     bigint NOT NULL,
	day       integer NOT NULL,
	signature text COLLATE "C" NOT NULL,
	body      bytea NOT NULL,
	PRIMARY KEY (event, day)
) PARTITION BY RANGE (day);

CREATE SEQUENCE caddypay.deliveries_n; -- without a cache, which each connection has for itself: the order would be lost
CREATE TABLE caddypay.deliveries (
	event     bigint NOT NULL,
	n         bigint NOT NULL DEFAULT nextval('caddypay.deliveries_n'), -- order of recording, of those of one event
	at        bigint NOT NULL,
	took      bigint NOT NULL,      -- microseconds
	due       bigint NOT NULL,
	day       integer NOT NULL,
	attempt   integer NOT NULL,
	status    integer NOT NULL,
	uncounted boolean NOT NULL,
	error     text COLLATE "C" NOT NULL,
	snippet   text COLLATE "C" NOT NULL,
	state     text COLLATE "C" NOT NULL
) PARTITION BY RANGE (day);
CREATE INDEX deliveries_event ON caddypay.deliveries (event, n);

-- What persons decided, for ever.
CREATE TABLE caddypay.audit (
	seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event  bigint NOT NULL,         -- 0: about the scope
	at     bigint NOT NULL,
	scope  integer NOT NULL,
	action text COLLATE "C" NOT NULL,
	state  text COLLATE "C" NOT NULL, -- the event's, before
	by     text COLLATE "C" NOT NULL, -- as the server knows it
	reason text COLLATE "C" NOT NULL,
	said   text COLLATE "C" NOT NULL, -- who the request says it was
	run    text COLLATE "C" NOT NULL  -- what it is part of; empty: nothing
);
CREATE INDEX audit_time ON caddypay.audit (scope, at, seq);
CREATE INDEX audit_event ON caddypay.audit (event, at, seq) WHERE event <> 0;
CREATE UNIQUE INDEX audit_run ON caddypay.audit (run, event) WHERE run <> '';

-- Scopes of which nothing is delivered until a person says otherwise.
CREATE TABLE caddypay.pauses (
	scope  integer PRIMARY KEY,
	since  bigint NOT NULL,
	by     text COLLATE "C" NOT NULL,
	said   text COLLATE "C" NOT NULL,
	reason text COLLATE "C" NOT NULL
);

-- How many events are in a state (hour is -1), how many are 'at risk' (see atRisk), and of how much money: 'fen at risk'; the same of shipments
-- whose money is 'frozen': 'fen frozen'. And what happened in an hour, which begins then: see core.TallyCharges and its like. What there is of one
-- thing is the sum of what both tables have. Hours before the one of 'since', if there is that, were not counted: it comes with what is moved here.
CREATE TABLE caddypay.counts (
	scope integer NOT NULL,
	hour  bigint NOT NULL,
	what  text COLLATE "C" NOT NULL,
	n     bigint NOT NULL,
	PRIMARY KEY (scope, hour, what)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE caddypay.deltas (
	hour  bigint NOT NULL,
	n     bigint NOT NULL,
	scope integer NOT NULL,
	what  text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- What the backend last said about an order. When it said closed, amount and currency are what it said before.
CREATE TABLE caddypay.quotes (
	amount   bigint NOT NULL,
	at       bigint NOT NULL,
	scope    integer NOT NULL,
	closed   boolean NOT NULL,
	order_no text COLLATE "C" NOT NULL,
	currency text COLLATE "C" NOT NULL,
	PRIMARY KEY (scope, order_no)
) WITH (fillfactor = 90);

CREATE TABLE caddypay.charges (
	seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of the attempts
	reserved_until  bigint NOT NULL,
	amount          bigint NOT NULL DEFAULT 0,
	created         bigint NOT NULL,
	time_expire     bigint NOT NULL DEFAULT 0,
	time_paid       bigint NOT NULL DEFAULT 0,
	amount_paid     bigint NOT NULL DEFAULT 0,
	payment         bigint NOT NULL DEFAULT 0, -- the event that has the effect of the charge's success; 0: none yet
	amount_refunded bigint NOT NULL DEFAULT 0,
	client_at       bigint NOT NULL DEFAULT 0,
	next_query      bigint NOT NULL DEFAULT 0, -- 0: not any more
	query_until     bigint NOT NULL DEFAULT 0, -- the end of the lease of whoever is asking
	logged_in       bigint NOT NULL DEFAULT 0, -- when the payer's session was given; 0: not known
	scope           integer NOT NULL,
	hold            integer NOT NULL DEFAULT 0, -- why its payment is not delivered: see Hold in ledger/core
	queries         integer NOT NULL DEFAULT 0,
	superseded      boolean NOT NULL DEFAULT false,
	paid            boolean NOT NULL DEFAULT false,
	reversed        boolean NOT NULL DEFAULT false,
	order_no        text COLLATE "C" NOT NULL,
	number          text COLLATE "C" NOT NULL,
	state           text COLLATE "C" NOT NULL, -- reserved, created, refused, unknown, taken or foreign
	id              text COLLATE "C",          -- NULL until known
	channel         text COLLATE "C" NOT NULL DEFAULT '',
	payer           text COLLATE "C" NOT NULL DEFAULT '',
	payer_app       text COLLATE "C" NOT NULL DEFAULT '',
	currency        text COLLATE "C" NOT NULL DEFAULT '',
	host            text COLLATE "C" NOT NULL DEFAULT '',
	client_result   text COLLATE "C" NOT NULL DEFAULT '',
	fingerprint     text COLLATE "C" NOT NULL DEFAULT '', -- of what was asked for; empty: not known
	transaction_no  text COLLATE "C" NOT NULL DEFAULT '', -- the channel's number of its payment; empty: not known
	answer_day      integer                    -- the day of its row of answers; NULL: there is none
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
-- A foreign charge's number says nothing about ours.
CREATE UNIQUE INDEX charges_number ON caddypay.charges (scope, number) WHERE state <> 'foreign';
CREATE UNIQUE INDEX charges_id ON caddypay.charges (scope, id) WHERE id IS NOT NULL;
CREATE INDEX charges_order ON caddypay.charges (scope, order_no, seq);
CREATE UNIQUE INDEX charges_reserved ON caddypay.charges (scope, order_no) WHERE state = 'reserved';
-- The second column is the kind of the look-up: see ledger.QueryKind.
CREATE INDEX charges_query ON caddypay.charges (scope, ` + queryKind + `, next_query, seq) WHERE next_query > 0;
CREATE INDEX charges_payer ON caddypay.charges (scope, payer, ` + lapses + `) WHERE state = 'created' AND NOT paid AND NOT reversed;
CREATE INDEX charges_created ON caddypay.charges (scope, state, created, seq, id); -- lists go by created, then seq; sweeps need nothing but this
CREATE INDEX charges_transaction ON caddypay.charges (scope, transaction_no) WHERE transaction_no <> '';
CREATE INDEX charges_foreign ON caddypay.charges (scope, number) WHERE state = 'foreign' AND number <> order_no;

-- What Ping++ answered; pruned like bodies.
CREATE TABLE caddypay.answers (
	charge bigint NOT NULL,
	day    integer NOT NULL,
	raw    bytea NOT NULL,
	PRIMARY KEY (charge, day)
) PARTITION BY RANGE (day);

-- What the merchant asked to give back, and what else an event reported.
CREATE TABLE caddypay.refunds (
	seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of asking
	amount         bigint NOT NULL,
	created        bigint NOT NULL,
	time_succeeded bigint NOT NULL DEFAULT 0,
	asked          bigint NOT NULL DEFAULT 0,
	next_query     bigint NOT NULL DEFAULT 0, -- 0: not any more
	until          bigint NOT NULL DEFAULT 0,
	scope          integer NOT NULL,
	asks           integer NOT NULL DEFAULT 0, -- how often it was asked for, and may have been made
	whole          boolean NOT NULL DEFAULT false,
	counted        boolean NOT NULL DEFAULT false, -- charges.amount_refunded has it
	refund_no      text COLLATE "C",      -- NULL for one made elsewhere
	charge_id      text COLLATE "C" NOT NULL,
	order_no       text COLLATE "C" NOT NULL,
	through        text COLLATE "C" NOT NULL DEFAULT '',
	description    text COLLATE "C" NOT NULL DEFAULT '',
	funding_source text COLLATE "C" NOT NULL DEFAULT '',
	state          text COLLATE "C" NOT NULL CHECK (state IN ('asked', 'pending', 'succeeded', 'failed')),
	id             text COLLATE "C",      -- NULL until known
	failure_code   text COLLATE "C" NOT NULL DEFAULT '',
	failure_msg    text COLLATE "C" NOT NULL DEFAULT '',
	unclear        text COLLATE "C" NOT NULL DEFAULT '', -- why it waits for a person, while it is asked; else empty
	owner          text COLLATE "C"       -- of the lease; NULL without one
) WITH (fillfactor = 75);
CREATE UNIQUE INDEX refunds_no ON caddypay.refunds (scope, refund_no) WHERE refund_no IS NOT NULL;
CREATE UNIQUE INDEX refunds_id ON caddypay.refunds (scope, id) WHERE id IS NOT NULL;
CREATE INDEX refunds_charge ON caddypay.refunds (scope, charge_id);
CREATE INDEX refunds_order ON caddypay.refunds (scope, order_no);
CREATE INDEX refunds_created ON caddypay.refunds (scope, created, seq);
CREATE INDEX refunds_query ON caddypay.refunds (scope, next_query, seq) WHERE next_query > 0;

CREATE TABLE caddypay.logins (
	key      bytea PRIMARY KEY,
	identity bytea NOT NULL,
	expires  bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX logins_expires ON caddypay.logins (expires);

-- How far charges have been compared with Ping++'s list.
CREATE TABLE caddypay.sweeps (
	scope    integer PRIMARY KEY,
	compared bigint NOT NULL,       -- what was created before it; 0: nothing yet
	until    bigint NOT NULL,
	owner    text COLLATE "C" NOT NULL -- of the lease; empty without one
);

-- Actions on many events that go on beside everything else, for ever: see ledger.Run.
CREATE TABLE caddypay.runs (
	seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of their beginning
	created    bigint NOT NULL,
	ended      bigint NOT NULL,     -- 0: it goes on
	stopped    bigint NOT NULL,     -- when somebody decided that; 0: nobody
	until      bigint NOT NULL DEFAULT 0,
	id         text COLLATE "C" NOT NULL UNIQUE,
	stopped_by text COLLATE "C" NOT NULL,
	owner      text COLLATE "C" NOT NULL DEFAULT '', -- of the lease; empty without one
	doc        bytea NOT NULL       -- what it is about and how far it has come, whose owner knows it
) WITH (fillfactor = 50);
CREATE INDEX runs_open ON caddypay.runs (seq) WHERE ended = 0;

-- What WeChat has to know, and has been told, about payments whose money it keeps; of sites that report nothing there is none.
CREATE TABLE caddypay.shipments (
	charge   bigint PRIMARY KEY,
	amount   bigint NOT NULL,       -- fen that were paid
	paid     bigint NOT NULL,       -- when
	recorded bigint NOT NULL,       -- when content was
	reported bigint NOT NULL,       -- when WeChat last accepted something
	due      bigint NOT NULL,       -- 0: not any more
	until    bigint NOT NULL,
	scope    integer NOT NULL,
	uploads  integer NOT NULL,      -- complete reports that WeChat has
	attempts integer NOT NULL,      -- rows of shippings, those pruned too
	tries    integer NOT NULL,      -- this and the next two: since the report is open
	missed   integer NOT NULL,      -- when WeChat did not know the payment
	unclear  integer NOT NULL,      -- when nobody knew whether WeChat had accepted it
	epoch    integer NOT NULL,      -- how often it was claimed
	state    text COLLATE "C" NOT NULL, -- waiting, failed, reported, confirmed, settled, refunded or not_managed
	stage    text COLLATE "C" NOT NULL, -- of the report: open, done or failed; empty: there is none
	code     text COLLATE "C" NOT NULL, -- of the problem of the report; empty: it has none
	problem  text COLLATE "C" NOT NULL,
	last     text COLLATE "C" NOT NULL, -- what became of the last attempt
	content  text COLLATE "C",      -- JSON of what was reported last; NULL: nothing
	posted   text COLLATE "C",      -- JSON of what WeChat may have accepted; NULL: nothing
	owner    text COLLATE "C"       -- of the lease; NULL without one
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05);
-- Lists and what runs out of its time need nothing but this.
CREATE INDEX shipments_state ON caddypay.shipments (scope, state, paid, charge, amount);
CREATE INDEX shipments_due ON caddypay.shipments (scope, ` + shipmentOpen + `, due, charge) WHERE due > 0;

-- What WeChat was asked about them.
CREATE TABLE caddypay.shippings (
	charge  bigint NOT NULL,
	at      bigint NOT NULL,
	took    bigint NOT NULL,        -- microseconds
	n       integer NOT NULL,       -- order of asking
	step    text COLLATE "C" NOT NULL, -- post or ask
	result  text COLLATE "C" NOT NULL, -- asking while it is under way, or its process ended
	code    text COLLATE "C" NOT NULL,
	problem text COLLATE "C" NOT NULL,
	state   text COLLATE "C" NOT NULL, -- of the shipment after it
	content text COLLATE "C",       -- what was posted; NULL: nothing
	PRIMARY KEY (charge, n)
) WITH (fillfactor = 75);

-- What nodes know together beside the ledger: see Shared. And who is making something of it.
CREATE TABLE caddypay.shared (
	version bigint NOT NULL,        -- how often it was stored
	key     text COLLATE "C" PRIMARY KEY,
	value   bytea NOT NULL
);
CREATE TABLE caddypay.shared_locks (
	name   text COLLATE "C" PRIMARY KEY,
	holder text COLLATE "C" NOT NULL,
	until  timestamptz NOT NULL     -- by the server's clock
);
`

// upgrades brings a ledger of an older version up to the next, by that version.
var upgrades = map[int]string{
	1: `DROP INDEX caddypay.queue_old;
		CREATE INDEX queue_old ON caddypay.queue (scope, risk, received) WHERE event > 0;`,
}
