"""The tables, as steps from an empty file to this version's. A released step never changes; a new one is added.

Each step runs in one transaction and leaves `user_version` at its own number. Not concerned with opening the file.
All instants are whole milliseconds since 1970, UTC. Nothing refers to `bodies` or to an original event by a foreign
key, and `ledger` refers to nothing, so that rows can go while what is known of them stays.
"""

from __future__ import annotations

_WEBHOOKS = (
    # Bodies apart, so that a webhook's row is small when its state changes; the items of one request share one.
    # AUTOINCREMENT everywhere: a number is never given twice, so what is gone cannot be mistaken for what is new.
    "CREATE TABLE bodies (number INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL)",
    """
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
    )
    """,
    "CREATE INDEX webhooks_due ON webhooks (due) WHERE state = 'received'",
    "CREATE INDEX webhooks_oldest ON webhooks (received_at) WHERE state = 'received'",
    "CREATE INDEX webhooks_set_aside ON webhooks (number) WHERE state = 'set_aside'",
    "CREATE INDEX webhooks_body ON webhooks (body)",
)

_LEDGER = (
    # What is known, by 16 bytes of a hash: a webhook's identity (number of a webhook), an event's door and id, a
    # conversion (number of an event). The hash says which kind it is.
    "CREATE TABLE ledger (key BLOB PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE idempotency (
        key BLOB PRIMARY KEY, body_hash BLOB NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
)

_EVENTS = (
    """
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
    )
    """,
    "CREATE INDEX events_id ON events (id)",
    "CREATE INDEX events_webhook ON events (webhook) WHERE webhook IS NOT NULL",
)

_DELIVERIES = (
    """
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
    )
    """,
    "CREATE UNIQUE INDEX deliveries_event ON deliveries (event, destination)",
    "CREATE INDEX deliveries_due ON deliveries (destination, due) WHERE state = 'pending'",
    "CREATE INDEX deliveries_oldest ON deliveries (destination, created_at) WHERE state = 'pending'",
    "CREATE INDEX deliveries_dead ON deliveries (number) WHERE state = 'dead'",
    # A claim under way; gone when it is recorded. What each delivery was due is kept, for those that are given back.
    """
    CREATE TABLE claims (
        token INTEGER PRIMARY KEY AUTOINCREMENT,
        destination TEXT NOT NULL,
        until INTEGER NOT NULL,
        held TEXT NOT NULL           -- JSON: [[delivery, due], …]
    )
    """,
    "CREATE INDEX claims_destination ON claims (destination, until)",
    # One row for each request made; which deliveries it carried stands in `attempted`.
    """
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
    )
    """,
    """
    CREATE TABLE attempted (
        delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        PRIMARY KEY (delivery, attempt)
    ) WITHOUT ROWID
    """,
    """
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
    ) WITHOUT ROWID
    """,
)

_COUNTS = (
    # Kept by triggers, so that no verb can forget them and no question has to scan.
    """
    CREATE TABLE counts (
        of TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (of, name, state)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER webhooks_come AFTER INSERT ON webhooks BEGIN
        INSERT INTO counts VALUES ('webhooks', new.source, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    END
    """,
    """
    CREATE TRIGGER webhooks_change AFTER UPDATE OF state ON webhooks WHEN old.state <> new.state BEGIN
        UPDATE counts SET n = n - 1 WHERE of = 'webhooks' AND name = old.source AND state = old.state;
        INSERT INTO counts VALUES ('webhooks', new.source, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    END
    """,
    """
    CREATE TRIGGER webhooks_go AFTER DELETE ON webhooks BEGIN
        UPDATE counts SET n = n - 1 WHERE of = 'webhooks' AND name = old.source AND state = old.state;
    END
    """,
    """
    CREATE TRIGGER events_come AFTER INSERT ON events BEGIN
        INSERT INTO counts
        VALUES ('events', new.event_type, CASE WHEN new.duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
    END
    """,
    """
    CREATE TRIGGER events_go AFTER DELETE ON events BEGIN
        UPDATE counts SET n = n - 1
        WHERE of = 'events' AND name = old.event_type
        AND state = CASE WHEN old.duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END;
    END
    """,
    """
    CREATE TRIGGER deliveries_come AFTER INSERT ON deliveries BEGIN
        INSERT INTO counts VALUES ('deliveries', new.destination, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    END
    """,
    """
    CREATE TRIGGER deliveries_change AFTER UPDATE OF state ON deliveries WHEN old.state <> new.state BEGIN
        UPDATE counts SET n = n - 1 WHERE of = 'deliveries' AND name = old.destination AND state = old.state;
        INSERT INTO counts VALUES ('deliveries', new.destination, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    END
    """,
    """
    CREATE TRIGGER deliveries_go AFTER DELETE ON deliveries BEGIN
        UPDATE counts SET n = n - 1 WHERE of = 'deliveries' AND name = old.destination AND state = old.state;
    END
    """,
    # The newest time that was seen: a clock that was set back is known by it. /readyz writes it to see that it can.
    "CREATE TABLE probes (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL)",
)

