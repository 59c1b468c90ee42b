"""The faults, one function each: what it does to the nodes, the lines and the servers, and what ends it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from crash_run import WallClock
from cut_lines import Line, Namespace
from node import Node
from peers import until
from resending_load import ResendingLoad
from server_pair import Pair

TABLES = ("parcels", "webhooks", "events", "deliveries", "attempts")
OLDEST = 900
"""Days ago, about: of the partitions that are made to be retired."""


@dataclass
class Scene:
    """All that a fault may touch."""

    pair: Pair
    nodes: Sequence[Node]
    lines: Sequence[Line]
    clock: WallClock
    load: ResendingLoad
    rng: random.Random
    link: Namespace | None = None
    retired: int = 0
    deaf: list[tuple[float, float]] = field(default_factory=list)
    """From when to when a node could not hear the upstream, though it had asked."""

    @contextmanager
    def deafened(self) -> Iterator[None]:
        """Keep the time of the block as one in which a node may not hear the upstream."""
        began = time.time()
        try:
            yield
        finally:
            self.deaf.append((began, time.time()))


Fault = Callable[[Scene], None]


def kill_node(scene: Scene) -> None:
    """`kill -9` of all processes of a node."""
    scene.rng.choice(scene.nodes).kill()


def kill_process(scene: Scene) -> None:
    """`kill -9` of one process of a node."""
    scene.rng.choice(scene.nodes).kill_one(scene.rng)


def freeze_process(scene: Scene) -> None:
    """A process stands still for longer than its leases, as in a virtual machine that is moved."""
    with scene.deafened():
        held = scene.rng.choice(scene.nodes).hold_one(scene.rng)
        time.sleep(scene.rng.uniform(1, 3))
        if held is not None:
            with suppress(ProcessLookupError):
                os.kill(held, signal.SIGCONT)


def terminate_backends(scene: Scene) -> None:
    """`pg_terminate_backend` for half of the connections, at whatever they are."""
    scene.pair.primary.ask(TERMINATE.format(share=0.5))


def cancel_backends(scene: Scene) -> None:
    """`pg_cancel_backend` for all that is under way, also where a commit waits for the standby."""
    for _ in range(20):
        scene.pair.primary.ask(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active'"
        )


def restart_server(scene: Scene) -> None:
    """`-m immediate` stop and start: it recovers from its log."""
    scene.pair.restart()


def freeze_network(scene: Scene) -> None:
    """No byte passes between one node and the servers for a while, and nobody is told."""
    for line in scene.lines:
        line.freeze()
    time.sleep(scene.rng.uniform(0.5, 6))
    for line in scene.lines:
        line.thaw()


def reset_network(scene: Scene) -> None:
    """The connections of one node end at once."""
    for line in scene.lines:
        line.reset()


def cut_link(scene: Scene) -> None:
    """A node's network namespace is cut off from servers, upstream and load."""
    assert scene.link is not None
    with scene.deafened():
        scene.link.cut()
        time.sleep(scene.rng.uniform(0.5, 6))
        scene.link.mend()


def kill_pgbouncer(scene: Scene) -> None:
    """`kill -9` of pgbouncer, which is started again."""
    assert scene.pair.bouncer is not None
    scene.pair.bouncer.kill()
    time.sleep(scene.rng.uniform(0, 1))
    scene.pair.bouncer.start()


def fail_over(scene: Scene) -> None:
    """The primary is lost while its standby lags; the standby is promoted, and the lost one becomes its standby."""
    scene.pair.wait_for_standby()
    scene.pair.fail_over(lag=scene.rng.uniform(0, 1.5))
    time.sleep(scene.rng.uniform(0, 1))
    scene.pair.repair()
    scene.pair.wait_for_standby()


def return_former_primary(scene: Scene) -> None:
    """A failover, after which the server that was lost comes back and takes writes: no node gives it any."""
    scene.pair.wait_for_standby()
    scene.pair.fail_over(lag=0)
    former = scene.pair.standby
    [(timeline,)] = scene.pair.primary.ask(
        "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
    )
    until(lambda: min(node.newest_timeline for node in scene.nodes) == timeline, what="nodes that know the new primary")
    former.start(alone=True)
    given = former.ask("SELECT last_value FROM numbers")
    try:
        scene.pair.primary.ask(TERMINATE.format(share=1))  # all look for a server again
        time.sleep(2)
        assert former.ask("SELECT last_value FROM numbers") == given, "a former primary was written to"
    finally:
        former.stop_at_once()
    scene.pair.repair()
    scene.pair.wait_for_standby()


def hold_standby(scene: Scene) -> None:
    """The standby stands still: commits wait for it."""
    held = scene.pair.standby.receivers()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in held:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(scene.rng.uniform(0.2, 4) if number == signal.SIGSTOP else 0)


def move_clock(scene: Scene) -> None:
    """The clock of one node is up to an hour away from that of the others, either way."""
    scene.clock.is_ahead(seconds=scene.rng.choice((-3600, -600, 0, 600, 3600)))


def hold_snapshot(scene: Scene) -> None:
    """Somebody's transaction keeps dead rows from being removed."""
    with _reading(scene, "SELECT txid_current_snapshot()"):
        time.sleep(3)


def read_while_a_day_is_retired(scene: Scene) -> None:
    """A long reader of all tables, while partitions are made, detached and dropped: no writer may wait for it."""
    scene.retired += 1
    day = f"(now() AT TIME ZONE 'UTC')::date - {OLDEST} - {scene.retired}"
    with _reading(scene, *(f"SELECT count(*) FROM {name}" for name in TABLES)):
        before, began = scene.load.so_far(), time.monotonic()
        scene.pair.primary.ask(MAKE_OLD_DAY.format(day=day))
        while time.monotonic() < began + 3 or scene.load.so_far() < before + 5:
            assert time.monotonic() < began + 30, "writers wait for a reader"
            time.sleep(0.05)
    until(lambda: scene.pair.primary.ask(f"SELECT {OLD_DAYS}") == [(0,)], what="old days that are retired")


TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < {share}
"""
MAKE_OLD_DAY = """
    DO $$
    DECLARE
        day date := {day};
        parent text;
        part text;
    BEGIN
        FOREACH parent IN ARRAY '{{parcels,webhooks,events,deliveries,attempts}}'::text[] LOOP
            part := parent || to_char(day, '_YYYYMMDD');
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', part, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                parent, part, first_number(day), first_number(day + 1));
        END LOOP;
    END $$
"""
OLD_DAYS = f"""
    (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(attempts|events|deliveries)_[0-9]{{8}}$'
        AND right(relname, 8) < to_char(now() - interval '{OLDEST} days', 'YYYYMMDD'))
"""
FAULTS: dict[str, Fault] = {
    one.__name__: one
    for one in (
        kill_node, kill_process, freeze_process, terminate_backends, cancel_backends, restart_server, freeze_network,
        reset_network, cut_link, kill_pgbouncer, fail_over,
        return_former_primary, hold_standby, move_clock, hold_snapshot,
        read_while_a_day_is_retired,
    )
}  # fmt: skip


def possible_faults(scene: Scene) -> list[str]:
    """Those that this machine allows."""
    missing = {"cut_link": scene.link is None, "kill_pgbouncer": scene.pair.bouncer is None}
    return [name for name in FAULTS if not missing.get(name, False)]


@contextmanager
def _reading(scene: Scene, *queries: str) -> Iterator[None]:
    """A transaction that has run these queries and stays open."""
    db = psycopg.connect(scene.pair.primary.url)
    try:
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for query in queries:
            db.execute(query.encode())
        yield
    finally:
        db.close()
