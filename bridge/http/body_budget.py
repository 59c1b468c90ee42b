"""The bytes of request bodies that one process holds at once: in all, of large bodies, and of one peer.

A byte counts from its arrival until its body is kept or refused. A declared length can only refuse a body early; it
reserves nothing, so that a body that never arrives takes no room. `peer_address` says who a peer is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

from starlette.types import Scope

from bridge.http.body import SMALL, BodyError

USUAL = 24 * 1024 * 1024
"""Bytes: with two processes and the memory of their connections, an attack takes less than 100 MB."""
PARTS = 4
"""One part, a quarter, is left to small bodies, and the large bodies of one peer may hold one part."""


class BudgetExceeded(BodyError):
    """The budget has no room for a body. `why` names the bound, for the operator; the text is for the caller."""

    status = 503
    reason = "no_room"
    headers: ClassVar = {"Retry-After": "5"}

    def __init__(self, why: str) -> None:
        super().__init__("too many bodies arrive at once; send it again later")
        self.why = why


class BodyBudget:
    """`total` bytes for one process. `peer` says who sent a request, None for a peer without a share of its own.

    Bodies over 64 KiB hold three quarters at most, and those of one peer a quarter while they arrive. Small bodies have
    no share: one that is still arriving is dropped if another body needs its room, the one that began first before
    the others. A genuine small webhook arrives within moments, and one that is slow on purpose is the oldest soon. So
    genuine small webhooks find room even where all requests arrive through a proxy that is not configured as one.
    """

    def __init__(self, total: int = USUAL, *, peer: Callable[[Scope], str | None] = lambda _scope: None) -> None:
        self.total = total
        self.share = total // PARTS
        self.most_large = total - total // PARTS
        self.peer = peer
        self.held = 0
        self.held_large = 0
        self.held_by: dict[str, int] = {}
        """Bytes of large bodies that are arriving, by peer; peers without any are not in it."""
        self.small_arriving: dict[BudgetClaim, None] = {}
        """The small bodies that can be dropped, the oldest first."""

    def claim_for(self, scope: Scope | None = None) -> BudgetClaim:
        """Returns a claim for one request's body, released at the end of a `with` statement.

        `scope` is that of a request whose sender has proved nothing yet; None means that the sender has no share.
        """
        return BudgetClaim(self, scope)


class BudgetClaim:
    """One request's share of a budget: a `bridge.http.body.BodyClaim`, and a context manager that releases it."""

    __slots__ = ("_budget", "_drop", "_large", "_peer", "_scope", "_sender", "size")

    def __init__(self, budget: BodyBudget, scope: Scope | None) -> None:
        self._budget = budget
        self._scope = scope
        self._sender: str | None = None
        self._peer: str | None = None
        self._large = False
        self._drop: Callable[[], None] | None = None
        self.size = 0

    def expect_size(self, size: int) -> None:
        """Raises BudgetExceeded if a body of this size would not fit now; reserves nothing."""
        if size > SMALL:
            self._require_room(size, self._of_whom())

    def start_receiving(self, size: int | None, *, drop: Callable[[], None]) -> None:
        """The body is waited for: it declares `size` bytes, or none, and then it may become large.

        `drop` ends the wait for a small body whose room another needs; `add_bytes` raises BudgetExceeded from then on.
        """
        self._large = size is None or size > SMALL
        if self._large:
            self._peer = self._of_whom()
        else:
            self._drop = drop
            self._budget.small_arriving[self] = None

    def add_bytes(self, size: int) -> None:
        """Count `size` more bytes. Raises BudgetExceeded, and then they are not counted and must not be kept."""
        budget = self._budget
        if self._drop is None:
            self._large = self._large or size > SMALL
        elif self not in budget.small_arriving:
            raise BudgetExceeded("small bodies that arrive slowly make room for others")
        if self._large:
            self._require_room(size, self._peer)
        while budget.held + size > budget.total:
            self._drop_oldest()
        self._count_bytes(size)

    def mark_complete(self) -> None:
        """The body is complete: it counts no longer to its peer, and is not dropped."""
        if self._peer is not None:
            self._count_peer(self._peer, -self.size)
            self._peer = None
        if self._drop is not None:
            self._budget.small_arriving.pop(self, None)
            self._drop = None

    def give_way(self) -> None:
        """Release the bytes of this small body, and end the wait for its rest."""
        self._budget.small_arriving.pop(self)
        self._count_bytes(-self.size)
        if self._drop is not None:
            self._drop()

    def release_bytes(self) -> None:
        """Release all bytes."""
        self.mark_complete()
        self._count_bytes(-self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release_bytes()

    def _of_whom(self) -> str | None:
        """The peer; it is found once, since that takes as long as the rest of a refusal."""
        if self._scope is not None:
            self._sender = self._budget.peer(self._scope)
            self._scope = None
        return self._sender

    def _require_room(self, size: int, peer: str | None) -> None:
        """Raises BudgetExceeded if a large body may not hold `size` more bytes."""
        budget = self._budget
        if budget.held_large + size > budget.most_large:
            raise BudgetExceeded(f"bodies over 64 KiB hold {budget.held_large} bytes; raise BRIDGE_BODY_BUDGET")
        if peer is not None and budget.held_by.get(peer, 0) + size > budget.share:
            raise BudgetExceeded(
                f"bodies of one address hold its share of {budget.share} bytes; if that address is your proxy's, "
                "name it"
                " in BRIDGE_TRUSTED_PROXIES, else raise BRIDGE_BODY_BUDGET"
            )

    def _drop_oldest(self) -> None:
        """Drop the small body that has been arriving for longest. Raises BudgetExceeded if there is no other."""
        budget = self._budget
        oldest = next((claim for claim in budget.small_arriving if claim is not self), None)
        if oldest is None:
            raise BudgetExceeded(f"bodies hold all {budget.total} bytes; raise BRIDGE_BODY_BUDGET")
        oldest.give_way()

    def _count_bytes(self, size: int) -> None:
        self.size += size
        self._budget.held += size
        if self._large:
            self._budget.held_large += size
        if self._peer is not None:
            self._count_peer(self._peer, size)

    def _count_peer(self, peer: str, size: int) -> None:
        held = self._budget.held_by.pop(peer, 0) + size
        if held:
            self._budget.held_by[peer] = held
