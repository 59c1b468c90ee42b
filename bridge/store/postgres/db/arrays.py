"""Values as arrays in PostgreSQL's binary format: a column of many rows in one parameter.

psycopg writes a list as text, and looks at each value with a regular expression: 4.4 ms for the columns of 250 events,
and 0.2 ms for 100 numbers. This takes 0.7 and 0.02 ms, and spares the server, too, the text: 1.3 ms instead of 6.5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from bridge.store.postgres.db.texts import NUL

_HEAD = struct.Struct(">iiIii")
"""Dimensions, whether there are NULLs, the type of the elements, how many, the first index."""
_SIZE = struct.Struct(">i")
_NULL = _SIZE.pack(-1)


class ElementType(NamedTuple):
    """The number of a type, that of its arrays, and what writes an element with its size before it.

    https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/catalog/pg_type.dat
    """

    number: int
    array: int
    pack: Callable[[Any], bytes]


class ServerArray(tuple[Any, ...]):
    """Values that are sent as an array of one type."""

    __slots__ = ()
    type: ClassVar[ElementType]


def _pack_text(value: str) -> bytes:
    content = (value.replace("\0", NUL) if "\0" in value else value).encode()
    return _SIZE.pack(len(content)) + content


def _pack_bytes(value: bytes) -> bytes:
    return _SIZE.pack(len(value)) + value


class NumberArray(ServerArray):
    """Of `bigint`."""

    __slots__ = ()
    type = ElementType(20, 1016, partial(struct.Struct(">iq").pack, 8))


class _IntArray(ServerArray):
    __slots__ = ()
    type = ElementType(23, 1007, partial(struct.Struct(">ii").pack, 4))


class _BooleanArray(ServerArray):
    __slots__ = ()
    type = ElementType(16, 1000, partial(struct.Struct(">i?").pack, 1))


class _TextArray(ServerArray):
    __slots__ = ()
    type = ElementType(25, 1009, _pack_text)


class _BytesArray(ServerArray):
    __slots__ = ()
    type = ElementType(17, 1001, _pack_bytes)


_BY_TYPE: dict[str, type[ServerArray]] = {
    "bigint": NumberArray, "int": _IntArray, "boolean": _BooleanArray, "text": _TextArray, "bytea": _BytesArray,
}  # fmt: skip


class ArrayDumper(Dumper):
    """Writes any `ServerArray`."""

    format = Format.BINARY

    def __init__(self, cls: type[ServerArray], context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self._type = cls.type
        self.oid = cls.type.array

    def dump(self, obj: ServerArray) -> Buffer:
        """The array, of one dimension."""
        number, _, pack = self._type
        has_null = None in obj
        elements = [_NULL if one is None else pack(one) for one in obj] if has_null else map(pack, obj)
        return b"".join((_HEAD.pack(1, has_null, number, len(obj), 1), *elements))


def register_arrays(db: psycopg.Connection[Any]) -> None:
    """Let a connection send arrays."""
    for each in _BY_TYPE.values():
        db.adapters.register_dumper(each, ArrayDumper)


def to_numbers(numbers: Iterable[int | None]) -> NumberArray:
    """The numbers as they are sent."""
    return NumberArray(numbers)


def to_arrays(rows: Iterable[Sequence[object]], *types: str) -> list[ServerArray]:
    """The columns of rows, each of one of these types, as `unnest` takes them; without NUL characters in texts."""
    return [_BY_TYPE[type_](column) for type_, column in zip(types, zip(*rows, strict=True), strict=True)]
