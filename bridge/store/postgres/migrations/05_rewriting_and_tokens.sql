-- The revision of its event's text that a delivery has to be sent with; what went out with an earlier one is due again.
ALTER TABLE outbox ADD COLUMN revision int NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN revision int NOT NULL DEFAULT 0;
-- The newest refresh token of each destination, sealed, and who may use it now. `given` is the SHA-256 of the one in the
-- settings that it took the place of.
CREATE TABLE refresh_tokens (
    destination text PRIMARY KEY, version int NOT NULL DEFAULT 0, sealed bytea, given bytea, holder text,
    held_until bigint
);
