"""Bodies compressed for the store, one by one. Each thread has its own compressor and decompressor."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard

PLAIN, ZSTD = 0, 1
"""How a body is stored: as it is, or compressed by Zstandard."""


_LEAST = 256
"""Bodies of fewer bytes are not compressed."""


_LEVEL = 1


MOST_BYTES = 1 << 30
"""The most bytes that are decompressed at once: far more than all requests of one flush have."""


def compress_bodies(bodies: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """Returns each body as it is stored, with its form, PLAIN or ZSTD."""
    worth: list[bytes | bytearray | memoryview] = [body for body in bodies if len(body) >= _LEAST]
    smaller = iter(_compress_all(worth) if worth else [])
    return [_smaller_form(body, next(smaller)) if len(body) >= _LEAST else (body, PLAIN) for body in bodies]


def _compress_all(bodies: list[bytes | bytearray | memoryview]) -> list[bytes]:
    """Compress all in one call, which releases Python's lock once."""
    found = TOOLS.compressor.multi_compress_to_buffer(bodies)
    return [found[at].tobytes() for at in range(len(found))]


def _smaller_form(body: bytes, small: bytes) -> tuple[bytes, int]:
    return (small, ZSTD) if len(small) < len(body) else (body, PLAIN)


def decompress_body(content: bytes, form: int) -> bytes:
    """Returns the body that is stored in that form.

    A body that the disk damaged is returned as it is stored: its webhook is set aside, and delays no other.
    """
    if form == PLAIN:
        return content
    try:
        return decompress(content)
    except zstandard.ZstdError:
        return content


def decompress(content: bytes) -> bytes:
    """Returns what was compressed. Raises ZstdError for damaged bytes, also if they claim more than MOST_BYTES.

    The size that a frame claims is allocated before anything is read of it.
    """
    if zstandard.frame_content_size(content) > MOST_BYTES:
        raise zstandard.ZstdError("the frame claims to hold more than can have been compressed")
    return TOOLS.decompressor.decompress(content)


class _ThreadTools(threading.local):
    """A compressor and a decompressor for each thread: neither may be shared."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self.decompressor = zstandard.ZstdDecompressor()


TOOLS = _ThreadTools()
