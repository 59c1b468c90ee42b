-- What was decided from an earlier state of a destination is decided again: `version` changes with the state.
ALTER TABLE standings ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
-- Until when nothing is sent: after a 429, which is about the key and not the batch.
ALTER TABLE standings ADD COLUMN held_until INTEGER;
-- How often the event's text was written over, NULL for never. It was the newest claim at that time; a claim from
-- before the upgrade cannot be recorded any more, so that any number does to begin with.
ALTER TABLE deliveries RENAME COLUMN stale TO revision;
