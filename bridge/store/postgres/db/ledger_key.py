"""Keys of the ledger as values of PostgreSQL's type `uuid`: 16 bytes each way, without making UUID objects."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

from bridge.core.dedupe_keys import KEY_SIZE
from bridge.store.postgres.db.arrays import ArrayDumper, ElementType, ServerArray

_UUID, _UUIDS = 2950, 2951
"""https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/catalog/pg_type.dat"""
_SIZE = struct.pack(">i", KEY_SIZE)


class LedgerKey(bytes):
    """Sixteen bytes that are sent as a `uuid`."""

    __slots__ = ()


class LedgerKeys(ServerArray):
    """Keys that are sent as an array of `uuid`."""

    __slots__ = ()
    type = ElementType(_UUID, _UUIDS, _SIZE.__add__)


class _KeyDumper(Dumper):
    format = Format.BINARY
    oid = _UUID

    def dump(self, obj: LedgerKey) -> Buffer:
        return bytes(obj)


class _KeyLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def register_keys(db: psycopg.Connection[Any]) -> None:
    """Let a connection send and receive keys."""
    db.adapters.register_dumper(LedgerKey, _KeyDumper)
    db.adapters.register_dumper(LedgerKeys, ArrayDumper)
    db.adapters.register_loader("uuid", _KeyLoader)


def to_keys(keys: Iterable[bytes]) -> LedgerKeys:
    """The keys as they are sent."""
    return LedgerKeys(keys)
