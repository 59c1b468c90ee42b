-- The last time that was believed, and how much of its trial a clock that is far beyond it has behind it.
ALTER TABLE probes ADD COLUMN believed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE probes ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;
UPDATE probes SET believed = at;
