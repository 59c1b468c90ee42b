"""Claims batches of webhooks to be translated: of parcels, or rows that are due; if there are both, by turns."""

from __future__ import annotations

from datetime import timedelta

from bridge.store.postgres.db.transaction import Transaction
from bridge.store.postgres.tables import conversions, counts, parcels, webhooks
from bridge.store.protocol import Batch

_NOT_FLUSHED = "SELECT set_config('synchronous_commit', 'off', true)"
"""Lets a claim be committed before it is flushed, and before a standby has it. Where a crash of the server takes it
back, who has claimed finds its lease gone, and nothing is done twice."""


class BatchClaims:
    """Knows what the last claim of this process found, and when counts are added up, which goes with a claim."""

    def __init__(self, node: int) -> None:
        self._node = node
        self._took_parcels = False
        self._found_nothing = False
        self._count = 0

    def look_is_enough(self) -> bool:
        """Whether a look comes before this claim: the last one found nothing, and no counts are to be added up yet."""
        self._count += 1
        return self._found_nothing and self._count < counts.FOLD_EVERY

    def claim(self, transaction: Transaction, *, limit: int, lease: timedelta) -> Batch:
        """A batch of either kind."""
        batch = self._take_parcels(transaction, limit=limit, lease=lease)
        if batch is None:
            self._took_parcels = False
            rows, looked_until = webhooks.claim_webhooks(transaction, limit=limit, lease=lease)
            known = conversions.find_awaited(transaction, [one.number for one in rows]) if rows else {}
            batch = Batch(rows, known=known, looked_until=looked_until)
        self._found_nothing = not batch.webhooks
        return batch

    def take_parcels(self, transaction: Transaction, *, limit: int, lease: timedelta) -> Batch | None:
        """The webhooks of parcels; None where there are none, and where it is the turn of rows that are due."""
        self._count += 1
        return self._take_parcels(transaction, limit=limit, lease=lease)

    def give_turn(self) -> None:
        """The next claim takes parcels first."""
        self._took_parcels = False

    def _take_parcels(self, transaction: Transaction, *, limit: int, lease: timedelta) -> Batch | None:
        transaction.execute(_NOT_FLUSHED)
        transaction.ask_numbers(1)  # for the token
        if self._count >= counts.FOLD_EVERY and not counts.fold_step(transaction):
            self._count = 0  # else there are more, which the next claim adds up
        if self._took_parcels and webhooks.has_work(transaction):
            return None
        taken, found = parcels.take_parcels(transaction, node=self._node, limit=limit, lease=lease)
        if not found:
            return None
        self._took_parcels = True
        return Batch(found, taken)
