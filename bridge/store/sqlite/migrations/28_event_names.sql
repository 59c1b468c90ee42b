-- What an event is found by at any age: keyed hashes of its e-mail, its order id and its order's name, instead of the
-- e-mail's alone. The sweep looks at all events again.
DROP TABLE event_people;
CREATE TABLE event_names (
    event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE, name INTEGER NOT NULL, PRIMARY KEY (event, name)
) WITHOUT ROWID;
CREATE INDEX event_names_name ON event_names (name);
UPDATE people_key SET last_event = 0;
