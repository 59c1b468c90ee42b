-- An event was written over: claims up to this token carry its older text, and settle nothing of the newer one.
ALTER TABLE deliveries ADD COLUMN stale INTEGER;
