-- What the ledger learned and has not entered yet, as `recent.py` reads it. `until` counts the entries up to here.
CREATE TABLE recent (
    number INTEGER PRIMARY KEY AUTOINCREMENT, nonce INTEGER NOT NULL, until INTEGER NOT NULL,
    sorted INTEGER NOT NULL, entries BLOB NOT NULL
);
