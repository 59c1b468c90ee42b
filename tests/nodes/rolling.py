"""An upgrade of two nodes, one after the other, under load: to a version that adds to the store, and then removes.

The earlier version is this code, or a wheel of it as it was before the newest migration.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from crash_run import settings_for
from earlier_wheel import PROGRAM
from node import LAUNCH, Node
from nodes_run import Misbehaving
from peers import clean_environment, until, upstream
from postgres_server import running_postgres
from resending_load import ResendingLoad
from verdict import Arrivals, Verdict, judge, wait_until_done

NEWER = {"FIRE_VERSION": "9.9.9"}


def roll(folder: Path, *, seed: int, wheel: Path | None = None) -> tuple[Verdict, ResendingLoad, Sequence[str]]:
    """What held, the load, and what `migrate --finish` said before and after the second node was upgraded.

    `wheel` is where the wheel of the earlier version is unpacked.
    """
    with running_postgres(is_durable=True) as url, upstream(peer := Misbehaving(rng=random.Random(seed))) as up:
        settings = settings_for(up.url) | {"BRIDGE_STORE": url}
        nodes = [_earlier_node(name, folder / name, settings, wheel) for name in ("a", "b")]
        load = ResendingLoad(nodes, seed)
        try:
            for node in nodes:
                node.start()
            until(lambda: all(node.url for node in nodes), what="two nodes")
            said = []
            with load.running(workers=3):
                for number in range(2):
                    _go_on(load)
                    nodes[number] = _upgraded(nodes[number])
                    _go_on(load)
                    said.append(_finish(nodes[0]))
                _go_on(load)
            peer.well = True
            left = wait_until_done(lambda query: _ask(url, query), patience=60)
        finally:
            for node in nodes:
                node.stop()
        found = judge(
            lambda query: _ask(url, query),
            sent=load.sent,
            acknowledged=load.acknowledged,
            arrivals=Arrivals(peer.taken(), peer.unanswered),
        )
    return Verdict(found.figures, [*([left] if left else []), *load.wrong, *found.wrong]), load, said


def _earlier_node(name: str, folder: Path, settings: Mapping[str, str], wheel: Path | None) -> Node:
    if wheel is None:
        return Node(name, folder, settings)
    return Node(name, folder, {**settings, "PYTHONPATH": str(wheel)}, program=PROGRAM)


def _upgraded(node: Node) -> Node:
    """The same node with the newer version, as it runs."""
    node.stop()
    settings = {name: value for name, value in node.settings.items() if name != "PYTHONPATH"}
    newer = Node(node.name, node.folder, {**settings, **NEWER})
    newer.start()
    until(lambda: newer.url, what=f"the newer {node.name}")
    return newer


def _finish(node: Node) -> str:
    done = subprocess.run(
        [*LAUNCH, "migrate", "--finish"], cwd=node.folder, check=False, capture_output=True, text=True, timeout=90,
        env=clean_environment({**node.settings, "FIRE_HOST": "by-hand"}),
    )  # fmt: skip
    return done.stdout + done.stderr


def _go_on(load: ResendingLoad) -> None:
    before = load.so_far()
    until(lambda: load.so_far() > before + 20, what="acknowledgements")
    time.sleep(0.2)


def _ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as db:
        return db.execute(query.encode()).fetchall()
