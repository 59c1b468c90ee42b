"""Bodies compressed for the store, one by one. Each thread has its own compressor and decompressor."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard

PLAIN, ZSTD = 0, 1
"""The forms in which a body is at rest."""


_LEAST = 256
"""Bytes below which a body is not worth packing."""


_LEVEL = 1


def compress_bodies(bodies: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """Bodies as they are kept, each with the form that this is."""
    worth: list[bytes | bytearray | memoryview] = [body for body in bodies if len(body) >= _LEAST]
    smaller = iter(_compress_all(worth) if worth else [])
    return [_smaller_form(body, next(smaller)) if len(body) >= _LEAST else (body, PLAIN) for body in bodies]


def _compress_all(bodies: list[bytes | bytearray | memoryview]) -> list[bytes]:
    """All in one call, which lets go of Python's lock once."""
    found = TOOLS.compressor.multi_compress_to_buffer(bodies)
    return [found[at].tobytes() for at in range(len(found))]


def _smaller_form(body: bytes, small: bytes) -> tuple[bytes, int]:
    return (small, ZSTD) if len(small) < len(body) else (body, PLAIN)


def decompress_body(content: bytes, form: int) -> bytes:
    """The body that is kept in that form.

    A body that the disk damaged is returned as it is: its webhook is set aside, and delays no other.
    """
    if form == PLAIN:
        return content
    try:
        return TOOLS.decompressor.decompress(content)
    except zstandard.ZstdError:
        return content


class _ThreadTools(threading.local):
    """What packs and unpacks, for each thread its own: neither can be shared."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self.decompressor = zstandard.ZstdDecompressor()


TOOLS = _ThreadTools()
