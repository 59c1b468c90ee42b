-- Requests that were refused since a source's last genuine webhook. `detail` is the path of one for no source, or ''.
CREATE TABLE refusals (
    source text NOT NULL, cause text NOT NULL, detail text NOT NULL, n bigint NOT NULL, first_at bigint NOT NULL,
    last_at bigint NOT NULL, skew bigint, PRIMARY KEY (source, cause, detail)
);
-- The last sign of life of each process of `serve`, and starts of it that were refused.
CREATE TABLE heartbeats (
    node text NOT NULL, process text NOT NULL, role text NOT NULL, pid int NOT NULL, started_at bigint NOT NULL,
    at bigint NOT NULL, stopped boolean NOT NULL, trouble text NOT NULL, settings text NOT NULL,
    PRIMARY KEY (node, process)
) WITH (fillfactor = 50);
-- Privacy requests, which somebody must act on: few among all that is ignored.
CREATE INDEX webhooks_privacy ON webhooks (number)
    WHERE state = 'ignored' AND left(reason, 15) = 'privacy request';
-- The newest events of an origin, and the few that differ, or that a note says something about.
CREATE INDEX events_origin ON events (origin, number) WHERE duplicate_of IS NULL;
CREATE INDEX events_differing ON events (number) WHERE differs;
CREATE INDEX events_no_longer_made ON events (number) WHERE position('no longer made: ' IN notes) > 0;
CREATE INDEX events_doubted ON events (number) WHERE position('double: ' IN notes) > 0;
-- So that an event which may tell the same payment is found by value and time among those of ranked webhooks.
CREATE INDEX events_ranked ON events (value, occurred_at) WHERE rank > 0;
