"""Stores that earlier commits made, as `old/make.py` wrote them down: put back as files.

Not concerned with opening them.
"""

from __future__ import annotations

import base64
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bridge.core import dedupe_keys
from bridge.core.model import Event, Route, Routed, Webhook
from bridge.store.sqlite.migrations import recovery

OLD = Path(__file__).parent / "old"
NAMES = sorted(one.stem for one in OLD.glob("*.sql"))
HEADER = "PRAGMA "
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def put_back(name: str, path: Path) -> Path:
    """The store as that code left it, and its ingest log beside it; the path of the store."""
    lines = (OLD / f"{name}.sql").read_text().splitlines()
    _made(path, [line for line in lines if line.startswith(HEADER)], "\n".join(lines))
    folder = Path(f"{path}-inbox")
    shutil.rmtree(folder, ignore_errors=True)
    for file, content in log_files(name).items():
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / file).write_bytes(content)
    return path


def put_back_empty(name: str, path: Path) -> Path:
    """The same tables as that code left them, without a row in them."""
    lines = (OLD / f"{name}.sql").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("INSERT INTO ", "DELETE FROM "))]
    _made(path, [line for line in lines if line.startswith(HEADER)], "\n".join(kept))
    return path


def put_back_money(path: Path) -> Path:
    """The store of a shop with Stripe's webhooks, of which some were told and the others ignored."""
    [file] = (OLD / "money").glob("*.sql")
    lines = file.read_text().splitlines()
    _made(path, [line for line in lines if line.startswith(HEADER)], "\n".join(lines))
    return path


def version_of(name: str) -> int:
    """The schema version that the store bears."""
    return int(name[1 : name.index("_")])


def log_files(name: str) -> dict[str, bytes]:
    """The files of its ingest log."""
    pairs = (line.split() for line in (OLD / f"{name}.inbox").read_text().splitlines())
    return {file: base64.b64decode(content) for file, content in pairs}


def tables(path: Path) -> dict[tuple[str, str], str]:
    """Each table, index and trigger by its kind and name, and how it was made, but for comments and blanks."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence'"
        )
        return {(kind, name): _spelling(sql) for kind, name, sql in rows}


def _spelling(sql: str) -> str:
    return re.sub(r"\s*([(),;])\s*", r"\1", re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql))).strip()


def _made(path: Path, header: Sequence[str], script: str) -> None:
    """Page size and auto-vacuum come before the first page, the rest of the header with the tables."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in reversed(header):
            db.execute(pragma)
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(script)


def webhook(name: str, *, topic: str = "orders/paid", body: bytes | None = None, item: str | None = None) -> Webhook:
    """A webhook as `old/fill_up_to_v10.py` kept it."""
    text = f'{{"id": "{name}", "note": "{"made up " * (60 if len(name) % 3 == 0 else 1)}"}}'
    content = text.encode() if body is None else body
    return Webhook(
        source="shopify",
        id=name,
        topic=topic,
        received_at=NOW,
        body=content,
        identity=(
            (dedupe_keys.signed_webhook_key("shopify", name),)
            if item
            else recovery.keys_of("shopify", topic, name, content)
        ),
        headers={"content-type": "application/json", "x-shopify-webhook-id": name},
        query={"shop": "a b"},
        item=item,
    )


def event(name: str, *, destination: str = "track", skip: str | None = None, order: str | None = None) -> Routed:
    """An event as `old/fill_up_to_v10.py` made it."""
    order_id = order or f"order-{name}"
    return Routed(
        Event(
            id=name,
            origin="key:web",
            event_type="purchase",
            test=False,
            text=b'{"event_id":"%s","event_type":"purchase"}' % name.encode(),
            occurred_at=NOW,
            conversion_keys=(dedupe_keys.conversion_key("track", "purchase", order_id, test=False),),
            order_id=order_id,
            value="19.90",
            currency="EUR",
            notes=("shopify.yaml:3: left out",),
            hashed=("email",),
        ),
        (Route(destination, skip),),
    )
