-- Which received webhook waits for an event that holds a claim.
CREATE TABLE waiting (
    key BLOB NOT NULL, webhook INTEGER NOT NULL REFERENCES webhooks ON DELETE CASCADE, PRIMARY KEY (key, webhook)
) WITHOUT ROWID;
CREATE INDEX waiting_webhook ON waiting (webhook);

-- Webhooks by the day of their receipt (whole days since 1970, UTC), and each source's last, kept by triggers.
CREATE TABLE days (
    day INTEGER NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, source, state)
) WITHOUT ROWID;
CREATE TABLE lasts (source TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO days
SELECT received_at / 86400000, source, state, count(*) FROM webhooks GROUP BY 1, 2, 3;
INSERT INTO lasts SELECT source, max(received_at) FROM webhooks GROUP BY source;
CREATE TRIGGER days_come AFTER INSERT ON webhooks BEGIN
    INSERT INTO days VALUES (new.received_at / 86400000, new.source, new.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO lasts VALUES (new.source, new.received_at) ON CONFLICT DO UPDATE SET at = max(at, excluded.at);
END;
CREATE TRIGGER days_change AFTER UPDATE OF state ON webhooks WHEN old.state <> new.state BEGIN
    UPDATE days SET n = n - 1
    WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state;
    INSERT INTO days VALUES (new.received_at / 86400000, new.source, new.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER days_go AFTER DELETE ON webhooks BEGIN
    UPDATE days SET n = n - 1
    WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state;
    DELETE FROM days
    WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state AND n <= 0;
END;
CREATE INDEX events_differ ON events (number) WHERE differs;
