-- The newest refresh token of each destination that asks for access tokens with one, sealed with BRIDGE_SEAL_KEY; NULL
-- where none was kept yet. `given` is the SHA-256 of the one in the settings that it took the place of. `holder` uses it
-- until `held_until`: nobody else may, as it is good once.
CREATE TABLE refresh_tokens (
    destination TEXT PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB, given BLOB, holder TEXT, held_until INTEGER
) WITHOUT ROWID;
