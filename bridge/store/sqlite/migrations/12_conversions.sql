-- The provider whose mapping made an event, how rich its webhook was, and how many of its claims are the mapping's own.
-- NULL: a version before this one kept it.
ALTER TABLE events ADD COLUMN mapping TEXT;
ALTER TABLE events ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN dedupes INTEGER NOT NULL DEFAULT 0;
-- What is known of an event whose row was purged, for as long as the ledger knows it; nothing of a person.
CREATE TABLE purged_events (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, origin TEXT NOT NULL, event_type TEXT NOT NULL, order_id TEXT,
    value TEXT, currency TEXT, webhook INTEGER, mapping TEXT, rank INTEGER NOT NULL, duplicate_of INTEGER,
    created_at INTEGER NOT NULL
);
-- Whether a received webhook has been translated once: a decision about a conversion waits for those that have not.
ALTER TABLE webhooks ADD COLUMN looked_at INTEGER NOT NULL DEFAULT 0;
UPDATE webhooks SET looked_at = 1 WHERE number IN (SELECT webhook FROM waiting);
-- Until when one waits for an earlier event: it may be looked at sooner, when something of that event becomes known.
ALTER TABLE webhooks ADD COLUMN waits_until INTEGER;
UPDATE webhooks SET waits_until = due WHERE number IN (SELECT webhook FROM waiting);
CREATE INDEX webhooks_not_looked_at ON webhooks (received_at) WHERE state = 'received' AND NOT looked_at;
-- A received webhook that waits until `at` whether a richer one tells its conversion; `waiting` has its keys. Its `due`
-- is NULL meanwhile.
CREATE TABLE deferred (
    webhook INTEGER PRIMARY KEY REFERENCES webhooks ON DELETE CASCADE,
    at INTEGER NOT NULL, rank INTEGER NOT NULL, lends BLOB NOT NULL
);
CREATE INDEX deferred_at ON deferred (at);
-- A conversion that was not told on purpose. The ledger has its number with a minus sign.
CREATE TABLE remembered (
    number INTEGER PRIMARY KEY AUTOINCREMENT, webhook INTEGER NOT NULL, reason TEXT NOT NULL, rank INTEGER NOT NULL,
    lends BLOB NOT NULL, created_at INTEGER NOT NULL
);
-- A ledger key that belongs to another one.
CREATE TABLE aliases (
    key BLOB NOT NULL, belongs_to BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (key, belongs_to)
) WITHOUT ROWID;
-- An ignored webhook that is looked at again when an event of that key is told.
CREATE TABLE revisits (
    key BLOB NOT NULL, webhook INTEGER NOT NULL REFERENCES webhooks ON DELETE CASCADE, PRIMARY KEY (key, webhook)
) WITHOUT ROWID;
CREATE INDEX revisits_webhook ON revisits (webhook);
