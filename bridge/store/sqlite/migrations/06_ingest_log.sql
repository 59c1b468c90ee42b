-- How far each file of the inbox beside the store has its place: its webhooks came in before that many bytes.
CREATE TABLE inbox_files (name TEXT PRIMARY KEY, sorted INTEGER NOT NULL) WITHOUT ROWID;
-- What cannot be unpacked is kept here as it was: it must not delay what came after it. Some stores of versions 3 to 5
-- have this table already.
CREATE TABLE IF NOT EXISTS unreadable (number INTEGER PRIMARY KEY, count INTEGER NOT NULL, packed BLOB NOT NULL);
-- What an earlier version kept in the store itself is packed in another way. Step 10 reads it.
INSERT INTO unreadable (count, packed) SELECT count, packed FROM inbox;
DROP TABLE inbox;
