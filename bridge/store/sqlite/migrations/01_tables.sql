-- Bodies apart, so that a webhook's row is small when its state changes; the items of one request share one.
-- AUTOINCREMENT everywhere: a number is never given twice, so what is gone cannot be mistaken for what is new.
CREATE TABLE bodies (number INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL);
CREATE TABLE webhooks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    topic TEXT,
    state TEXT NOT NULL CHECK (state IN ('received', 'translated', 'ignored', 'set_aside')),
    reason TEXT,
    received_at INTEGER NOT NULL,
    due INTEGER,             -- when a received one may be claimed: its receipt, or the end of a lease
    headers TEXT NOT NULL,   -- JSON, or '' for none
    query TEXT NOT NULL,     -- JSON, or '' for none
    item TEXT,
    identity BLOB NOT NULL,  -- its ledger keys, 16 bytes each
    body INTEGER NOT NULL    -- bodies.number
);
CREATE INDEX webhooks_due ON webhooks (due) WHERE state = 'received';
CREATE INDEX webhooks_oldest ON webhooks (received_at) WHERE state = 'received';
CREATE INDEX webhooks_set_aside ON webhooks (number) WHERE state = 'set_aside';

-- What is known, by 16 bytes of a hash: a webhook's identity (number of a webhook), an event's door and id, a
-- conversion (number of an event). The hash says which kind it is.
CREATE TABLE ledger (key BLOB PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE idempotency (
    key BLOB PRIMARY KEY, body_hash BLOB NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    door TEXT NOT NULL,
    event_type TEXT NOT NULL,
    test INTEGER NOT NULL,
    text BLOB NOT NULL,
    occurred_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    order_id TEXT,
    value TEXT,
    currency TEXT,
    notes TEXT NOT NULL,      -- JSON, or '' for none
    hashed TEXT NOT NULL,     -- JSON, or '' for none
    claims BLOB NOT NULL,     -- its ledger keys, 16 bytes each
    webhook INTEGER REFERENCES webhooks ON DELETE SET NULL,
    duplicate_of INTEGER,     -- events.number of the original
    differs INTEGER NOT NULL  -- a duplicate's value or currency is not the original's
);
CREATE INDEX events_id ON events (id);
CREATE INDEX events_webhook ON events (webhook) WHERE webhook IS NOT NULL;

CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
    destination TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'skipped', 'dead')),
    reason TEXT,
    due INTEGER NOT NULL,        -- when a pending one may be claimed: next attempt, or the end of a lease
    attempts INTEGER NOT NULL DEFAULT 0,
    together INTEGER,
    first_attempt_at INTEGER,
    paused_for INTEGER,          -- how long its destination had been paused in all, at the first attempt
    token INTEGER,               -- the claim that it is or was under
    last_attempt INTEGER,        -- attempts.number
    created_at INTEGER NOT NULL,
    delivered_at INTEGER
);
CREATE UNIQUE INDEX deliveries_event ON deliveries (event, destination);
CREATE INDEX deliveries_due ON deliveries (destination, due) WHERE state = 'pending';
CREATE INDEX deliveries_oldest ON deliveries (destination, created_at) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (number) WHERE state = 'dead';
-- A claim under way; gone when it is recorded. What each delivery was due is kept, for those that are given back.
CREATE TABLE claims (
    token INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    until INTEGER NOT NULL,
    held TEXT NOT NULL           -- JSON: [[delivery, due], …]
);
CREATE INDEX claims_destination ON claims (destination, until);
-- One row for each request made; which deliveries it carried stands in `attempted`.
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    took INTEGER NOT NULL,
    status INTEGER,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    counted INTEGER NOT NULL,
    ambiguous INTEGER NOT NULL
);
CREATE TABLE attempted (
    delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    PRIMARY KEY (delivery, attempt)
) WITHOUT ROWID;
CREATE TABLE standings (
    destination TEXT PRIMARY KEY,
    paused TEXT,
    paused_at INTEGER,
    probe_at INTEGER,
    probes INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    paused_for INTEGER NOT NULL DEFAULT 0,
    last_claim_at INTEGER,       -- for the spacing of claims
    last_due INTEGER             -- of the newest delivery, for the order of the next
) WITHOUT ROWID;

-- Kept by triggers, so that no verb can forget them and no question has to scan.
CREATE TABLE counts (
    of TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (of, name, state)
) WITHOUT ROWID;
CREATE TRIGGER webhooks_come AFTER INSERT ON webhooks BEGIN
    INSERT INTO counts VALUES ('webhooks', new.source, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER webhooks_change AFTER UPDATE OF state ON webhooks WHEN old.state <> new.state BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'webhooks' AND name = old.source AND state = old.state;
    INSERT INTO counts VALUES ('webhooks', new.source, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER webhooks_go AFTER DELETE ON webhooks BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'webhooks' AND name = old.source AND state = old.state;
END;
CREATE TRIGGER events_come AFTER INSERT ON events BEGIN
    INSERT INTO counts
    VALUES ('events', new.event_type, CASE WHEN new.duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER events_go AFTER DELETE ON events BEGIN
    UPDATE counts SET n = n - 1
    WHERE of = 'events' AND name = old.event_type
    AND state = CASE WHEN old.duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END;
END;
CREATE TRIGGER deliveries_come AFTER INSERT ON deliveries BEGIN
    INSERT INTO counts VALUES ('deliveries', new.destination, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER deliveries_change AFTER UPDATE OF state ON deliveries WHEN old.state <> new.state BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'deliveries' AND name = old.destination AND state = old.state;
    INSERT INTO counts VALUES ('deliveries', new.destination, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER deliveries_go AFTER DELETE ON deliveries BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'deliveries' AND name = old.destination AND state = old.state;
END;
-- The newest time that was seen: a clock that was set back is known by it. /readyz writes it to see that it can.
CREATE TABLE probes (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
