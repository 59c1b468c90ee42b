"""Counts by state: each transaction appends what it changes, so that no row is written by all; they are added up here.

Two processes may do so at once: each takes the changes that the other has not.
"""

from __future__ import annotations

from bridge.store.postgres.db.transaction import Transaction

FOLDED = 1_000
"""Changes that one step adds up."""
FOLD_EVERY = 64
"""Claims of batches after which a step is taken."""


def fold_step(transaction: Transaction) -> None:
    """Add changes up in the counts."""
    transaction.execute(
        """
        WITH changes AS (
            DELETE FROM count_changes WHERE number IN (
                SELECT number FROM count_changes ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED
            ) RETURNING *
        )
        INSERT INTO counts
        SELECT one.of, one.name, one.state, sum(one.n)
        FROM changes AS c, unnest(c.of, c.name, c.state, c.n) AS one (of, name, state, n)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (of, name, state) DO UPDATE SET n = counts.n + excluded.n
        """,
        (FOLDED,),
    )
