-- So that duplicates which differ from their original, and those of one original, are found among a million events.
CREATE INDEX events_differing ON events (number) WHERE differs;
CREATE INDEX events_repeating ON events (duplicate_of) WHERE duplicate_of IS NOT NULL;
-- Events that were sent, and that their webhook's mended mapping does not make: a note says so. They are few.
CREATE INDEX events_no_longer_made ON events (number) WHERE instr(notes, 'no longer made: ') > 0;
