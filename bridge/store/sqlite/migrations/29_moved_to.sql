-- Where the store is being moved to, or was moved: it takes nothing more. `history` is how much of it goes along, as it was
-- typed; `token` names the move on both sides.
CREATE TABLE moved_to (
    one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT NOT NULL, target TEXT NOT NULL, history TEXT NOT NULL,
    begun_at INTEGER NOT NULL, finished_at INTEGER
);
