"""The files of the ingest log: their names, and which entries of its folder are such files.

Other programs leave entries there, too (`lost+found`, `@eaDir`, `.DS_Store`): they are neither read nor deleted.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bridge.core.errors import StoreUnavailable

_NAME = re.compile(r"[0-9]{20}-[0-9a-f]{8}")


def new_name() -> str:
    """The name of a new file: the nanoseconds since 1970, so that names sort by time, and a random part."""
    return f"{time.time_ns():020d}-{secrets.token_hex(4)}"


def is_name(text: str) -> bool:
    """Whether `new_name` could have made this name."""
    return _NAME.fullmatch(text) is not None


def created_ns(name: str) -> int:
    """When the file of that name was created, in nanoseconds since 1970."""
    return int(name.partition("-")[0])


def list_names(folder: str) -> list[str]:
    """The names of the ingest log's files, oldest first; none while the folder does not exist.

    A file has a name as `new_name` gives it and is a regular file: a folder, a link, a fifo or a device of such a name
    is not one. Raises StoreUnavailable if the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_name(entry.name) and _is_file(entry))
    except (FileNotFoundError, NotADirectoryError):  # nothing has been written yet
        return []
    except OSError as error:
        raise unreadable_error(folder, error) from None


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:  # it was deleted meanwhile
        return False


def size_of(path: str) -> int:
    """Returns the bytes of a file; 0 if it does not exist any more."""
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def open_file(path: str) -> int | None:
    """A descriptor for reading a regular file; None if it does not exist any more or is something else.

    Opening never waits, as it would for a fifo that was put there since the folder was listed. Raises OSError if a
    regular file cannot be opened.
    """
    try:
        held = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        if not _is_regular(path):
            return None
        raise
    if stat.S_ISREG(os.fstat(held).st_mode):
        return held
    os.close(held)
    return None


@contextmanager
def opened_for_reading(path: str) -> Iterator[int | None]:
    """A descriptor for reading a file until the end of the block; None if it cannot be opened."""
    held = None
    with suppress(OSError):
        held = open_file(path)
    try:
        yield held
    finally:
        if held is not None:
            os.close(held)


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def unreadable_error(path: str, error: OSError) -> StoreUnavailable:
    """The error for a folder or file of the ingest log that cannot be read."""
    return StoreUnavailable(
        f"{path} of the ingest log cannot be read ({error.strerror}); give this user access to it, and check the disk"
    )
