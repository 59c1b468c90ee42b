-- Webhooks, each packed alone, that are needed longer than the parcels of their day: received, set aside, or looked at
-- again when their sale is told.
CREATE TABLE rescued (number bigint PRIMARY KEY, packed bytea NOT NULL);
ALTER TABLE rescued ALTER packed SET STORAGE EXTERNAL;
CREATE INDEX webhooks_needed ON webhooks (parcel) WHERE state IN ('received', 'set_aside');
CREATE INDEX revisits_webhook ON revisits (webhook);
-- Rows come in the order of time: what is old is found by a few pages.
CREATE INDEX ledger_at ON ledger USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX idempotency_at ON idempotency USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX aliases_at ON aliases USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
