-- What came in and has no place yet: the webhooks of a moment's requests, packed together by `packing.py`.
CREATE TABLE inbox (number INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, packed BLOB NOT NULL);
-- How a body's bytes are packed; 0: as they came.
ALTER TABLE bodies ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
