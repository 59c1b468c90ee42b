"""What the tests under fire share: a load, a bridge that is killed, a misbehaving disk, and what must hold afterwards.

Everything that was sent and everything that was answered 200 is remembered on this side of the wire. Not concerned
with when anybody is killed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
for place in (HERE.parent, HERE.parent / "bench", HERE.parent / "store"):
    if str(place) not in sys.path:  # as a script, beside the tests' own peers
        sys.path.insert(0, str(place))

from peers import KEY, Serving, clean_environment, kill_all, serving  # noqa: E402
from processes import process_tree  # noqa: E402

from bridge.core import dedupe_keys  # noqa: E402
from bridge.store.sqlite.ingest import log_reader  # noqa: E402

SECRET = "a made-up secret"
API_KEY = "a-made-up-api-key"
STORE = "trackbridge.db"
FILES = (STORE, f"{STORE}-wal", f"{STORE}-shm")
INBOX = f"{STORE}-inbox"
OLD = 90 * 24 * 3600 * 1000
"""Milliseconds after which a purge takes events and webhooks away."""
MANY = 10_000
"""So many steps that are left are counted once a second."""
NONE: Mapping[str, str] = {}
NOBODY: Mapping[bytes, int] = {}
LAUNCH = (sys.executable, str(HERE / "launch.py"))


def settings_for(url: str) -> dict[str, str]:
    return {
        "SHOPIFY_WEBHOOK_SECRET": SECRET,
        "BRIDGE_API_KEYS": API_KEY,
        "BRIDGE_API_RATE": "0",
        "BRIDGE_TRACK_URL": url,
        "BRIDGE_TRACK_KEY": KEY,
        "BRIDGE_TRACK_RATE": "0",
        "BRIDGE_KEEP_BODIES": "0",  # so that the purge has something to do
        "BRIDGE_MIN_FREE": "0",
    }


@contextmanager
def burning(folder: Path, settings: Mapping[str, str]) -> Iterator[Serving]:
    """A bridge with short leases and two workers."""
    with serving(folder, settings, "--web", "2", program=LAUNCH) as bridge:
        yield bridge


def killed_while_starting(folder: Path, settings: Mapping[str, str], seconds: float) -> None:
    """Start one and kill it after so many seconds, wherever it then is: making the file, migrating, recovering."""
    with (folder / "serve.log").open("a") as log:
        process = subprocess.Popen(
            [*LAUNCH, "serve", "--port", "0", "--web", "2"],
            cwd=folder,
            env=clean_environment(settings),
            stdout=log,
            stderr=log,
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        kill_all(process)


def killed_child(bridge: Serving, rng: random.Random) -> None:
    """Kill one of its processes, which its supervisor must restart."""
    with suppress(ProcessLookupError, IndexError):  # it was being mended already
        os.kill(rng.choice(process_tree(bridge.process.pid)[1:]), signal.SIGKILL)


# ------------------------------------------------------------------------------------------------------------- load


def order(name: str, *, topic: str = "orders/paid", webhook_id: str | None = None) -> tuple[dict[str, str], bytes]:
    """A signed webhook that makes one purchase."""
    body = {
        "id": name,
        "created_at": "2026-03-01T10:00:00+01:00",
        "currency": "EUR",
        "total_price": "19.90",
        "financial_status": "paid",
        "source_name": "web",
        "test": False,
    }
    raw = json.dumps(body).encode()
    signature = base64.b64encode(hmac.new(SECRET.encode(), raw, hashlib.sha256).digest()).decode()
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": webhook_id or f"w-{name}",
        "X-Shopify-Hmac-Sha256": signature,
    }, raw


def purchase(name: str) -> dict[str, Any]:
    return {"event_type": "purchase", "event_id": f"e-{name}", "properties": {"order_id": name, "value": 19.9}}


@dataclass
class Load:
    """Workers that send what they can; what they sent, and what was answered 200, by order."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    resent: set[str] = field(default_factory=set)
    answers: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _count: int = 0

    @contextmanager
    def on(self, url: str, *, workers: int = 4) -> Iterator[None]:
        """Load on a bridge until the end of the block, whoever of it dies meanwhile."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._work, args=(url, stop)) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def so_far(self) -> frozenset[str]:
        """What was answered 200 until now."""
        with self._lock:
            return frozenset(self.acknowledged)

    def _work(self, url: str, stop: threading.Event) -> None:
        with httpx.Client(trust_env=False, timeout=10, headers={"Authorization": f"Bearer {API_KEY}"}) as client:
            while not stop.is_set():
                try:
                    self._one(client, url)
                except httpx.HTTPError:
                    stop.wait(0.01)

    def _one(self, client: httpx.Client, url: str) -> None:
        name, kind = self._named()
        match kind:
            case 0 | 1 | 2:
                headers, raw = order(name)
                self.resent |= {name} if kind == 2 else set()
                for _ in range(1 + (kind == 2)):  # some come twice
                    self._noted([name], client.post(f"{url}/webhooks/shopify", headers=headers, content=raw))
            case 3:
                self._noted([name], client.post(f"{url}/v1/track", json=purchase(name)))
            case _:
                names = [name, *(self._named()[0] for _ in range(2))]
                events = {"events": [purchase(one) for one in names]}
                self._noted(names, client.post(f"{url}/v1/track/batch", json=events))

    def _named(self) -> tuple[str, int]:
        with self._lock:
            self._count += 1
            name = f"o-{self._count}"
            self.sent.add(name)
        return name, self._count % 5

    def _noted(self, names: Sequence[str], answer: httpx.Response) -> None:
        with self._lock:
            self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
            if answer.status_code == 200:
                self.acknowledged |= set(names)
            elif answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
            else:
                raise AssertionError(f"answered {answer.status_code}: {answer.text}")


# ------------------------------------------------------------------------------------------------- what must hold


def work_left(folder: Path) -> int | None:
    """How much is left to translate, deliver or take away, in steps; None while that cannot be read."""
    with closing(sqlite3.connect(f"file:{folder / STORE}?mode=ro", uri=True, timeout=10)) as db:
        try:
            received, rest = db.execute(
                """
                SELECT (SELECT count(*) FROM webhooks WHERE state = 'received'),
                    (SELECT count(*) FROM deliveries WHERE state = 'pending')
                    + (SELECT count(*) FROM events WHERE created_at < :old)
                    + (SELECT count(*) FROM webhooks WHERE received_at < :old)
                """,
                {"old": time.time_ns() // 1_000_000 - OLD},
            ).fetchone()
            unapplied, _ = log_reader.count_unapplied(db, str(folder / INBOX))
            is_unapplied = log_reader.is_unapplied(db, log_reader.file_sizes(str(folder / INBOX)))
            return int(3 * max(unapplied, is_unapplied) + 2 * received + rest)
        except sqlite3.OperationalError:  # a lock, while the log is moved into the file
            return None


def settled(folder: Path) -> bool:
    """Whether nothing is left to translate, deliver or take away."""
    return work_left(folder) == 0


def quiet(folder: Path, settings: Mapping[str, str], *, patience: float = 60) -> None:
    """Serve until nothing is left to do; fails where for `patience` seconds no more was done than before."""
    with burning(folder, settings) as bridge:
        least, deadline = sys.maxsize, time.monotonic() + patience
        while (left := work_left(folder)) != 0:
            if left is not None and left < least:
                least, deadline = left, time.monotonic() + patience
            assert time.monotonic() < deadline, f"{least} steps are left, and none was taken for {patience} s"
            time.sleep(0.02 if least < MANY else 1)  # counting takes a while, too, and a core that the bridge needs
        assert bridge.stop() == 0


def hold(
    folder: Path,
    load: Load,
    taken: Sequence[Mapping[str, Any]],
    *,
    purged: Mapping[str, str] = NONE,
    known: Mapping[bytes, int] = NOBODY,
) -> dict[str, int]:
    """Every promise, looked for in the file and at the upstream; some figures.

    Events that were `purged` (each with its order) are gone, and the ledger still knows them by the keys in `known`.
    """
    orders = {event["event_id"]: event["properties"]["order_id"] for event in taken}
    assert load.acknowledged <= set(orders.values()), f"lost: {sorted(load.acknowledged - set(orders.values()))[:5]}"
    assert set(orders.values()) <= load.sent, "invented"
    assert len(set(orders.values())) == len(orders), "two events for one order"
    with closing(sqlite3.connect(folder / STORE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM deliveries WHERE state <> 'delivered'").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM webhooks WHERE state <> 'translated'").fetchone() == (0,)
        undelivered = "SELECT id FROM events WHERE number NOT IN (SELECT event FROM deliveries)"
        assert db.execute(undelivered).fetchall() == []
        made = dict(db.execute("SELECT id, order_id FROM events"))
        assert not made.keys() & purged.keys(), "kept too long"
        assert made | dict(purged) == orders, "the store and the upstream know different events"
        the_ledger_agrees(db, load.sent, known)
        the_counts_agree(db)
    return {
        "sent": len(load.sent),
        "acknowledged": len(load.acknowledged),
        "delivered": len(orders),
        "delivered_again": len(taken) - len(orders),
        "purged": len(purged),
    }


def the_ledger_agrees(db: sqlite3.Connection, sent: Iterable[str], known: Mapping[bytes, int] = NOBODY) -> None:
    """What the ledger knows is what there is, and what is in `known`.

    The bytes of an order that was `sent` may be known, too: not those of a webhook that an earlier version kept.
    """
    expected = dict(known)
    for number, identity in db.execute("SELECT number, identity FROM webhooks"):
        expected |= dict.fromkeys(_parted(identity), number)
    for number, origin, name, given, claims in db.execute("SELECT number, origin, id, given_id, claims FROM events"):
        expected |= dict.fromkeys([*id_keys(origin, name, given), *_parted(claims)], number)
    known = dict(db.execute("SELECT key, number FROM ledger"))
    for (entries,) in db.execute("SELECT entries FROM recent ORDER BY number"):
        known |= {key: number for key, number, _ in struct.iter_unpack(">16sqq", entries)}
    for name in sent:
        known.pop(dedupe_keys.content_key(hashlib.sha256(order(name)[1])), None)
    assert known == expected


def id_keys(origin: str, name: str, given: str | None) -> list[bytes]:
    """By which the ledger knows an event's id; one of a former version is known by its origin alone."""
    if given is None:
        return [dedupe_keys.event_key(origin, name)]
    assert given == "", "nobody gives an id that names another event"
    return [
        dedupe_keys.event_key(dedupe_keys.scope_name("track") if origin.startswith("key:") else origin, name),
        dedupe_keys.upstream_id_key(name),
    ]


