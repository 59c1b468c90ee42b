-- What an event is found by at any age: keyed hashes of its e-mail, its order id and its order's name, which the sweep
-- adds. No address is in it. Rows of a day come together, so that those of an event are found by a few pages.
CREATE TABLE event_names (name bigint NOT NULL, event bigint NOT NULL, PRIMARY KEY (name, event))
    PARTITION BY RANGE (event);
CREATE INDEX event_names_event ON event_names USING brin (event) WITH (pages_per_range = 32, autosummarize = on);
-- The key of these hashes, 244 random bits, and the number of the last event that was looked at.
CREATE TABLE names_key (one int PRIMARY KEY CHECK (one = 1), key bytea NOT NULL, last_event bigint NOT NULL);
INSERT INTO names_key VALUES (1, decode(replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex'), 0);

-- Makes the partition of a day, unless it is there. LIKE and ATTACH keep no writer waiting.
CREATE FUNCTION make_day(parent text, day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || to_char(day, '_YYYYMMDD');
BEGIN
    IF to_regclass(part) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', part, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent, part, first_number(day), first_number(day + 1));
    END IF;
END $$;
CREATE OR REPLACE FUNCTION make_days(ahead int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
BEGIN
    FOR n IN -1..ahead LOOP
        FOREACH parent IN ARRAY '{parcels,webhooks,events,deliveries,attempts,event_names}'::text[] LOOP
            PERFORM make_day(parent, (now() AT TIME ZONE 'UTC')::date + n);
        END LOOP;
    END LOOP;
END $$;
-- For the days of events that there are, also those that are being retired and may come back.
SELECT make_day('event_names', to_date(right(relname, 8), 'YYYYMMDD')) FROM pg_class
WHERE relkind = 'r' AND relname ~ '^events_[0-9]{8}$'
    AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass);
