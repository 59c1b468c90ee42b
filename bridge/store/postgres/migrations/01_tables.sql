-- A number begins with its millisecond since 2020, so that it finds its day's partition, and ends with a sequence: one
-- call gives 1,024 numbers, and two transactions of one millisecond get two blocks.
CREATE SEQUENCE numbers MINVALUE 0 MAXVALUE 2097151 INCREMENT 1024 CYCLE;
CREATE FUNCTION clock_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;
CREATE FUNCTION draw_block() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT ((clock_ms() - 1577836800000) << 21) | nextval('numbers') $$;
CREATE FUNCTION first_number(day date) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT (extract(epoch FROM day)::bigint * 1000 - 1577836800000) << 21 $$;

-- All instants are whole milliseconds since 1970, UTC. No foreign keys, no triggers, no DEFAULT partition.
CREATE TABLE parcels (number bigint PRIMARY KEY, count int NOT NULL, packed bytea NOT NULL) PARTITION BY RANGE (number);
ALTER TABLE parcels ALTER packed SET STORAGE EXTERNAL;  -- packed already
-- The parcels whose webhooks have no row yet. `oldest` is when the first of them was received.
CREATE TABLE unapplied (
    parcel bigint PRIMARY KEY, node int NOT NULL, count int NOT NULL, oldest bigint NOT NULL,
    until bigint NOT NULL DEFAULT 0, token bigint
) WITH (fillfactor = 50);
-- Headers, query, item, identity and body are in the parcel, at `place`.
CREATE TABLE webhooks (
    number bigint PRIMARY KEY, source text NOT NULL, id text NOT NULL, topic text, state text NOT NULL, reason text,
    received_at bigint NOT NULL, due bigint, parcel bigint NOT NULL, place int NOT NULL, mapping bigint,
    looked_at boolean NOT NULL DEFAULT false, waits_until bigint
) PARTITION BY RANGE (number);
CREATE INDEX webhooks_due ON webhooks (due) WHERE state = 'received';
CREATE INDEX webhooks_oldest ON webhooks (received_at) WHERE state = 'received';
CREATE INDEX webhooks_set_aside ON webhooks (number) WHERE state = 'set_aside';

