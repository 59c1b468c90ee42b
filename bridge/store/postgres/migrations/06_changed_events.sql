-- The duplicates of an event: what becomes of them is decided anew when it changes.
CREATE INDEX events_repeating ON events (duplicate_of) WHERE duplicate_of IS NOT NULL;
-- What is known of events that were purged, as long as the ledger knows their keys: nothing of a person.
CREATE TABLE purged_events (
    number bigint PRIMARY KEY, id text NOT NULL, origin text NOT NULL, event_type text NOT NULL, order_id text,
    value text, currency text, webhook bigint, mapping text, rank int NOT NULL, duplicate_of bigint,
    created_at bigint NOT NULL
);
CREATE INDEX purged_events_webhook ON purged_events (webhook) WHERE webhook IS NOT NULL;
