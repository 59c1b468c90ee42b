-- What webhooks became and how deliveries ended, by the quarter hour (900,000 ms since 1970) in which that was decided.
-- `of` is 'webhook' or 'delivery', `name` its source or destination. Each verb adds to it in its own transaction. What
-- was decided before is filled in from the newest rows alone, by the time of their receipt, so that an upgrade is quick.
CREATE TABLE quarters (
    quarter INTEGER NOT NULL, of TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (quarter, of, name, state)
) WITHOUT ROWID;
INSERT INTO quarters
SELECT received_at / 900000, 'webhook', source, state, count(*) FROM webhooks
WHERE number > (SELECT max(number) FROM webhooks) - 200000 AND state <> 'received' GROUP BY 1, 3, 4;
INSERT INTO quarters
SELECT created_at / 900000, 'delivery', destination, state, count(*) FROM deliveries
WHERE number > (SELECT max(number) FROM deliveries) - 200000 AND state IN ('delivered', 'dead') GROUP BY 1, 3, 4;
