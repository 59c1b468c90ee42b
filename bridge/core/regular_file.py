"""Reads a file that the operator named, without ever waiting for it, and makes one of ours, whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

MOST_BYTES = 16 * 1024 * 1024


def read_regular_file(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file, at most `most` of them.

    Raises OSError with words in `strerror`: also for a fifo, a folder or a device, which could block or never end, and
    for a file that is larger.
    """
    held = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(held).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "it is a folder", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        with os.fdopen(held, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(held)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // (1024 * 1024)} MiB", str(path))
    return content


def make_file_once(path: Path, text: str) -> None:
    """Write a new file for its owner alone, and flush it. Raises FileExistsError if there is one, OSError.

    It gets its name when it is whole: a start that is cut off leaves none behind, and two that start at once agree on
    the first.
    """
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w") as writing:
            writing.write(text)
            writing.flush()
            os.fsync(writing.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
