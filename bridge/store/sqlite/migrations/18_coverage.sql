-- What became of deliveries, by the day on which each was made. `n` is how many stand so now, `ever` how many came to
-- stand so, which never falls. `reason` is '' or words of ours or the first 60 characters of an upstream's: at most 50 a
-- day and destination, then 'other'; so are event types.
CREATE TABLE delivery_reasons (
    day INTEGER NOT NULL, destination TEXT NOT NULL, event_type TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL, n INTEGER NOT NULL, ever INTEGER NOT NULL,
    PRIMARY KEY (day, destination, event_type, state, reason)
) WITHOUT ROWID;
-- By what the person of an event may be recognised: of events that were told and are no tests; '' counts all of them.
CREATE TABLE match_keys (
    day INTEGER NOT NULL, event_type TEXT NOT NULL, key TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, event_type, key)
) WITHOUT ROWID;
-- Each row inserted is counted, and not kept, so that the words of a reason are made in one place.
CREATE VIEW outcome_reached AS
SELECT 0 AS day, '' AS destination, '' AS event_type, '' AS state, '' AS reason, 0 AS waited WHERE 0;
CREATE TRIGGER outcome_reached_counted INSTEAD OF INSERT ON outcome_reached BEGIN
    INSERT INTO delivery_reasons
    SELECT new.day, new.destination,
        CASE WHEN EXISTS (
            SELECT 1 FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination AND event_type = new.event_type
        ) OR (
            SELECT count(DISTINCT event_type) FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination
        ) < 50 THEN new.event_type ELSE 'other' END,
        new.state,
        CASE WHEN worded.reason = '' OR EXISTS (
            SELECT 1 FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination AND reason = worded.reason
        ) OR (
            SELECT count(DISTINCT reason) FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination AND reason <> ''
        ) < 50 THEN worded.reason ELSE 'other' END,
        1, 1
    FROM (
        SELECT CASE
            WHEN new.state = 'delivered' THEN ''
            WHEN new.reason LIKE '% is not among its events' THEN 'not among its events'
            WHEN new.reason = 'too old' AND new.waited > 3600000 THEN 'too old while it waited'
            ELSE trim(substr(coalesce(new.reason, ''), 1, 60))
        END AS reason
    ) AS worded
    WHERE true
    ON CONFLICT DO UPDATE SET n = n + 1, ever = ever + 1;
END;
CREATE TRIGGER delivery_reasons_come AFTER INSERT ON deliveries WHEN new.state <> 'pending' BEGIN
    INSERT INTO outcome_reached
    SELECT new.created_at / 86400000, new.destination, event_type, new.state, new.reason, 0
    FROM events WHERE number = new.event;
END;
CREATE TRIGGER delivery_reasons_reached AFTER UPDATE OF state ON deliveries
WHEN old.state <> new.state AND new.state <> 'pending' BEGIN
    UPDATE delivery_reasons SET n = n + 1, ever = ever + 1  -- the common one, in one step
    WHERE new.state = 'delivered' AND day = new.created_at / 86400000 AND destination = new.destination
    AND event_type = (SELECT event_type FROM events WHERE number = new.event) AND state = 'delivered' AND reason = '';
    INSERT INTO outcome_reached
    SELECT new.created_at / 86400000, new.destination, event_type, new.state, new.reason, new.due - new.created_at
    FROM events WHERE number = new.event AND changes() = 0;
END;
-- One that is due again no longer stands so: it leaves the row that it was counted in, or 'other'.
CREATE TRIGGER delivery_reasons_left AFTER UPDATE OF state ON deliveries
WHEN old.state <> new.state AND old.state <> 'pending' BEGIN
    UPDATE delivery_reasons SET n = n - 1
    WHERE day = old.created_at / 86400000 AND destination = old.destination AND state = old.state
    AND (event_type, reason) = (
        SELECT counted.event_type, counted.reason FROM delivery_reasons AS counted, events AS e
        WHERE e.number = old.event AND counted.day = old.created_at / 86400000
        AND counted.destination = old.destination AND counted.state = old.state AND counted.n > 0
        ORDER BY counted.event_type = e.event_type DESC, counted.event_type = 'other' DESC,
            counted.reason = trim(substr(coalesce(old.reason, ''), 1, 60)) DESC,
            counted.reason LIKE trim(substr(coalesce(old.reason, ''), 1, 60)) || ' while it waited' DESC,
            counted.reason = 'other' DESC
        LIMIT 1
    );
END;
-- What is kept of earlier versions. A delivery that waited and was too old is not told apart.
INSERT INTO outcome_reached
SELECT d.created_at / 86400000, d.destination, e.event_type, d.state, d.reason, 0
FROM deliveries AS d JOIN events AS e ON e.number = d.event WHERE d.state <> 'pending';
INSERT INTO match_keys
SELECT day, event_type, key, count(DISTINCT number) FROM (
    SELECT number, created_at / 86400000 AS day, event_type, CAST(text AS TEXT) AS text FROM events
    WHERE duplicate_of IS NULL AND NOT test AND json_valid(CAST(text AS TEXT))
) AS told, (
    SELECT '' AS key, '$' AS one, '$' AS two UNION ALL
    SELECT 'email', '$.user_data.email', '$.user_data.email' UNION ALL
    SELECT 'phone', '$.user_data.phone', '$.user_data.phone' UNION ALL
    SELECT 'fbc', '$.context.fbc', '$.context.fbc' UNION ALL
    SELECT 'fbc', '$.context.fbclid', '$.context.fbclid' UNION ALL
    SELECT 'fbp', '$.context.fbp', '$.context.fbp' UNION ALL
    SELECT 'browser and address', '$.context.user_agent', '$.context.ip' UNION ALL
    SELECT 'gclid', '$.context.gclid', '$.context.gclid' UNION ALL
    SELECT 'gclid', '$.context.gbraid', '$.context.gbraid' UNION ALL
    SELECT 'gclid', '$.context.wbraid', '$.context.wbraid' UNION ALL
    SELECT 'ga client', '$.context.ga_client_id', '$.context.ga_client_id' UNION ALL
    SELECT 'consent', '$.consent.ads', '$.consent.ads' UNION ALL
    SELECT 'consent', '$.consent.analytics', '$.consent.analytics'
) AS wanted
WHERE trim(coalesce(json_extract(text, one), '')) <> '' AND trim(coalesce(json_extract(text, two), '')) <> ''
GROUP BY 1, 2, 3;
