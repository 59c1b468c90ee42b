"""The public benchmark: how fast trackbridge is on this machine, in units of a bare server on this machine.

    python tests/bench/run.py [--json] [--only NAME,…] [--rounds N] [--connections 32,64,128] [--strict]

Loopback only, and two cores wherever there are more. Half an hour or so, most of it for the store that grows
(`--webhooks`); the console, webhooks while it is used (`watched`), `postgres` and the peers only by name. Parts take turns with the
floor, round after round; what is told are medians, with min and max. Ends with 1 where an answer was wrong: lost, invented or refused; with --strict also where a goal was
missed. Not concerned with how anything is measured: each part has its file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import accept
import at_rest
import attack
import console
import deferral
import end_to_end
import growth
import machine
import postgres
import replay
import side_by_side
import tracking
import watched
from figures import Figure, aligned, shown
from goals import goal_of, missed
from ground import Ground, Plan, ground, tell
from wrong import WrongAnswer

PARTS: dict[str, Callable[[Ground], list[Figure]]] = {
    "accept": accept.measured,
    "workers": accept.workers,
    "track": tracking.single,
    "batch": tracking.batch,
    "offered": end_to_end.offered,
    "burst": end_to_end.burst,
    "replay": replay.measured,
    "deferral": deferral.measured,
    "due-at-once": deferral.due_at_once,
    "cold-start": at_rest.cold_start,
    "memory": at_rest.memory,
    "idle": at_rest.idle,
    "attack": attack.measured,
    "growth": growth.measured,
    "console": console.measured,
    "watched": watched.measured,
    "postgres": postgres.measured,
    "peers": side_by_side.measured,
}
ONLY_BY_NAME = {"console", "watched", "postgres", "peers"}
CORES = 2
"""As many as this process and all that it starts may use, so that machines compare."""


def run(words: Sequence[str]) -> int:
    """All of it; the status to end with."""
    options = _options(words)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    plan = Plan(
        rounds=options.rounds,
        connections=options.connections,
        seconds=options.seconds,
        offered_seconds=options.offered_seconds,
        webhooks=options.webhooks,
        cache=options.cache,
    )
    figures: list[Figure] = []
    wrong: dict[str, str] = {}
    with ground(plan, folder=options.folder) as place:
        described = machine.described(place.folder)
        if described["file system"] == "tmpfs":
            tell(f"{place.folder} is no disk, and an fsync there costs nothing; name one with --folder")
        for name in options.only:
            tell(f"{name} …")
            try:
                figures += PARTS[name](place)
            except (WrongAnswer, OSError, RuntimeError, subprocess.SubprocessError) as error:
                wrong[name] = str(error)
    if options.json:
        print(json.dumps(_as_json(described, figures, wrong), indent=2, ensure_ascii=False))
    else:
        _print(described, figures, wrong)
    return 1 if wrong or (options.strict and missed(figures)) else 0


def _print(described: dict[str, str | float], figures: Sequence[Figure], wrong: dict[str, str]) -> None:
    for name, value in described.items():
        print(f"{name}: {value}")
    rows = [("", "median", "min", "max", "unit", "goal", "")]
    for figure in figures:
        goal = goal_of(figure)
        verdict = "" if goal is None else "reached" if goal.reached(figure) else "MISSED"
        low, high = min(figure.values), max(figure.values)
        bound = str(goal or "")
        rows.append((figure.name, shown(figure.median), shown(low), shown(high), figure.unit, bound, verdict))
    print(*aligned(rows, right=(1, 2, 3)), sep="\n")
    for name, message in wrong.items():
        print(f"WRONG: {name}: {message}")


def _as_json(described: dict[str, str | float], figures: Sequence[Figure], wrong: dict[str, str]) -> dict[str, object]:
    return {
        "machine": described,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "median": figure.median,
                "values": figure.values,
                "goal": str(goal) if (goal := goal_of(figure)) else None,
                "reached": goal.reached(figure) if goal else None,
            }
            for figure in figures
        ],
        "wrong": wrong,
    }


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py", description="The benchmark of trackbridge.")
    usual = [name for name in PARTS if name not in ONLY_BY_NAME]
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a goal was missed")
    parser.add_argument("--only", type=_names, default=usual, metavar="NAME,…", help=f"parts: {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each part (5)")
    parser.add_argument("--connections", type=_numbers, default=(32, 64, 128), metavar="N,…", help="32,64,128")
    parser.add_argument("--seconds", type=float, default=3, help="of one measurement (3)")
    parser.add_argument("--offered-seconds", type=float, default=60, help="of the load that is offered (60)")
    parser.add_argument("--webhooks", type=int, default=1_000_000, help="kept in the store that has grown (1000000)")
    parser.add_argument("--folder", type=Path, help="where the stores lie while it runs: a disk, not a tmpfs")
    parser.add_argument("--cache", type=Path, help="where the peers are installed, and stay")
    return parser.parse_args(words)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    return names


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers with commas between them, not {text!r}") from None


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
