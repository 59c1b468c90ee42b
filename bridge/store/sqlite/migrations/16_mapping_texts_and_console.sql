-- The texts of the mappings that translated something, each once; `form` is how the bytes are compressed, as in `bodies`.
CREATE TABLE mapping_texts (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, first_at INTEGER NOT NULL,
    bytes BLOB NOT NULL, form INTEGER NOT NULL
);
-- By which of them a webhook became what it is; NULL: an earlier version translated it, or none did.
ALTER TABLE webhooks ADD COLUMN mapping INTEGER;
-- What the web console signs its sessions with. No backup has it.
CREATE TABLE console_secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- Codes that log in once: the SHA-256 of each, that of the key that it stands for, and until when. No backup has them.
CREATE TABLE login_codes (digest BLOB PRIMARY KEY, key BLOB NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
