-- An event whose delivery to a destination follows another event of its order, as a refund follows its purchase: under
-- the ledger's key of each that it may follow. `verdict` is what the platform said later of the request whose answer left
-- `note`: '' where it took all of it.
CREATE TABLE followers (
    destination TEXT NOT NULL, key BLOB NOT NULL, event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
    note TEXT, verdict TEXT, PRIMARY KEY (destination, key, event)
) WITHOUT ROWID;
CREATE INDEX followers_event ON followers (event);
