"""The files of a backup, and its `backup.json`, which names each of them with its size and SHA-256.

`backup.json` is the last file written, so a folder without it is no complete backup.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from io import BufferedReader
from pathlib import Path

import msgspec

from bridge.core.errors import BackupError
from bridge.store.sqlite.ingest import log_files
from bridge.store.sqlite.ingest.log_writer import flush_folder

FORMAT = 1
"""The format of `backup.json`. A reader refuses a higher one."""
NAME = "backup.json"
STORE = "trackbridge.db"
INGEST_LOG = f"{STORE}-inbox"
FILE_MODE, FOLDER_MODE = 0o600, 0o700
_CHUNK = 1024 * 1024


class FileSum(msgspec.Struct, frozen=True):
    """The size of a file in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


class BackupContents(msgspec.Struct, frozen=True, kw_only=True):
    """How much a backup holds. `waiting` of the webhooks are not translated yet."""

    webhooks: int
    waiting: int
    events: int
    pending_deliveries: int
    newest_webhook_at: datetime | None


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `backup.json`. `files` are named by their path inside the backup."""

    format: int
    made_at: datetime
    trackbridge: str
    schema: int
    contents: BackupContents
    files: Mapping[str, FileSum]

    @property
    def log_names(self) -> list[str]:
        """The names of the ingest log's files."""
        return [path.removeprefix(f"{INGEST_LOG}/") for path in self.files if path != STORE]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(one.size for one in self.files.values())


def make_folder(path: Path) -> None:
    """Make a new folder that only this user may read, whatever the umask is."""
    path.mkdir(FOLDER_MODE)
    path.chmod(FOLDER_MODE)


def write_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Write `backup.json`, durably."""
    held = os.open(folder / NAME, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(held, "wb") as file:
        os.fchmod(held, FILE_MODE)
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        file.flush()
        os.fsync(held)
    flush_folder(str(folder))


def read_manifest(folder: Path) -> BackupManifest:
    """Returns the manifest of a backup.

    Raises BackupError if it is no complete backup, or one of a newer trackbridge.
    """
    try:
        found = msgspec.json.decode(_manifest_content(folder / NAME), type=BackupManifest)
    except FileNotFoundError:
        raise BackupError(
            f"{folder} is no complete backup: it has no {NAME}, which `trackbridge backup` writes last; name "
            "another one"
        ) from None
    except OSError as error:
        raise BackupError(f"{folder / NAME} cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BackupError(f"{folder / NAME} is damaged; name another backup") from None
    if found.format > FORMAT:
        raise BackupError(f"{folder} was written by a newer trackbridge ({found.trackbridge}); install that version")
    if STORE not in found.files or not all(
        path == STORE or (path.startswith(f"{INGEST_LOG}/") and log_files.is_name(path.removeprefix(f"{INGEST_LOG}/")))
        for path in found.files
    ):
        raise BackupError(f"{folder / NAME} names files that are in no backup; name another backup")
    return found


def copy_file(source: Path, target: Path, *, size: int) -> FileSum:
    """Copy `size` bytes of a file, durably, into a new one that only this user may read.

    Returns the size and SHA-256 of the copy. Raises OSError.
    """
    digest, left = hashlib.sha256(), size
    with (
        _open_regular(source) as read,
        os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE), "wb") as write,
    ):
        os.fchmod(write.fileno(), FILE_MODE)  # whatever the umask is
        while content := read.read(min(left, _CHUNK)):
            digest.update(content)
            left -= len(content)
            write.write(content)
        write.flush()
        os.fsync(write.fileno())
    return FileSum(size - left, digest.hexdigest())


def sum_file(path: Path) -> FileSum:
    """Returns the size and SHA-256 of a regular file; a link is not followed. Raises OSError."""
    with _open_regular(path) as file:
        return FileSum(os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; opening a fifo would wait. Raises OSError."""
    held = log_files.open_file(str(path))
    if held is not None:
        return os.fdopen(held, "rb")
    if os.path.lexists(path):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _manifest_content(path: Path) -> bytes:
    with _open_regular(path) as file:
        return file.read()
