"""Stores with a past: of earlier commits, with much in them, and with rows that are older than they are.

The tables are those that the commits made (`tests/store/old`). The rows are written in SQL, since today's verbs know
today's tables only. Not concerned with killing anybody.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import zstandard
from crash_run import INBOX, OLD, STORE, Disk, Load, id_keys, order, purchase
from old_stores import put_back_empty, version_of
from peers import clean_environment

from bridge.core import dedupe_keys
from bridge.core.model import Webhook
from bridge.store.codec import packed_requests
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.migrations import recovery

PREPARE = f"from bridge.store.sqlite.db import open_file; open_file.prepare_file({STORE!r})"
PAST = 100 * 24 * 3600 * 1000
"""So much older, in milliseconds, are aged rows: longer than events are kept."""


# ------------------------------------------------------------------------------------------- earlier schema versions


def earlier(folder: Path, load: Load, *, name: str, size: int) -> None:
    """A store of an earlier commit: webhooks that are to be translated, some of them without a row yet, and events that
    are to be delivered."""
    path = put_back_empty(name, folder / STORE)
    names = [f"was-{number}" for number in range(1, size + 1)]
    without_row = unapplied(name, folder, [f"{one}-u" for one in names[: size // 2]])
    with closing(sqlite3.connect(path)) as db, db:
        for number, one in enumerate(names, 1):
            _webhook(db, f"{one}-w", number)
            _event(db, f"{one}-e")
    load.sent |= {f"{one}-{kind}" for one in names for kind in "we"} | without_row
    load.acknowledged |= load.sent


def unapplied(name: str, folder: Path, names: Sequence[str]) -> set[str]:
    """Webhooks that were answered and have no row yet, as the commits that made the store kept them; those there are.

    Each is there once for each place where that store may hold some: its ingest log, its table `inbox`, or
    `unreadable`.
    """
    version, commits = version_of(name), name.split("_")[1:]
    kept: set[str] = set()
    with closing(sqlite3.connect(folder / STORE)) as db, db:
        for table, form in _places(version, commits):
            for one in names:
                row = f"{one}-{table}"
                kept.add(row)
                _put(db, folder, table, form([_as_kept(row)]))
    return kept


Form: TypeAlias = "Callable[[list[Webhook]], bytes]"


def _places(version: int, commits: Sequence[str]) -> list[tuple[str, Form]]:
    """Where a store may hold webhooks without a row, and how they are packed there."""
    places: list[tuple[str, Form]] = []
    if 3 <= version <= 5:
        places.append(("inbox", _flat))
    if version >= 6:
        places.append(("log", _framed_with_content if commits[-1] == "f1671d0" else _framed))
        if {"3b4a02d", "5ccc84f"} & set(commits):
            places.append(("unreadable", _flat))
        if "f1671d0" in commits[:-1]:
            places.append(("unreadable_frame", _framed_with_content))
    return places


def _put(db: sqlite3.Connection, folder: Path, table: str, packed: bytes) -> None:
    if table == "log":
        (folder / INBOX).mkdir(exist_ok=True)
        with (folder / INBOX / f"{1:020d}-00000000").open("ab") as file:
            file.write(packed)
    else:
        db.execute(f"INSERT INTO {table.removesuffix('_frame')} (count, packed) VALUES (1, ?)", (packed,))


def _flat(webhooks: list[Webhook]) -> bytes:
    return zstandard.ZstdCompressor().compress(packed_requests.pack_request(webhooks))


def _framed(webhooks: list[Webhook]) -> bytes:
    return _behind_head(packed_requests.pack_requests([packed_requests.pack_request(webhooks)]), covers=b"")


def _framed_with_content(webhooks: list[Webhook]) -> bytes:
    content = packed_requests.pack_requests([packed_requests.pack_request(webhooks)])
    return _behind_head(content, covers=content)


def _behind_head(content: bytes, *, covers: bytes) -> bytes:
    """A frame as they were before they had a version."""
    head = struct.pack(">QII", time.time_ns(), 1, len(content))
    return b"\xf4tb\n" + head + zlib.crc32(head + covers).to_bytes(4, "big") + content


def _as_kept(name: str) -> Webhook:
    headers, raw = order(name)
    return Webhook(
        source="shopify",
        id=f"w-{name}",
        topic="orders/paid",
        received_at=datetime.now(UTC),
        body=raw,
        identity=_identity(name, raw),
        headers={name.lower(): value for name, value in headers.items()},
    )


def _identity(name: str, raw: bytes) -> tuple[bytes, ...]:
    return recovery.keys_of("shopify", "orders/paid", f"w-{name}", raw)


def _webhook(db: sqlite3.Connection, name: str, number: int) -> None:
    headers, raw = order(name)
    keys, now = _identity(name, raw), _now()
    db.execute("INSERT INTO bodies (number, bytes) VALUES (?, ?)", (number, raw))
    db.execute(
        """
        INSERT INTO webhooks (source, id, topic, state, received_at, due, headers, query, identity, body)
        VALUES ('shopify', ?, 'orders/paid', 'received', ?, ?, ?, '', ?, ?)
        """,
        (
            f"w-{name}",
            now,
            now,
            json.dumps({name.lower(): value for name, value in headers.items()}),
            b"".join(keys),
            number,
        ),
    )
    db.executemany("INSERT INTO ledger VALUES (?, ?, ?)", [(key, number, now) for key in keys])


def _event(db: sqlite3.Connection, name: str) -> None:
    text, now = json.dumps(purchase(name)).encode(), _now()
    origin = "origin" if any(column[1] == "origin" for column in db.execute("PRAGMA table_info(events)")) else "door"
    number = db.execute(
        f"""
        INSERT INTO events (
            id, {origin}, event_type, test, text, occurred_at, created_at, order_id, notes, hashed, claims, differs
        ) VALUES (?, 'key:env-1', 'purchase', 0, ?, ?, ?, ?, '', '', ?, 0)
        """,
        (f"e-{name}", text, now, now, name, dedupe_keys.conversion_key("track", "purchase", name, test=False)),
    ).lastrowid
    for key in (
        dedupe_keys.event_key("key:env-1", f"e-{name}"),
        dedupe_keys.conversion_key("track", "purchase", name, test=False),
    ):
        db.execute("INSERT INTO ledger VALUES (?, ?, ?)", (key, number, now))
    db.execute(
        "INSERT INTO deliveries (event, destination, state, due, created_at) VALUES (?, 'track', 'pending', ?, ?)",
        (number, now, now),
    )


def killed_while_migrating(power: Disk, *, every: int) -> Iterator[int]:
    """Kill the migration of the store that is there at its first write, and so on, `every` so many: which writes.

    After each, whether the process was killed or the power failed, going on must end in what an undisturbed one makes.
    Leaves the store migrated.
    """
    before, expected = power.folder / "before.db", power.folder / "undisturbed.db"
    for path in (before, expected):
        shutil.copy(power.folder / STORE, path)
    if (power.folder / INBOX).exists():
        shutil.copytree(power.folder / INBOX, power.folder / "before.db-inbox")
    open_file.prepare_file(str(expected))
    for number in range(1, 100_000, every):
        power.begins(before)
        if not _killed(power, number):
            return
        yield number
        for _ in ("the file as the killed one left it", "and as the platter has it"):
            open_file.prepare_file(str(power.folder / STORE))
            assert _content(power.folder / STORE) == _content(expected)
            power.power_is_back()


def _killed(power: Disk, number: int) -> bool:
    """Whether it came to the write at which it dies."""
    environment = clean_environment(power.powered | {"FIRE_LAST": str(number)})
    ended = subprocess.run([sys.executable, "-c", PREPARE], cwd=power.folder, env=environment, check=False).returncode
    assert ended in {0, -9}, ended
    return ended != 0


def _content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [*db.iterdump(), str(db.execute("PRAGMA user_version").fetchone())]


# ------------------------------------------------------------------------------------------------------ older rows


@dataclass
class Gone:
    """What was aged and so must go: events with their orders, and what the ledger goes on knowing them by."""

    events: dict[str, str] = field(default_factory=dict)
    ledger: dict[bytes, int] = field(default_factory=dict)


def aged(folder: Path, gone: Gone) -> int:
    """Make everything that is done with, up to the first thing that is not, as old as what a purge takes away.

    How many events are old then.
    """
    with closing(sqlite3.connect(folder / STORE, timeout=10)) as db, db:
        db.execute("BEGIN IMMEDIATE")
        event, webhook, attempt = _done_with(db)
        young = _now() - PAST // 2
        for number, origin, name, given, order_id, claims in db.execute(
            "SELECT number, origin, id, given_id, order_id, claims FROM events WHERE number <= ? AND created_at > ?",
            (event, young),
        ):
            gone.events[name] = order_id
            gone.ledger |= dict.fromkeys([*id_keys(origin, name, given), *_parted(claims)], number)
        done = "SELECT number, identity FROM webhooks WHERE number <= ? AND received_at > ?"
        for number, identity in db.execute(done, (webhook, young)):
            gone.ledger |= dict.fromkeys(_parted(identity), number)
        for statement, last in (
            ("UPDATE events SET created_at = created_at - :past WHERE number <= :last AND created_at > :young", event),
            ("UPDATE webhooks SET received_at = received_at - :past WHERE number <= :last AND received_at > :young", webhook),
            ("UPDATE attempts SET started_at = started_at - :past WHERE number <= :last AND started_at > :young", attempt),
        ):  # fmt: skip
            db.execute(statement, {"past": PAST, "last": last, "young": young})
        db.execute("DELETE FROM days")
        db.execute(
            "INSERT INTO days SELECT received_at / 86400000, source, state, count(*) FROM webhooks GROUP BY 1, 2, 3"
        )
    return waiting_to_go(folder)


def waiting_to_go(folder: Path) -> int:
    """Events that are old and still there."""
    with closing(sqlite3.connect(folder / STORE, timeout=10)) as db:
        found: int = db.execute("SELECT count(*) FROM events WHERE created_at < ?", (_now() - OLD,)).fetchone()[0]
    return found


def _done_with(db: sqlite3.Connection) -> tuple[int, int, int]:
    """The last event, webhook and attempt before which nothing is under way."""
    event = db.execute(
        """
        SELECT coalesce((SELECT min(event) FROM deliveries WHERE state <> 'delivered'),
                        (SELECT max(number) FROM events) + 1, 1) - 1
        """
    ).fetchone()[0]
    webhook = db.execute(
        """
        SELECT coalesce((SELECT min(w.number) FROM webhooks AS w WHERE w.state = 'received'
                         OR EXISTS (SELECT 1 FROM events WHERE events.webhook = w.number AND events.number > ?)),
                        (SELECT max(number) FROM webhooks) + 1, 1) - 1
        """,
        (event,),
    ).fetchone()[0]
    attempt = db.execute(
        """
        SELECT coalesce((SELECT min(attempt) FROM attempted JOIN deliveries ON number = delivery WHERE event > ?),
                        (SELECT max(number) FROM attempts) + 1, 1) - 1
        """,
        (event,),
    ).fetchone()[0]
    return event, webhook, attempt


def _parted(keys: bytes) -> list[bytes]:
    return [keys[at : at + dedupe_keys.KEY_SIZE] for at in range(0, len(keys), dedupe_keys.KEY_SIZE)]


def _now() -> int:
    return time.time_ns() // 1_000_000
