-- The column that says which source or API key gave an event is called by the word that lists and logs use.
ALTER TABLE events RENAME COLUMN door TO origin;
