"""The frames of a log file: the webhooks of one flush, packed, behind a head with their time, count and length.

A file is frames, one after another; the last one may be cut off by a crash. A head has a checksum, and after a damaged
one the next is found by its mark; the content has a checksum of its own (`codec.py`). Pure.

The fourth byte of the mark is the version of the content's format. A later version keeps this head, so that a reader
that does not know the version can tell it from damage. `UNVERSIONED` frames are those of schemas 6 to 9: their checksum
does not cover the mark, and those of one commit (f1671d0) have one that covers the content, too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

VERSION = 1
"""The version of the frames that are written. Another content than `codec.py` reads needs the next one, never 10."""
UNVERSIONED = b"\n"[0]
_MARK = b"\xf4tb"
_HEAD = struct.Struct(">3sBQIII")
"""Mark, version, nanoseconds since 1970, webhooks, bytes of content, CRC-32 of all these."""
_SUMMED = struct.Struct(">3sBQII")
HEAD = _HEAD.size


@dataclass(frozen=True, slots=True)
class LogFrame:
    """A whole frame: when it was made, how many webhooks it holds, and where in the file it ends."""

    at: int
    count: int
    content: bytes
    ends: int


def frame_bytes(at: int, count: int, content: bytes) -> bytes:
    """The bytes of a frame."""
    summed = _SUMMED.pack(_MARK, VERSION, at, count, len(content))
    return summed + zlib.crc32(summed).to_bytes(4, "big") + content


def read_frames(held: bytes, *, starts: int = 0) -> Iterator[LogFrame]:
    """The whole frames of known versions at the beginning of these bytes, which are in the file from `starts` on."""
    at = 0
    while (frame := _read_frame(held, at, starts)) is not None:
        yield frame
        at = frame.ends - starts


class FrameHead(NamedTuple):
    """The head of a frame: when the frame was made, how many webhooks it holds, and how many bytes it has in all."""

    at: int
    webhooks: int
    size: int


NO_HEAD = FrameHead(0, 0, 0)


def read_head(held: bytes) -> FrameHead:
    """The head of the frame that begins these bytes, maybe a damaged one; NO_HEAD if none begins there."""
    if len(held) < HEAD or not held.startswith(_MARK):
        return NO_HEAD
    _, _, at, count, length, _ = _HEAD.unpack_from(held)
    return FrameHead(at, count, HEAD + length)


def frame_size(held: bytes, *, most: int) -> int:
    """The bytes of the frame that begins these bytes; 0 where none begins, or a damaged head says more than `most`."""
    size = read_head(held).size
    return size if size <= most or _has_sound_head(held, 0) else 0


def is_cut_off(held: bytes) -> bool:
    """Whether these bytes are the beginning of a frame whose end is missing, as far as its head can be relied on."""
    return len(held) < HEAD or (read_head(held).size > len(held) and _has_sound_head(held, 0))


def is_newer(held: bytes, at: int = 0) -> bool:
    """Whether a frame begins there that a newer version made: its head is sound, its content cannot be read here."""
    if len(held) < at + HEAD or not held.startswith(_MARK, at):
        return False
    return held[at + len(_MARK)] not in {VERSION, UNVERSIONED} and _has_sound_head(held, at)


def next_frame_after(held: bytes) -> int:
    """Returns where the next frame begins after damage at the beginning; the end of the bytes if there is none."""
    at = 1
    while (at := held.find(_MARK, at)) >= 0:
        if is_newer(held, at) or _read_frame(held, at, 0, searching=True) is not None:
            return at
        at += 1
    return len(held)


def _read_frame(held: bytes, at: int, starts: int, *, searching: bool = False) -> LogFrame | None:
    if len(held) < at + HEAD or not held.startswith(_MARK, at):
        return None
    _, version, made_at, count, length, _ = _HEAD.unpack_from(held, at)
    ends = at + HEAD + length
    if len(held) < ends or version not in {VERSION, UNVERSIONED}:
        return None
    sound = _has_sound_head(held, at) or _covers_content(held, at, ends, searching=searching)
    return LogFrame(made_at, count, held[at + HEAD : ends], starts + ends) if sound else None


def _has_sound_head(held: bytes, at: int) -> bool:
    return _head_sum(held, at) == _head_checksum(held, at)


def _covers_content(held: bytes, at: int, ends: int, *, searching: bool) -> bool:
    """Whether it is an unversioned frame whose checksum is of head and content.

    Damaged bytes may hold many marks: while searching, only what another frame may follow is summed up.
    """
    if held[at + len(_MARK)] != UNVERSIONED or (searching and not _MARK.startswith(held[ends : ends + len(_MARK)])):
        return False
    return zlib.crc32(held[at + HEAD : ends], _head_sum(held, at)) == _head_checksum(held, at)


def _head_sum(held: bytes, at: int) -> int:
    begins = at + len(_MARK) + 1 if held[at + len(_MARK)] == UNVERSIONED else at
    return zlib.crc32(held[begins : at + _SUMMED.size])


def _head_checksum(held: bytes, at: int) -> int:
    return int.from_bytes(held[at + _SUMMED.size : at + HEAD], "big")
