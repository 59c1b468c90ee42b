"""Moves a SQLite store to a PostgreSQL server, from the first row to the comparison of both sides.

Ended at any point, it goes on when it is started again: the source has the move's token, the target how far each table
has come.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from bridge.core.errors import SettingsError, StoreUnusable
from bridge.store.codec.columns import to_ms, to_ms_up
from bridge.store.moving import source as sources
from bridge.store.moving.counters import gather_counts
from bridge.store.moving.source import MovingSource, opened_source, place_of
from bridge.store.moving.table_copies import COPIES, TableCopy
from bridge.store.moving.target import ArrivedMove, MovingTarget, TablePlace, opened_target
from bridge.store.sqlite.db import serve_lock
from bridge.store.sqlite.db.moved_mark import MovedMark

HISTORIES: Mapping[str, timedelta | None] = {"all": None, "30d": timedelta(days=30), "none": timedelta()}
"""How much history may go along: how far back, None for all of it."""


@dataclass(frozen=True, slots=True)
class MoveProgress:
    """Rows that have come so far, of how many, and with this step; `of_kind` is how many there are of this `kind`."""

    kind: str
    moved: int
    of: int
    by_step: int = 0
    of_kind: int = 0
    is_table_done: bool = False

    @property
    def before(self) -> int:
        """Rows that had come before this step."""
        return self.moved - self.by_step


@dataclass(frozen=True, slots=True)
class ComparedCount:
    """How many rows of a kind, in a state, are on both sides."""

    kind: str
    state: str
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What was moved where, and the counts of both sides; `was_done`: it had been moved before."""

    target: str
    counts: tuple[ComparedCount, ...]
    was_done: bool = False

    @property
    def differences(self) -> tuple[ComparedCount, ...]:
        """Where both sides do not agree."""
        return tuple([one for one in self.counts if one.source != one.target])


def move_rows(  # noqa: PLR0913  by name
    path: str,
    url: str,
    *,
    history: str | None,
    now: Callable[[], datetime],
    tell: Callable[[MoveProgress], None],
    durable: bool = True,
) -> MoveResult:
    """Move the store in the file at `path` into the database at `url`, or go on with that; both are compared then.

    The source takes nothing more from the beginning on. Where both sides differ, the move is not finished.
    Raises StoreUnavailable while `serve` runs on the source or the target, or where one of them cannot be used now;
    StoreUnusable where the target is in use already, or the source has moved elsewhere; SettingsError where `history`
    is not what the move began with.
    """
    with (
        serve_lock.locked_for_restore(path),
        opened_source(path) as source,
        opened_target(url, durable=durable) as target,
    ):
        mark = _begin_move(source, target, history=history, now=now)
        if mark.finished_at is not None:
            return MoveResult(target.shown, (), was_done=True)
        source.hold_still(since=_since(mark))
        expected = source.count_rows()
        _copy_tables(source, target, expected, tell)
        total = sum(sum(states.values()) for states in expected.values())
        tell(MoveProgress("counters", total, total))
        target.write_counts(gather_counts(source, target.count_named()))
        target.prepare_reading()
        result = MoveResult(target.shown, _compare_counts(expected, target.count_rows()))
        if not result.differences:
            tell(MoveProgress("comparison", total, total))
            target.finish_move(mark, at=to_ms(now()))
            tell(MoveProgress("end", total, total))
            source.finish_move(mark, at=now())
        return result


def cancel_move(path: str) -> MovedMark:
    """Give up a move that is not finished: the source takes webhooks again. Returns what it was.

    Raises SettingsError where none is under way.
    """
    with serve_lock.locked_for_restore(path), opened_source(path) as source:
        mark = source.mark
        if mark is None:
            raise SettingsError(f"the store {path} is not being moved; there is nothing to cancel")
        if mark.finished_at is not None:
            raise SettingsError(f"the store {path} was moved to {mark.target}, which may have taken webhooks since")
        source.drop_mark()
        return mark


def _begin_move(
    source: MovingSource, target: MovingTarget, *, history: str | None, now: Callable[[], datetime]
) -> MovedMark:
    """The mark of the move under way, on both sides; of one that is finished on the target, on both sides, too."""
    mark, there = source.mark, target.read_move()
    if there is not None and (mark is None or mark.token != there.token):
        raise StoreUnusable(
            f"the store {target.shown} holds what was moved from {there.source}, or a part of it; name an empty "
            "database"
        )
    if mark is not None and there is not None:
        return _continue_move(source, mark, there, history=history)
    if mark is not None and mark.finished_at is not None:
        raise StoreUnusable(f"the store {source.path} was moved to {mark.target} before, and not to {target.shown}")
    target.require_empty()
    if mark is None:
        source.apply_everything()
        mark = MovedMark(secrets.token_hex(8), target.shown, history or "all", to_ms(now()))
    else:  # it was ended before anything was there, or goes to another database now
        mark = replace(mark, target=target.shown, history=history or mark.history)
    source.write_mark(mark)
    target.begin_move(mark, source=str(Path(source.path).absolute()))
    return mark


def _continue_move(source: MovingSource, mark: MovedMark, there: ArrivedMove, *, history: str | None) -> MovedMark:
    if there.finished_at is not None:
        if mark.finished_at is None:  # it was ended between the two
            source.write_mark(replace(mark, finished_at=there.finished_at))
        return replace(mark, finished_at=there.finished_at)
    if history is not None and history != there.history:
        raise SettingsError(f"the move was begun with --history {there.history}; go on with the same")
    return replace(mark, history=there.history)


def _since(mark: MovedMark) -> int:
    """The time from which on history goes along."""
    kept = HISTORIES[mark.history]
    if kept is None:
        return 0
    return mark.begun_at - to_ms_up(kept) if kept else sources.NEVER


def _copy_tables(
    source: MovingSource,
    target: MovingTarget,
    expected: Mapping[str, Mapping[str, int]],
    tell: Callable[[MoveProgress], None],
) -> None:
    places = target.read_places()
    total = sum(sum(states.values()) for states in expected.values())
    moved = sum(place.count for place in places.values())
    for copy in COPIES:
        place = places.get(copy.name, TablePlace())
        while not place.is_done:
            before, place = place, _copy_batch(source, target, copy, place)
            moved += place.count - before.count
            tell(MoveProgress(copy.kind, moved, total, place.count - before.count, place.count, place.is_done))


def _copy_batch(source: MovingSource, target: MovingTarget, copy: TableCopy, place: TablePlace) -> TablePlace:
    rows = source.read_batch(copy, place.after)
    following = TablePlace(place_of(copy, rows[-1]), place.count + len(rows)) if rows else replace(place, is_done=True)
    target.write_batch(copy, rows, following)
    return following


def _compare_counts(
    expected: Mapping[str, Mapping[str, int]], found: Mapping[str, Mapping[str, int]]
) -> tuple[ComparedCount, ...]:
    return tuple(
        [
            ComparedCount(copy.kind, state, expected[copy.name].get(state, 0), found[copy.name].get(state, 0))
            for copy in COPIES
            for state in sorted(expected[copy.name].keys() | found[copy.name].keys())
        ]
    )
