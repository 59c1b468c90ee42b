"""Who comes is written in groups: one alone waits for nobody, a few that come close together are written together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bridge.store.sqlite.db.callbacks import Then
from bridge.store.sqlite.ingest import group_commit
from bridge.store.sqlite.ingest.group_commit import Arrivals


class Writer:
    """Takes groups, and answers them when told to, or at once."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.groups: list[list[str]] = []
        self._at_once = at_once
        self._thens: list[Then[str]] = []
        self.arrivals: Arrivals[str, str] = Arrivals(self.ask, limit=100, patience=60.0)

    def ask(self, group: Sequence[str], _since: float, then: Then[str]) -> None:
        self.groups.append(list(group))
        if self._at_once:
            asyncio.get_running_loop().call_soon(then, list(group))
        else:
            self._thens.append(then)

    def answer(self) -> None:
        """Answer the oldest group that waits."""
        then = self._thens.pop(0)
        then(self.groups[-1 - len(self._thens)])

    async def asked(self, count: int) -> None:
        """Return when so many groups have come."""
        while len(self.groups) < count:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.001)


def brought(writer: Writer, *names: str) -> list[asyncio.Future[str]]:
    return [writer.arrivals.bring(name) for name in names]


def test_whoever_comes_one_after_the_other_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "CLOSE", 3600.0)

    async def story() -> None:
        writer = Writer(at_once=True)
        for name in ("a", "b", "c"):
            assert await writer.arrivals.bring(name) == name
        assert writer.groups == [["a"], ["b"], ["c"]]

    asyncio.run(story())


def test_where_a_few_come_while_others_are_written_the_loop_rests_until_more_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        writer = Writer()
        futures = brought(writer, "a")
        rests: list[float] = []

        def rest(seconds: float) -> None:
            rests.append(seconds)
            futures.extend(brought(writer, "c"))

        monkeypatch.setattr("bridge.store.sqlite.ingest.group_commit.time.sleep", rest)
        monkeypatch.setattr(group_commit, "CLOSE", 3600.0)
        await writer.asked(1)
        futures.extend(brought(writer, "b"))
        writer.answer()
        await writer.asked(2)
        assert writer.groups == [["a"], ["b", "c"]]
        assert [0 < seconds <= 3600 for seconds in rests] == [True]
        writer.answer()
        assert await asyncio.gather(*futures) == ["a", "b", "c"]

    asyncio.run(story())


def test_those_who_come_again_together_wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "CLOSE", 3600.0)

    async def story() -> None:
        writer = Writer(at_once=True)
        for _ in range(5):
            assert await asyncio.gather(*brought(writer, "a", "b", "c")) == ["a", "b", "c"]
        assert writer.groups == [["a", "b", "c"]] * 5

    asyncio.run(story())


def test_fewer_than_of_late_are_waited_with_until_so_few_are_what_is_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[int] = []

    async def story() -> None:
        writer = Writer(at_once=True)
        monkeypatch.setattr(
            "bridge.store.sqlite.ingest.group_commit.time.sleep", lambda _: rests.append(len(writer.groups))
        )
        monkeypatch.setattr(group_commit, "CLOSE", 3600.0)
        await asyncio.gather(*brought(writer, "a", "b", "c", "d"))
        for _ in range(5):
            await asyncio.gather(*brought(writer, "a", "b"))
        assert rests == [1, 2], "four came, then they were taken for three, then for two"

    asyncio.run(story())


def test_who_is_left_over_of_a_crowd_waits_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    async def story() -> None:
        writer = Writer(at_once=True)
        monkeypatch.setattr("bridge.store.sqlite.ingest.group_commit.time.sleep", rests.append)
        monkeypatch.setattr(group_commit, "CLOSE", 3600.0)
        monkeypatch.setattr(group_commit, "CLOSE_CROWD", 60.0)
        await asyncio.gather(*brought(writer, *[str(number) for number in range(group_commit.CROWD)]))
        await asyncio.gather(*brought(writer, "a", "b"))
        await asyncio.gather(*brought(writer, "c", "d"))
        assert [seconds > 60 for seconds in rests] == [False, True]

    asyncio.run(story())


def test_more_than_a_few_wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "CLOSE", 3600.0)

    async def story() -> None:
        writer = Writer()
        futures = brought(writer, "a")
        await writer.asked(1)
        crowd = [f"b-{number}" for number in range(group_commit.FEW)]
        futures += brought(writer, *crowd)
        writer.answer()
        await writer.asked(2)
        assert writer.groups[1] == crowd
        writer.answer()
        await asyncio.gather(*futures)

    asyncio.run(story())