_WAITING = (
    # Which received webhook waits for an event that holds a claim.
    """
    CREATE TABLE waiting (
        key BLOB NOT NULL, webhook INTEGER NOT NULL REFERENCES webhooks ON DELETE CASCADE, PRIMARY KEY (key, webhook)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX waiting_webhook ON waiting (webhook)",
)

_DAYS = (
    # Webhooks by the day of their receipt (whole days since 1970, UTC), and each source's last, kept by triggers.
    """
    CREATE TABLE days (
        day INTEGER NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (day, source, state)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE lasts (source TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    """
    INSERT INTO days
    SELECT received_at / 86400000, source, state, count(*) FROM webhooks GROUP BY 1, 2, 3
    """,
    "INSERT INTO lasts SELECT source, max(received_at) FROM webhooks GROUP BY source",
    """
    CREATE TRIGGER days_come AFTER INSERT ON webhooks BEGIN
        INSERT INTO days VALUES (new.received_at / 86400000, new.source, new.state, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
        INSERT INTO lasts VALUES (new.source, new.received_at) ON CONFLICT DO UPDATE SET at = max(at, excluded.at);
    END
    """,
    """
    CREATE TRIGGER days_change AFTER UPDATE OF state ON webhooks WHEN old.state <> new.state BEGIN
        UPDATE days SET n = n - 1
        WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state;
        INSERT INTO days VALUES (new.received_at / 86400000, new.source, new.state, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
    END
    """,
    """
    CREATE TRIGGER days_go AFTER DELETE ON webhooks BEGIN
        UPDATE days SET n = n - 1
        WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state;
        DELETE FROM days
        WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state AND n <= 0;
    END
    """,
    "CREATE INDEX events_differ ON events (number) WHERE differs",
)

_INBOX = (
    # What came in and has no place yet: the webhooks of a moment's requests, packed together by `packing.py`.
    "CREATE TABLE inbox (number INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, packed BLOB NOT NULL)",
    # A row of it that cannot be unpacked stands here as it was: it must not hold up those that came after it.
    "CREATE TABLE unreadable (number INTEGER PRIMARY KEY, count INTEGER NOT NULL, packed BLOB NOT NULL)",
    "ALTER TABLE bodies ADD COLUMN form INTEGER NOT NULL DEFAULT 0",  # how its bytes are packed, 0: as they came
)

_REVISED = (
    # An event was written over: claims up to this token carry its older text, and settle nothing of the newer one.
    "ALTER TABLE deliveries ADD COLUMN stale INTEGER",
)

_DOORS = (
    # So that a quiet source's events, and duplicates, are found among a million others.
    "CREATE INDEX events_door ON events (door)",
    "CREATE INDEX events_duplicates ON events (number) WHERE duplicate_of IS NOT NULL",
)

_FOLDER = (
    # How far each file of the inbox beside the store has its place: its webhooks came in before that many bytes.
    "CREATE TABLE inbox_files (name TEXT PRIMARY KEY, sorted INTEGER NOT NULL) WITHOUT ROWID",
    # What an earlier schema kept in the store itself cannot be read any more; nothing is thrown away.
    "INSERT INTO unreadable (count, packed) SELECT count, packed FROM inbox",
    "DROP TABLE inbox",
)

_RECENT = (
    # What the ledger learned and has not entered yet, as `recent.py` reads it. `until` counts the entries up to here.
    """
    CREATE TABLE recent (
        number INTEGER PRIMARY KEY AUTOINCREMENT, nonce INTEGER NOT NULL, until INTEGER NOT NULL,
        sorted INTEGER NOT NULL, entries BLOB NOT NULL
    )
    """,
)

_IDS = (
    # The id that an event was given, where it has another; '' where it has that one. NULL: it was kept by a version that
    # let two doors use the same id, and its id as it goes upstream is not in the ledger.
    "ALTER TABLE events ADD COLUMN given_id TEXT",
    "CREATE INDEX events_given ON events (given_id) WHERE given_id <> ''",
)

_CLOCK = (
    # The last time that was believed, and how much of its trial a clock that is far beyond it has behind it.
    "ALTER TABLE probes ADD COLUMN believed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE probes ADD COLUMN passed INTEGER NOT NULL DEFAULT 0",
    "UPDATE probes SET believed = at",
)

STEPS: tuple[tuple[str, ...], ...] = (
    (*_WEBHOOKS, *_LEDGER, *_EVENTS, *_DELIVERIES, *_COUNTS),
    (*_WAITING, *_DAYS),
    _INBOX,
    _REVISED,
    _DOORS,
    _FOLDER,
    _RECENT,
    _IDS,
    _CLOCK,
)
"""`STEPS[n]` leads from version n to version n + 1."""
