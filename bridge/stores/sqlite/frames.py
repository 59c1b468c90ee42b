"""The frames of an inbox file: the webhooks of one flush, packed, behind a head with their time, count and length.

A file is frames, one after another. One that a crash cut off has no end yet. A head has a checksum, and behind one
that the disk damaged the next is found by its mark; the content carries a checksum of its own (`packing.py`). Pure.
Not concerned with files, nor with what is packed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_MARK = b"\xf4tb\n"
_HEAD = struct.Struct(">4sQIII")
"""Mark, nanoseconds since 1970, webhooks, bytes of content, CRC-32 of these."""
_SUMMED = struct.Struct(">QII")
HEAD = _HEAD.size


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame: when it was made, how many webhooks it holds, and where in the file it ends."""

    at: int
    count: int
    content: bytes
    ends: int


def framed(at: int, count: int, content: bytes) -> bytes:
    """The bytes of a frame."""
    return _HEAD.pack(_MARK, at, count, len(content), _sum(at, count, len(content))) + content


def frames(held: bytes, *, starts: int = 0) -> Iterator[Frame]:
    """The whole frames at the beginning of these bytes, which stand in the file from `starts` on."""
    at = 0
    while (frame := _frame(held, at, starts)) is not None:
        yield frame
        at = frame.ends - starts


class Head(NamedTuple):
    """What a frame says of itself: when it was made, how many webhooks it holds, how many bytes it has in all."""

    at: int
    webhooks: int
    size: int


NO_HEAD = Head(0, 0, 0)


def head(held: bytes) -> Head:
    """The head of the frame that begins these bytes, maybe a damaged one; NO_HEAD where none begins there."""
    if len(held) < HEAD or not held.startswith(_MARK):
        return NO_HEAD
    _, at, count, length, _ = _HEAD.unpack_from(held)
    return Head(at, count, HEAD + length)


def resumed(held: bytes) -> int:
    """Where the next whole frame begins after damage at the beginning; the end of the bytes where there is none."""
    at = 1
    while (at := held.find(_MARK, at)) >= 0:
        if _frame(held, at, 0) is not None:
            return at
        at += 1
    return len(held)


def _frame(held: bytes, at: int, starts: int) -> Frame | None:
    if len(held) < at + HEAD:
        return None
    mark, made_at, count, length, checksum = _HEAD.unpack_from(held, at)
    ends = at + HEAD + length
    if mark != _MARK or len(held) < ends:
        return None
    if _sum(made_at, count, length) != checksum:
        return None
    return Frame(made_at, count, held[at + HEAD : ends], starts + ends)


def _sum(at: int, count: int, length: int) -> int:
    return zlib.crc32(_SUMMED.pack(at, count, length))