-- What is known, by 16 bytes of a hash. `number` is of a webhook or an event, negative of a row of `remembered`, and
-- NULL where the key is not known and a webhook waits for it.
CREATE TABLE ledger (key uuid PRIMARY KEY, number bigint, at bigint NOT NULL) PARTITION BY HASH (key);
CREATE TABLE idempotency (key uuid PRIMARY KEY, body_hash bytea NOT NULL, answer text NOT NULL, at bigint NOT NULL);
CREATE TABLE waiting (key uuid NOT NULL, webhook bigint NOT NULL, PRIMARY KEY (key, webhook));
CREATE INDEX waiting_webhook ON waiting (webhook);
CREATE TABLE deferred (webhook bigint PRIMARY KEY, at bigint NOT NULL, rank int NOT NULL, lends bytea NOT NULL);
CREATE INDEX deferred_by_rank ON deferred (rank, at);
CREATE TABLE aliases (key uuid NOT NULL, belongs_to uuid NOT NULL, at bigint NOT NULL, PRIMARY KEY (key, belongs_to));
CREATE TABLE remembered (
    number bigint PRIMARY KEY, webhook bigint NOT NULL, reason text NOT NULL, rank int NOT NULL, lends bytea NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE revisits (key uuid NOT NULL, webhook bigint NOT NULL, PRIMARY KEY (key, webhook));
CREATE TABLE mapping_texts (
    number bigint PRIMARY KEY, digest bytea NOT NULL UNIQUE, name text NOT NULL, first_at bigint NOT NULL,
    bytes bytea NOT NULL, form smallint NOT NULL
);

CREATE TABLE events (
    number bigint PRIMARY KEY, id text NOT NULL, origin text NOT NULL, event_type text NOT NULL, test boolean NOT NULL,
    text bytea NOT NULL, occurred_at bigint NOT NULL, created_at bigint NOT NULL, order_id text, value text,
    currency text, notes text NOT NULL, hashed text NOT NULL, claims bytea NOT NULL, webhook bigint,
    duplicate_of bigint, differs boolean NOT NULL, given_id text NOT NULL, mapping text, rank int NOT NULL,
    dedupes int NOT NULL, of_order int, revision int NOT NULL DEFAULT 0
) PARTITION BY RANGE (number);
CREATE INDEX events_id ON events (id);
CREATE INDEX events_given_id ON events (given_id) WHERE given_id <> '';
CREATE INDEX events_webhook ON events (webhook) WHERE webhook IS NOT NULL;

-- A pending delivery is a row of `outbox`; its end moves it to `deliveries`.
CREATE TABLE outbox (
    number bigint PRIMARY KEY, event bigint NOT NULL, destination text NOT NULL, reason text, due bigint NOT NULL,
    attempts int NOT NULL DEFAULT 0, together int, first_attempt_at bigint, paused_for bigint, last_attempt bigint,
    created_at bigint NOT NULL, event_type text NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX outbox_due ON outbox (destination, due, number);
CREATE INDEX outbox_created ON outbox (destination, created_at);
CREATE INDEX outbox_event ON outbox (event);
CREATE TABLE deliveries (
    number bigint PRIMARY KEY, event bigint NOT NULL, destination text NOT NULL, state text NOT NULL, reason text,
    attempts int NOT NULL, last_attempt bigint, created_at bigint NOT NULL, ended_at bigint NOT NULL,
    event_type text NOT NULL
) PARTITION BY RANGE (number);
CREATE INDEX deliveries_event ON deliveries (event);
CREATE INDEX deliveries_dead ON deliveries (number) WHERE state = 'dead';
CREATE VIEW all_deliveries AS
    SELECT number, event, destination, 'pending' AS state, reason, attempts, last_attempt, created_at, due,
        NULL::bigint AS ended_at FROM outbox
    UNION ALL
    SELECT number, event, destination, state, reason, attempts, last_attempt, created_at, NULL::bigint, ended_at
        FROM deliveries;
-- A claim under way holds the numbers of deliveries, which it does not change.
CREATE TABLE claims (
    token bigint PRIMARY KEY, destination text NOT NULL, node int NOT NULL, until bigint NOT NULL,
    started_at bigint NOT NULL, held bigint[] NOT NULL
);
CREATE INDEX claims_destination ON claims (destination);
-- The number of an attempt is its claim's token, if it had one. Those of a delivery have larger numbers than it has.
CREATE TABLE attempts (
    number bigint PRIMARY KEY, destination text NOT NULL, started_at bigint NOT NULL, took bigint NOT NULL, status int,
    outcome text NOT NULL, answer text NOT NULL, counted boolean NOT NULL, ambiguous boolean NOT NULL,
    deliveries bigint[] NOT NULL
) PARTITION BY RANGE (number);
CREATE TABLE standings (
    destination text PRIMARY KEY, paused text, paused_at bigint, probe_at bigint, probes int NOT NULL DEFAULT 0,
    failures int NOT NULL DEFAULT 0, refused int NOT NULL DEFAULT 0, paused_for bigint NOT NULL DEFAULT 0,
    held_until bigint, last_claim_at bigint, version int NOT NULL DEFAULT 0
);

-- Counts: what each transaction changed is appended, so that no row is written by all of them, and added up later.
-- `at` is the day or quarter hour since 1970 that they are counted by, 0 where they are not.
CREATE TABLE count_changes (
    number bigint PRIMARY KEY, of text[] NOT NULL, at bigint[] NOT NULL, name text[] NOT NULL, state text[] NOT NULL,
    n bigint[] NOT NULL
);
CREATE TABLE counts (
    of text, at bigint, name text, state text, n bigint NOT NULL, PRIMARY KEY (of, at, name, state)
);

-- Makes the partitions of the days from yesterday to `ahead` days from now. LIKE and ATTACH keep no writer waiting.
CREATE FUNCTION make_days(ahead int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    day date;
    parent text;
    part text;
BEGIN
    FOR n IN -1..ahead LOOP
        day := (now() AT TIME ZONE 'UTC')::date + n;
        FOREACH parent IN ARRAY '{parcels,webhooks,events,deliveries,attempts}'::text[] LOOP
            part := parent || to_char(day, '_YYYYMMDD');
            IF to_regclass(part) IS NULL THEN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', part, parent);
                EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                    parent, part, first_number(day), first_number(day + 1));
            END IF;
        END LOOP;
    END LOOP;
END $$;
DO $$ BEGIN
    FOR n IN 0..15 LOOP
        EXECUTE format('CREATE TABLE ledger_%s PARTITION OF ledger FOR VALUES WITH (MODULUS 16, REMAINDER %s)', n, n);
    END LOOP;
END $$;
