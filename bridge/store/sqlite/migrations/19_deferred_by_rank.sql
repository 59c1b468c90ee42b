-- The richest of the webhooks whose wait is over are decided on first, each rank in the order of their times.
CREATE INDEX deferred_by_rank ON deferred (rank, at);
