-- An event whose delivery to a destination follows another event of its order, as a refund follows its purchase: under
-- the ledger's key of each that it may follow. `verdict` is what the platform said later of the request whose answer left
-- `note`: '' where it took all of it.
CREATE TABLE followers (
    destination text NOT NULL, key uuid NOT NULL, event bigint NOT NULL, note text, verdict text,
    PRIMARY KEY (destination, key, event)
);
CREATE INDEX followers_event ON followers (event);
