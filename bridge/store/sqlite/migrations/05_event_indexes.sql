-- So that a quiet source's events, and duplicates, are found among a million others.
CREATE INDEX events_door ON events (door);
CREATE INDEX events_duplicates ON events (number) WHERE duplicate_of IS NOT NULL;
