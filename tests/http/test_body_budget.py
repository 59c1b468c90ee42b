"""The bytes of bodies that a process holds: never more than the budget, never a byte that nobody holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from bridge.http.body import SMALL
from bridge.http.body_budget import MOMENT, PARTS, BodyBudget, BudgetClaim, BudgetExceeded

TOTAL = 16 * SMALL
PART = TOTAL // PARTS
PEERS = ("a", "b", None)
sizes = st.integers(0, SMALL)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def budget_for(total: int = TOTAL, clock: Clock | None = None) -> BodyBudget:
    return BodyBudget(total, peer=lambda scope: scope["peer"], now=clock or Clock())


class Bodies(RuleBasedStateMachine):
    """Bodies that arrive, are kept and go, in any order, and an account of our own beside the budget's."""

    arriving: Bundle[BudgetClaim] = Bundle("arriving")
    whole: Bundle[BudgetClaim] = Bundle("whole")

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.budget = budget_for(clock=self.clock)
        self.held: dict[BudgetClaim, int] = {}
        self.large: set[BudgetClaim] = set()
        self.peer: dict[BudgetClaim, str] = {}
        self.dropped: list[BudgetClaim] = []
        self.order: list[BudgetClaim] = []
        self.since: dict[BudgetClaim, float] = {}
        self.whose: dict[BudgetClaim, str | None] = {}

    @rule(seconds=st.sampled_from([1.0, MOMENT / 2, 2 * MOMENT]))
    def time_passes(self, seconds: float) -> None:
        self.clock.seconds += seconds

    @rule(target=arriving, peer=st.sampled_from(PEERS), size=st.just(0) | st.integers(1, 3 * SMALL))
    def arrives(self, peer: str | None, size: int) -> BudgetClaim:
        claim = self.budget.claim_for({"peer": peer})
        claim.start_receiving(size, drop=lambda: self.drop(claim))
        self.held[claim] = 0
        self.whose[claim] = peer
        self.order.append(claim)
        if size > SMALL:
            self.is_large(claim)
        return claim

    def is_large(self, claim: BudgetClaim) -> None:
        self.large.add(claim)
        if claim in self.order:
            self.order.remove(claim)
            self.since[claim] = self.clock.seconds
            peer = self.whose[claim]
            if peer is not None:
                self.peer[claim] = peer

    def of_peer(self, claim: BudgetClaim) -> int:
        return sum(self.held[one] for one, peer in self.peer.items() if peer == self.peer.get(claim))

    def drop(self, claim: BudgetClaim) -> None:
        assert claim is not self.adding
        if claim in self.large:
            slow = self.clock.seconds - self.since.pop(claim) > MOMENT
            assert slow or self.of_peer(claim) > self.of_peer(self.adding), "neither slow nor of one who holds more"
            self.peer.pop(claim, None)
        else:
            assert claim is next(one for one in self.order if one is not self.adding), "not the oldest"
            self.order.remove(claim)
        self.held[claim] = 0
        self.dropped.append(claim)

    def add(self, claim: BudgetClaim, size: int) -> bool:
        self.adding = claim
        try:
            claim.add_bytes(size)
        except BudgetExceeded:
            return False
        if claim not in self.large and self.held[claim] + size > SMALL:
            self.is_large(claim)
        self.held[claim] += size
        return True

    @rule(claim=arriving, size=sizes)
    def more_arrives(self, claim: BudgetClaim, size: int) -> None:
        taken = self.add(claim, size)
        if claim in self.dropped:
            assert not taken
        elif claim not in self.large and sum(self.held.values()) - sum(self.held[one] for one in self.order) == 0:
            assert taken, "no room for a small body, though nothing else is held"

    @rule(target=whole, size=st.integers(0, 3 * SMALL))
    def is_there_at_once(self, size: int) -> BudgetClaim:
        claim = self.budget.claim_for({"peer": "a"})
        self.held[claim] = 0
        self.add(claim, size)
        return claim

    @rule(target=whole, claim=consumes(arriving))
    def is_whole(self, claim: BudgetClaim) -> BudgetClaim:
        claim.mark_complete()
        self.peer.pop(claim, None)
        self.since.pop(claim, None)
        if claim in self.order:
            self.order.remove(claim)
        return claim

    @rule(claim=consumes(arriving) | consumes(whole))
    def goes(self, claim: BudgetClaim) -> None:
        with claim:
            pass
        self.peer.pop(claim, None)
        self.since.pop(claim, None)
        if claim in self.order:
            self.order.remove(claim)
        del self.held[claim]

    @invariant()
    def the_account_is_exact(self) -> None:
        if not hasattr(self, "budget"):
            return
        by_peer: dict[str, int] = {}
        for claim, peer in self.peer.items():
            if self.held[claim]:
                by_peer[peer] = by_peer.get(peer, 0) + self.held[claim]
        assert self.budget.held == sum(self.held.values()) <= TOTAL
        assert self.budget.held_large == sum(self.held[one] for one in self.large & self.held.keys())
        assert self.budget.held_large <= TOTAL * 3 // 4
        assert self.budget.held_by == by_peer
        assert all(size <= TOTAL // 4 for size in by_peer.values())
        assert list(self.budget.small_arriving) == self.order
        assert self.budget.large_arriving == self.since

    def teardown(self) -> None:
        if not hasattr(self, "budget"):
            return
        for claim in self.held:
            claim.release_bytes()
        assert (self.budget.held, self.budget.held_large) == (0, 0)
        assert not self.budget.held_by
        assert not self.budget.small_arriving
        assert not self.budget.large_arriving


TestBodies: Any = Bodies.TestCase


def filled(budget: BodyBudget, peer: str | None, *, part: int = SMALL) -> int:
    """How many bytes of large bodies a peer gets in before there is no room."""
    size = 0
    while True:
        claim = budget.claim_for({"peer": peer})
        claim.start_receiving(SMALL + 1, drop=lambda: None)
        try:
            claim.add_bytes(part)
        except BudgetExceeded:
            return size
        size += part


def test_one_peer_gets_a_quarter_and_all_together_three_quarters_for_large_bodies() -> None:
    budget = budget_for()
    assert filled(budget, "a") == PART
    assert filled(budget, None, part=PART) == 2 * PART
    assert filled(budget, "b", part=PART) == 0


def test_peers_who_want_more_than_there_is_room_for_hold_alike() -> None:
    budget = budget_for()
    for peer in ("a", "b", "c"):
        assert filled(budget, peer) == PART
    filled(budget, "d")
    assert budget.held_by == dict.fromkeys("abcd", 3 * PART // 4)


def test_small_bodies_find_room_when_large_ones_have_taken_all_they_may() -> None:
    budget = budget_for()
    filled(budget, None)
    for _ in range(4):
        budget.claim_for({"peer": "a"}).add_bytes(SMALL)
    with pytest.raises(BudgetExceeded) as caught:
        budget.claim_for({"peer": "a"}).add_bytes(1)
    assert caught.value.headers == {"Retry-After": "5"}
    assert "BRIDGE_BODY_BUDGET" in caught.value.why


def test_a_length_that_is_only_declared_takes_no_room_and_is_refused_where_it_finds_none() -> None:
    budget = budget_for()
    for _ in range(100):
        budget.claim_for({"peer": "a"}).expect_size(TOTAL // 4)
    assert budget.held == 0
    filled(budget, "a")
    with pytest.raises(BudgetExceeded, match="too many bodies"):
        budget.claim_for({"peer": "a"}).expect_size(SMALL + 1)
    budget.claim_for({"peer": "a"}).expect_size(SMALL)
    budget.claim_for({"peer": "b"}).expect_size(SMALL + 1)


def test_a_share_that_is_used_up_names_the_setting_for_proxies() -> None:
    budget = budget_for()
    filled(budget, "a")
    with pytest.raises(BudgetExceeded) as caught:
        budget.claim_for({"peer": "a"}).expect_size(SMALL + 1)
    assert "BRIDGE_TRUSTED_PROXIES" in caught.value.why


def test_slow_small_bodies_make_room_the_oldest_first() -> None:
    budget, dropped = budget_for(), list[int]()

    def note(number: int) -> Callable[[], None]:
        return lambda: dropped.append(number)

    claims = [budget.claim_for({"peer": "a"}) for _ in range(20)]
    for number, claim in enumerate(claims):
        claim.start_receiving(SMALL, drop=note(number))
        claim.add_bytes(SMALL)
    assert dropped == [0, 1, 2, 3]
    with pytest.raises(BudgetExceeded):
        claims[0].add_bytes(1)


def test_a_body_that_is_whole_is_never_dropped() -> None:
    budget = budget_for(2 * SMALL)
    first, second = budget.claim_for(), budget.claim_for()
    first.start_receiving(SMALL, drop=lambda: pytest.fail("dropped"))
    first.add_bytes(SMALL)
    first.mark_complete()
    second.start_receiving(SMALL, drop=lambda: None)
    second.add_bytes(SMALL)
    with pytest.raises(BudgetExceeded):
        budget.claim_for().add_bytes(SMALL + 1)
    third = budget.claim_for()
    third.add_bytes(SMALL)  # the second makes room
    assert budget.held == 2 * SMALL


def test_the_peer_of_a_request_is_found_once() -> None:
    asked: list[Any] = []

    def peer(scope: Any) -> str:
        asked.append(scope)
        return "a"

    budget = BodyBudget(TOTAL, peer=peer)
    with budget.claim_for({"type": "http"}) as claim:
        claim.expect_size(2 * SMALL)
        claim.start_receiving(2 * SMALL, drop=lambda: None)
        claim.add_bytes(2 * SMALL)
        assert budget.held_by == {"a": 2 * SMALL}
    assert len(asked) == 1
    assert budget.held_by == {}


def stalled(budget: BodyBudget, peer: str | None, size: int, dropped: list[str | None]) -> BudgetClaim:
    """A large body of which `size` bytes have come; when it is dropped, its peer is in `dropped`."""
    claim = budget.claim_for({"peer": peer})
    claim.start_receiving(max(size, SMALL + 1), drop=lambda: dropped.append(peer))
    claim.add_bytes(size)
    return claim


@pytest.mark.parametrize("peer", [None, "d"])
def test_large_bodies_that_stall_make_room_the_oldest_first(peer: str | None) -> None:
    clock, dropped = Clock(), list[str | None]()
    budget = budget_for(clock=clock)
    first = stalled(budget, "a", PART, dropped)
    clock.seconds += 1
    for one in ("b", "c"):
        stalled(budget, one, PART, dropped)
    clock.seconds += MOMENT
    claim = budget.claim_for({"peer": peer})
    claim.expect_size(PART)
    assert dropped == [], "a length that is only declared drops nobody"
    claim.start_receiving(PART, drop=lambda: None)
    claim.add_bytes(PART)
    assert dropped == ["a"]
    with pytest.raises(BudgetExceeded) as caught:
        first.add_bytes(1)
    assert caught.value.headers == {"Retry-After": "5"}
    assert budget.held_large == 3 * PART


def test_a_large_body_that_has_just_begun_does_not_make_room_for_one_whose_peer_holds_no_less() -> None:
    clock, dropped = Clock(), list[str | None]()
    budget = budget_for(clock=clock)
    for peer in ("a", "b", "c"):
        stalled(budget, peer, PART, dropped)
    clock.seconds += MOMENT
    with pytest.raises(BudgetExceeded):
        budget.claim_for({"peer": "d"}).expect_size(PART)
    with pytest.raises(BudgetExceeded):
        stalled(budget, "d", PART, dropped)
    assert dropped == []


def test_the_peer_that_holds_most_makes_room_at_once_for_one_that_would_hold_less() -> None:
    dropped = list[str | None]()
    budget = budget_for()
    for peer, size in (("a", PART - 1), ("b", PART), ("c", PART), ("d", 1)):
        stalled(budget, peer, size, dropped)
    budget.claim_for({"peer": "e"}).expect_size(SMALL + 1)
    stalled(budget, "e", SMALL + 1, dropped)
    assert dropped == ["b"]


def test_a_share_that_is_used_up_is_made_room_in_by_its_own_slow_bodies_only() -> None:
    clock, dropped = Clock(), list[str | None]()
    budget = budget_for(clock=clock)
    stalled(budget, "a", PART, dropped)
    stalled(budget, "b", PART, dropped)
    with pytest.raises(BudgetExceeded):
        stalled(budget, "b", SMALL + 1, dropped)
    clock.seconds += 2 * MOMENT
    budget.claim_for({"peer": "b"}).expect_size(SMALL + 1)
    stalled(budget, "b", SMALL + 1, dropped)
    assert dropped == ["b"]


def test_while_there_is_room_a_large_body_may_be_as_slow_as_it_likes() -> None:
    clock = Clock()
    budget = budget_for(clock=clock)
    claim = budget.claim_for({"peer": "a"})
    claim.start_receiving(PART, drop=lambda: pytest.fail("dropped"))
    for _ in range(PART // SMALL):
        clock.seconds += MOMENT
        claim.add_bytes(SMALL)
        stalled(budget, "b", SMALL, []).release_bytes()
    claim.mark_complete()
    clock.seconds += 2 * MOMENT
    filled(budget, None)
    assert claim.size == PART, "and once it is whole it stays"


def test_a_body_of_undeclared_length_is_small_until_it_has_passed_64_kib() -> None:
    budget = budget_for()
    filled(budget, None)
    claim = budget.claim_for({"peer": "a"})
    claim.start_receiving(0, drop=lambda: None)
    claim.add_bytes(1)
    claim.add_bytes(SMALL - 1)
    with pytest.raises(BudgetExceeded):
        claim.add_bytes(1)
    assert (claim.size, budget.held_large, budget.held_by) == (SMALL, 3 * PART, {})


def test_a_body_of_undeclared_length_that_passes_64_kib_counts_as_large_with_all_it_holds() -> None:
    budget = budget_for()
    claim = budget.claim_for({"peer": "a"})
    claim.start_receiving(0, drop=lambda: None)
    claim.add_bytes(SMALL)
    assert (budget.held_large, budget.held_by) == (0, {})
    claim.add_bytes(1)
    assert (budget.held_large, budget.held_by) == (SMALL + 1, {"a": SMALL + 1})
    with pytest.raises(BudgetExceeded):
        claim.add_bytes(PART - SMALL)
