"""`trackbridge move`: a SQLite store to a PostgreSQL server, with all that it knows.

The work is in `bridge.store.moving`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from bridge.app import utc_now
from bridge.cli.options import argument, command_options, flag_option, option_of, optional_argument
from bridge.cli.terminal import print_text
from bridge.core.errors import SettingsError, StoreUnavailable
from bridge.store.engines import cancel_move, move_store, shown_store

if TYPE_CHECKING:
    from bridge.store.moving.move_store import ComparedCount, MoveProgress, MoveResult

BAR = 30
"""Characters of the bar."""
EVERY = 0.1
"""Seconds between two changes of the bar."""
AGAIN = "type the same command again to go on"
KEEP_FILES = "Keep its files until you are sure, then delete them: they hold personal data."
TOKENS = "refresh tokens, sealed"
SEALED = "Refresh tokens came sealed: they open with the BRIDGE_SEAL_KEY of before, on each node."


@command_options
class MoveOptions:
    """The options of `move`."""

    source: str = argument(str, "SOURCE", meaning="the store to move: sqlite:///trackbridge.db")
    target: str | None = optional_argument(
        str, "TARGET", meaning="an empty database: postgresql://user@host/database, its password in ~/.pgpass"
    )
    history: Literal["all", "30d", "none"] | None = option_of(
        ("all", "30d", "none"),
        meaning="how much goes along of what is done: webhooks with their events, deliveries and bodies (default: all)",
    )
    cancel: bool = flag_option("give up a move that is not finished, so that SOURCE takes webhooks again")


def run_move(options: MoveOptions) -> int:
    """Move it, and say whether both sides agree; 1 where they do not."""
    if options.cancel:
        target = cancel_move(options.source)
        print_text(f"the move to {target} was given up: {options.source} takes webhooks again")
        print_text("Drop that database and create it anew before you move anything there.")
        return 0
    if options.target is None:
        raise SettingsError("name the database to move to: trackbridge move SOURCE postgresql://user@host/database")
    bar = _ProgressBar(is_terminal=sys.stdout.isatty(), begun_at=time.monotonic())
    try:
        result = move_store(options.source, options.target, history=options.history, now=utc_now, tell=bar.show)
    except KeyboardInterrupt:
        print_text(f"\ntrackbridge: ended early; {AGAIN}", lines=True, error=True)
        raise
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error}; {AGAIN}" if bar.moved else str(error)) from error
    finally:
        bar.end_line()
    if result.was_done:
        print_text(f"{options.source} was moved to {result.target} before; nothing is left to do")
        return 0
    for line in _comparison_lines(result.counts):
        print_text(line)
    return _say_difference(result) if result.differences else _say_done(options, result, bar)


def _say_done(options: MoveOptions, result: MoveResult, bar: _ProgressBar) -> int:
    took = max(time.monotonic() - bar.begun_at, 0.001)
    print_text(
        f"both sides agree. {options.source} was moved to {result.target}; this run moved {bar.moved} rows in "
        f"{took:.1f} s, {bar.moved / took:.0f} a second"
    )
    said = [
        f"· Set BRIDGE_STORE={shown_store(options.target or '')} and start `trackbridge serve`. Ids stay as they are.",
        f"· {options.source} takes nothing more. {KEEP_FILES}",
    ]
    if any(one.kind == TOKENS and one.target for one in result.counts):
        said.append(f"· {SEALED}")
    print_text("\n".join(said), lines=True)
    return 0


def _say_difference(result: MoveResult) -> int:
    for one in result.differences:
        print_text(f"they differ: {_named(one)}: {one.source} in SQLite, {one.target} in PostgreSQL", error=True)
    print_text(
        f"trackbridge: the move to {result.target} is not finished: no serve starts on either side. Give it up with "
        "--cancel, and move to an empty database; report this as a fault of trackbridge",
        error=True,
    )
    return 1


def _comparison_lines(counts: tuple[ComparedCount, ...]) -> list[str]:
    """A line for each kind: its rows on both sides, by state where it has states."""
    lines = []
    for kind, alike in groupby(counts, lambda one: one.kind):
        mine = list(alike)
        states = ", ".join(f"{one.state} {one.source}/{one.target}" for one in mine if one.state)
        source, target = sum(one.source for one in mine), sum(one.target for one in mine)
        lines.append(f"{kind}: {source} in SQLite, {target} in PostgreSQL{f' ({states})' if states else ''}")
    return lines


def _named(one: ComparedCount) -> str:
    return f"{one.kind}, {one.state}" if one.state else one.kind


@dataclass
class _ProgressBar:
    """A bar on a terminal; elsewhere a line for each table that is done."""

    is_terminal: bool
    begun_at: float
    moved: int = 0
    _first: int | None = None
    _shown_at: float = 0.0
    _is_open: bool = False

    def show(self, progress: MoveProgress) -> None:
        """Show how far it has come."""
        self._first = progress.before if self._first is None else self._first
        self.moved = progress.moved - self._first
        if self.is_terminal:
            self._draw(progress)
        elif progress.is_table_done and progress.of_kind:
            print_text(
                f"moved {progress.of_kind} {progress.kind}; {progress.moved} of all {progress.of} rows are there"
            )

    def _draw(self, progress: MoveProgress) -> None:
        now = time.monotonic()
        if now - self._shown_at < EVERY and progress.moved < progress.of:
            return
        self._shown_at, self._is_open = now, True
        done = progress.moved / progress.of if progress.of else 1.0
        bar = "#" * int(done * BAR)
        rate = self.moved / max(now - self.begun_at, EVERY)
        text = f"[{bar:-<{BAR}}] {done:4.0%}  {progress.moved} of {progress.of} rows, {rate:.0f}/s  {progress.kind}"
        sys.stdout.write(f"\r\x1b[K{text[:100]}")
        sys.stdout.flush()

    def end_line(self) -> None:
        """End the line of the bar."""
        if self._is_open:
            sys.stdout.write("\n")
