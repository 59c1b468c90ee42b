-- The SQLite store that was moved here, and how far each of its tables has come: `after` is the key of the last row as
-- JSON. `token` names the move on both sides. Partitions for the numbers of its rows are made when a move begins.
CREATE TABLE moves (
    token text PRIMARY KEY, source text NOT NULL, history text NOT NULL, begun_at bigint NOT NULL, finished_at bigint
);
CREATE TABLE moved_tables (name text PRIMARY KEY, after text NOT NULL, n bigint NOT NULL, is_done boolean NOT NULL);
-- Webhooks of the ingest log of a SQLite store that could not be read there.
CREATE TABLE unreadable (number bigint PRIMARY KEY, count int NOT NULL, packed bytea NOT NULL);
