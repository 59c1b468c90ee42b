-- Requests that were refused since a source's last genuine webhook. `detail` is the path of one for no source, or ''.
CREATE TABLE refusals (
    source TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL, n INTEGER NOT NULL,
    first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    skew INTEGER,            -- milliseconds that this clock is ahead of the last stale request's time
    PRIMARY KEY (source, cause, detail)
) WITHOUT ROWID;
-- The last sign of life of each process of `serve`, and starts of it that were refused.
CREATE TABLE heartbeats (
    node TEXT NOT NULL, process TEXT NOT NULL, role TEXT NOT NULL, pid INTEGER NOT NULL, started_at INTEGER NOT NULL,
    at INTEGER NOT NULL, stopped INTEGER NOT NULL, trouble TEXT NOT NULL, settings TEXT NOT NULL,
    PRIMARY KEY (node, process)
) WITHOUT ROWID;
-- What people did by hand: who, when, what, with what, how many.
CREATE TABLE actions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, n INTEGER NOT NULL
);
CREATE INDEX actions_subject ON actions (subject);
-- When a destination was last asked without an event, and why that failed; NULL where it did not.
ALTER TABLE standings ADD COLUMN checked_at INTEGER;
ALTER TABLE standings ADD COLUMN check_failed TEXT;
-- Privacy requests, which somebody must act on: few among all that is ignored.
CREATE INDEX webhooks_privacy ON webhooks (number)
WHERE state = 'ignored' AND substr(reason, 1, 15) = 'privacy request';
