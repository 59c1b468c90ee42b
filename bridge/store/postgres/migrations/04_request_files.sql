-- By which destination file the request of an attempt was made: its number in mapping_texts. NULL: the kind has no file, or
-- how the attempt ended was never recorded.
ALTER TABLE attempts ADD COLUMN made_by bigint;
