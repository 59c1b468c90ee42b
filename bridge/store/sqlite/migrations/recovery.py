"""The second part of step 10: webhooks that earlier commits set apart as unreadable, although nothing was damaged.

Up to schema 5, webhooks without a row were kept in the table `inbox`, packed as one list. Step 6 moved what was left
there to `unreadable`. The first commit with an ingest log (f1671d0) wrote frames whose checksum covers the content, too;
the next one (4f1048d) took them for damage. Here each of these webhooks gets its row.

This is a step: it never changes. It reads the formats of that time by its own code, and imports nothing of the project. What is damaged stays where it is.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterator

import msgspec
import zstandard

_KEY = 16
_ENTRY = _KEY + 16
_MARK = b"\xf4tb\n"
_HEAD = struct.Struct(">4sQIII")
_SUMMED = struct.Struct(">QII")


class _Webhook(msgspec.Struct, array_like=True, frozen=True):
    source: str
    id: str
    topic: str | None
    at: int
    identity: bytes
    headers: dict[str, str] | str
    query: dict[str, str] | str
    item: str | None


class _Request(msgspec.Struct, array_like=True, frozen=True):
    body: bytes
    webhooks: list[_Webhook]


_FLAT = msgspec.msgpack.Decoder(list[_Request])
_NESTED = msgspec.msgpack.Decoder(list[list[_Request]])


def recover(db: sqlite3.Connection) -> None:
    """Give each webhook in `unreadable` that can be read a row, unless it is known by now."""
    recent = _recent(db)
    for (number,) in db.execute("SELECT number FROM unreadable ORDER BY number").fetchall():
        (packed,) = db.execute("SELECT packed FROM unreadable WHERE number = ?", (number,)).fetchone()
        requests, rest = _read(packed)
        for request in requests:
            _keep(db, request, recent)
        if not rest:
            db.execute("DELETE FROM unreadable WHERE number = ?", (number,))
        elif len(rest) < len(packed):
            db.execute("UPDATE unreadable SET packed = ? WHERE number = ?", (rest, number))


def keys_of(source: str, topic: str | None, webhook_id: str, body: bytes) -> tuple[bytes, bytes]:
    """The ledger's keys of a webhook whose id no signature covers, as schemas up to 10 made them."""
    digest = hashlib.sha256(body).hexdigest()
    return (
        _key("webhook-id-body", source, webhook_id, digest),
        _key("webhook-topic-body", source, topic or "", digest),
    )


def _key(*parts: str) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashlib.sha256(b"".join(len(one).to_bytes(4, "big") + one for one in encoded)).digest()[:_KEY]


def _recent(db: sqlite3.Connection) -> set[bytes]:
    """The keys that are not in the ledger's own table yet."""
    lots = db.execute("SELECT entries FROM recent")
    return {lot[at : at + _KEY] for (lot,) in lots for at in range(0, len(lot), _ENTRY)}


def _read(packed: bytes) -> tuple[list[_Request], bytes]:
    """The requests that a row holds, and the bytes of it that cannot be read."""
    try:
        return _FLAT.decode(_decompressed(packed)), b""
    except ValueError:
        pass
    found: list[_Request] = []
    for content, rest in _framed(packed):
        try:
            found += [one for requests in _NESTED.decode(_decompressed(content)) for one in requests]
        except ValueError:
            break
        packed = rest
    return found, packed


def _decompressed(packed: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise ValueError from error


def _framed(held: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The content of each whole frame at the beginning, and what follows it."""
    while len(held) >= _HEAD.size:
        mark, at, count, length, checksum = _HEAD.unpack_from(held)
        content, rest = held[_HEAD.size : _HEAD.size + length], held[_HEAD.size + length :]
        if mark != _MARK or checksum != zlib.crc32(content, zlib.crc32(_SUMMED.pack(at, count, length))):
            return
        yield content, rest
        held = rest


def _keep(db: sqlite3.Connection, request: _Request, recent: set[bytes]) -> None:
    """The webhooks of a request share its body. One that is known by any of its keys gets no row."""
    body: int | None = None
    for one in request.webhooks:
        joined = one.identity or b"".join(keys_of(one.source, one.topic, one.id, request.body))
        keys = [joined[at : at + _KEY] for at in range(0, len(joined), _KEY)]
        if any(key in recent or db.execute("SELECT 1 FROM ledger WHERE key = ?", (key,)).fetchone() for key in keys):
            continue
        if body is None:
            body = db.execute("INSERT INTO bodies (bytes) VALUES (?)", (request.body,)).lastrowid
        number = db.execute(
            """
            INSERT INTO webhooks (source, id, topic, state, received_at, due, headers, query, item, identity, body)
            VALUES (?, ?, ?, 'received', ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                one.source, one.id, one.topic, one.at, one.at, _json(one.headers), _json(one.query), one.item, joined,
                body,
            ),
        ).lastrowid  # fmt: skip
        db.executemany("INSERT OR IGNORE INTO ledger VALUES (?, ?, ?)", [(key, number, one.at) for key in keys])


def _json(value: dict[str, str] | str) -> str:
    """An object as its column holds it; a text is JSON already."""
    return (json.dumps(value) if value else "") if isinstance(value, dict) else value
