-- The id that an event was given, where it has another; '' where it has that one. NULL: it was kept by a version that let
-- two doors use the same id, and its id as it goes upstream is not in the ledger.
ALTER TABLE events ADD COLUMN given_id TEXT;
CREATE INDEX events_given ON events (given_id) WHERE given_id <> '';
