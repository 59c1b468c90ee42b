-- Of a SQLite store that was moved here: the last webhook that came to a version which kept no mapping with its events, and
-- the events of that version that others repeat.
CREATE TABLE earlier_versions (last_webhook bigint NOT NULL);
CREATE TABLE earlier_repeated (event bigint PRIMARY KEY);
