"""The bytes of request bodies that one process holds at once: in all, of large bodies, and of one peer.

A byte counts from its arrival until its body is kept or refused. A declared length can only refuse a body early; it
reserves nothing, so that a body that never arrives takes no room. `peer_address` says who a peer is.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import ClassVar, Self

from starlette.types import Scope

from bridge.http.body import SMALL, BodyError

USUAL = 24 * 1024 * 1024
"""Bytes: with two processes and the memory of their connections, an attack takes less than 100 MB."""
PARTS = 4
"""One part, a quarter, is left to small bodies, and the large bodies of one peer may hold one part."""
MOMENT = 3.0
"""Seconds: a genuine body is there sooner, and one that is not gives way where another body needs its room."""


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

    Bodies over 64 KiB hold three quarters at most, and those of one peer a quarter while they arrive. A body is large
    if it declares so, or once it has passed 64 KiB; until then it is small.

    A body that is still arriving is dropped if another needs its room. Among small bodies it is the one that began
    first before the others: a genuine small webhook arrives within moments, and one that is slow on purpose is the
    oldest soon. Among large bodies it is the one that has been large for longest, if that is over MOMENT; else the
    oldest of the peer that holds most, if that is more than the newcomer's peer would hold. Where a peer's own share is
    used up, only its own bodies of over MOMENT give way. While there is room nobody does, however slow.

    So genuine small webhooks find room even where all requests arrive through a proxy that is not configured as one,
    and genuine large ones beside strangers who hold more and stall. `now` is a clock in seconds that never goes back.
    """

    def __init__(
        self,
        total: int = USUAL,
        *,
        peer: Callable[[Scope], str | None] = lambda _scope: None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.total = total
        self.share = total // PARTS
        self.most_large = total - total // PARTS
        self.peer = peer
        self.now = now
        self.held = 0
        self.held_large = 0
        self.held_by: dict[str, int] = {}
        """Bytes of large bodies that are arriving, by peer; peers without any are not in it."""
        self.small_arriving: dict[BudgetClaim, None] = {}
        """The small bodies that can be dropped, the oldest first."""
        self.large_arriving: dict[BudgetClaim, float] = {}
        """The large bodies that can be dropped, and since when they are large, the oldest first."""

    def claim_for(self, scope: Scope | None = None) -> BudgetClaim:
        """Returns a claim for one request's body, released at the end of a `with` statement.

        `scope` is that of a request whose sender has proved nothing yet; None means that the sender has no share.
        """
        return BudgetClaim(self, scope)


class BudgetClaim:
    """One request's share of a budget: a `bridge.http.body.BodyClaim`, and a context manager that releases it."""

    __slots__ = ("_budget", "_drop", "_gave_way", "_large", "_peer", "_scope", "_sender", "size")

    def __init__(self, budget: BodyBudget, scope: Scope | None) -> None:
        self._budget = budget
        self._scope = scope
        self._sender: str | None = None
        self._peer: str | None = None
        self._large = False
        self._drop: Callable[[], None] | None = None
        self._gave_way = False
        self.size = 0

    def expect_size(self, size: int) -> None:
        """Raises BudgetExceeded if a body of this size would find no room now; reserves nothing, and drops nobody."""
        if size > SMALL:
            self._find_obstacle(size, self._of_whom())

    def start_receiving(self, size: int, *, drop: Callable[[], None]) -> None:
        """The body is waited for: it declares `size` bytes, or 0 if it declares none.

        `drop` ends the wait for a body whose room another needs; `add_bytes` raises BudgetExceeded from then on.
        """
        self._drop = drop
        if size > SMALL:
            self._become_large()
        else:
            self._budget.small_arriving[self] = None

    def add_bytes(self, size: int) -> None:
        """Count `size` more bytes. Raises BudgetExceeded, and then they are not counted and must not be kept."""
        budget = self._budget
        if self._gave_way:
            raise BudgetExceeded("bodies that arrive slowly make room for others; raise BRIDGE_BODY_BUDGET")
        becomes_large = not self._large and self.size + size > SMALL
        if self._large or becomes_large:
            self._make_room(self.size + size if becomes_large else size)
        while budget.held + size > budget.total:
            self._drop_oldest()
        if becomes_large:
            self._become_large()
        self._count_bytes(size)

    def mark_complete(self) -> None:
        """The body is complete: it counts no longer to its peer, and is not dropped."""
        if self._peer is not None:
            self._count_peer(self._peer, -self.size)
            self._peer = None
        self._drop = None
        self._budget.small_arriving.pop(self, None)
        self._budget.large_arriving.pop(self, None)

    def give_way(self) -> None:
        """Release the bytes of this body, and end the wait for its rest."""
        drop = self._drop
        self.release_bytes()
        self._gave_way = True
        if drop is not None:
            drop()

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

    def _become_large(self) -> None:
        """Count what has arrived as a large body's; if more is waited for, to its peer as well."""
        budget = self._budget
        self._large = True
        budget.held_large += self.size
        if self._drop is not None:
            budget.small_arriving.pop(self, None)
            budget.large_arriving[self] = budget.now()
            self._peer = self._of_whom()
            if self._peer is not None:
                self._count_peer(self._peer, self.size)

    def _make_room(self, size: int) -> None:
        """Drop large bodies until this one may hold `size` more bytes. Raises BudgetExceeded."""
        peer = None if self._drop is None else self._of_whom()
        while (obstacle := self._find_obstacle(size, peer)) is not None:
            obstacle.give_way()

    def _find_obstacle(self, size: int, peer: str | None) -> BudgetClaim | None:
        """The large body to drop first for `size` bytes of a large body, None if there is room for them.

        Raises BudgetExceeded if there is none, and none gives way.
        """
        budget = self._budget
        held = budget.held_by.get(peer, 0) if peer is not None else self.size * self._large
        if peer is not None and held + size > budget.share:
            obstacle = self._find_slow(peer)
            if obstacle is None:
                raise BudgetExceeded(
                    f"bodies of one address hold its share of {budget.share} bytes; if that address is your proxy's, "
                    "name it in BRIDGE_TRUSTED_PROXIES, else raise BRIDGE_BODY_BUDGET"
                )
            return obstacle
        if budget.held_large + size <= budget.most_large:
            return None
        obstacle = self._find_slow() or self._find_of_greediest(held + size)
        if obstacle is None:
            raise BudgetExceeded(f"bodies over 64 KiB hold {budget.held_large} bytes; raise BRIDGE_BODY_BUDGET")
        return obstacle

    def _find_slow(self, peer: str | None = None) -> BudgetClaim | None:
        """The body, of a peer if it is given, that has been large for longest, if that is over MOMENT."""
        budget = self._budget
        latest = budget.now() - MOMENT
        for claim, since in budget.large_arriving.items():
            if since >= latest:
                return None
            if claim is not self and (peer is None or claim._peer == peer):  # noqa: SLF001  of the same class
                return claim
        return None

    def _find_of_greediest(self, wanted: int) -> BudgetClaim | None:
        """The oldest large body with bytes of the peer that holds most, if that is more than `wanted`."""
        budget = self._budget
        greediest = max(budget.held_by, key=budget.held_by.__getitem__, default=None)
        if greediest is None or budget.held_by[greediest] <= wanted:
            return None
        return next(claim for claim in budget.large_arriving if claim.size and claim._peer == greediest)  # noqa: SLF001

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