def _parted(keys: bytes) -> list[bytes]:
    return [keys[at : at + dedupe_keys.KEY_SIZE] for at in range(0, len(keys), dedupe_keys.KEY_SIZE)]


def the_counts_agree(db: sqlite3.Connection) -> None:
    """The counts that triggers keep are those of the rows."""
    counted = dict(db.execute("SELECT of || state, sum(n) FROM counts WHERE n <> 0 GROUP BY of, state"))
    rows: dict[str, int] = {}
    for of in ("webhooks", "deliveries"):
        rows |= dict(db.execute(f"SELECT '{of}' || state, count(*) FROM {of} GROUP BY state"))
    state = "CASE WHEN duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END"
    rows |= dict(db.execute(f"SELECT 'events' || {state}, count(*) FROM events GROUP BY 1"))
    assert counted == rows
    days = "SELECT received_at / 86400000, source, state, count(*) FROM webhooks GROUP BY 1, 2, 3"
    assert set(db.execute("SELECT day, source, state, n FROM days WHERE n <> 0")) == set(db.execute(days))


# ----------------------------------------------------------------------------------------------------------- the disk


@dataclass
class Disk:
    """The store's files under `disk.c`: faults as files in a folder, and what a power cut leaves."""

    folder: Path
    shim: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.shim), "FIRE_FILE": f"/{STORE}", "FIRE_FAULTS": str(self._faults)}

    @property
    def powered(self) -> dict[str, str]:
        """The same, and what is not flushed is in memory only."""
        self._platter.mkdir(exist_ok=True)
        return self.settings | {"FIRE_PLATTER": str(self._platter)}

    @property
    def _faults(self) -> Path:
        return self.folder / "faults"

    @property
    def _platter(self) -> Path:
        return self.folder / "platter"

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """`no-space`, `no-flush`, `no-write` or `slow`, until the end of the block."""
        self._faults.mkdir(exist_ok=True)
        (self._faults / name).touch()
        try:
            yield
        finally:
            (self._faults / name).unlink()

    def begins(self, store: Path) -> None:
        """The disk holds a copy of this store and its ingest log, on its platter, too, and nothing else of it."""
        self._platter.mkdir(exist_ok=True)
        for folder in (self.folder, self._platter):
            _emptied(folder)
            shutil.copy(store, folder / STORE)
            if (log := Path(f"{store}-inbox")).exists():
                shutil.copytree(log, folder / INBOX)

    def power_is_back(self) -> None:
        """Every file is what had reached the platter."""
        _emptied(self.folder)
        for name in FILES:
            if (self._platter / name).exists():
                shutil.copy(self._platter / name, self.folder / name)
        if (self._platter / INBOX).exists():
            shutil.copytree(self._platter / INBOX, self.folder / INBOX)


def _emptied(folder: Path) -> None:
    """No store stands in the folder any more."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / INBOX, ignore_errors=True)


def disk(folder: Path) -> Disk:
    """A disk that can be told to misbehave."""
    return Disk(folder, _compiled("disk", folder))


def _compiled(name: str, folder: Path) -> Path:
    """A library for LD_PRELOAD, compiled beside the store."""
    library = folder / f"{name}.so"
    words = ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(HERE / f"{name}.c")]
    subprocess.run([*words, "-ldl", "-lpthread"], check=True)
    return library


# ---------------------------------------------------------------------------------------------------------- the clock


@dataclass
class WallClock:
    """What the processes under `clock.c` read from the wall clock, and nothing else of time."""

    preloaded: Path
    file: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.preloaded), "FIRE_CLOCK": str(self.file)}

    def is_ahead(self, *, seconds: int) -> None:
        """From now on it says so much more; never is the file half written."""
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.file)


def wall_clock(folder: Path) -> WallClock:
    """A clock that can be set; it is right at first."""
    return WallClock(_compiled("clock", folder), folder / "clock")


def after_a_while(rng: random.Random, most: float) -> None:
    """A random moment."""
    time.sleep(rng.uniform(0.05, most))
