-- The last webhook that a version received which did not keep mapping, rank and all keys with its events. Such a version
-- told a payment by one topic, and ignored the others without a trace in the ledger.
CREATE TABLE earlier_versions (last_webhook INTEGER NOT NULL);
INSERT INTO earlier_versions SELECT max(number) FROM webhooks HAVING max(number) IS NOT NULL
AND EXISTS (SELECT 1 FROM events WHERE mapping IS NULL);
-- So that what it told is found by value and time. No row is added to it any more.
CREATE INDEX events_earlier ON events (value, occurred_at) WHERE mapping IS NULL AND value IS NOT NULL;
-- Those of its events that a replayed webhook was found to repeat: each stands for one.
CREATE TABLE earlier_repeated (event INTEGER PRIMARY KEY REFERENCES events ON DELETE CASCADE);
