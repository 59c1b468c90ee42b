-- Drafts of mappings that people work on in the console, one for each person and mapping; `mapping` is the file's name
-- without `.yaml`, `begun_from` the digest of the file's text that the draft began with. `form` is as in `bodies`.
CREATE TABLE mapping_drafts (
    mapping TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL, begun_from BLOB NOT NULL, bytes BLOB NOT NULL,
    form INTEGER NOT NULL, PRIMARY KEY (mapping, who)
) WITHOUT ROWID;
