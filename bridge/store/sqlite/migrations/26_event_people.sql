-- Whose event it is: a keyed hash of the e-mail that it has, by which `find` finds it at any age. No address is in it.
-- An event that is deleted takes its row along.
CREATE TABLE event_people (event INTEGER PRIMARY KEY REFERENCES events ON DELETE CASCADE, person INTEGER NOT NULL);
CREATE INDEX event_people_person ON event_people (person);
-- The key of these hashes, made when the first is, and the number of the last event that was looked at.
CREATE TABLE people_key (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL, last_event INTEGER NOT NULL);
