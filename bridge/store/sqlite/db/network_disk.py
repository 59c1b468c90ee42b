"""Refuses a store on a network's file system, where locks and the write-ahead log do not hold between machines.

SQLite's own words: https://www.sqlite.org/wal.html ("All processes using a database must be on the same host computer")
and https://www.sqlite.org/faq.html#q5. Linux alone says what a folder lies on; elsewhere nothing is refused.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from bridge.core.errors import StoreUnavailable

MOUNTS = Path("/proc/self/mountinfo")
NETWORK_KINDS = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.ceph",
        "fuse.cephfs",
        "fuse.davfs",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.juicefs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "smb3",
        "smbfs",
    }
)
"""The types of file systems whose files are another machine's. A container's `overlay` and `virtiofs` are none."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


def require_local_disk(path: str) -> None:
    """Raises StoreUnavailable where the store at that path would lie on a network's file system."""
    folder = Path(os.path.realpath(path)).parent  # `resolve` raises for a link that leads to itself
    with suppress(OSError):  # no Linux, or no /proc
        kind = file_system_of(folder, os.fsdecode(MOUNTS.read_bytes()))
        if kind in NETWORK_KINDS:
            raise StoreUnavailable(
                f"the store {path} lies on a network's file system ({kind}, in {folder}), where a webhook could be "
                "lost or the file damaged; name a file on a disk of this machine in BRIDGE_STORE, and copy it to the "
                "network by `trackbridge backup`"
            )


def file_system_of(folder: Path, mounts: str) -> str | None:
    """The type of the file system on which a folder lies, by the text of `/proc/self/mountinfo`.

    A mount at the longest part of its path counts, and of several at one place the last. The fields:
    https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    found: tuple[int, str] | None = None
    for line in mounts.split("\n"):
        left, separator, right = line.partition(" - ")
        fields = left.split(" ")
        if not separator or len(fields) < 5:  # noqa: PLR2004  the mount point is the fifth
            continue
        point = Path(_ESCAPE.sub(_unescaped, fields[4]))
        if folder.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), right.split(" ")[0]
    return None if found is None else found[1]


def _unescaped(escape: re.Match[str]) -> str:
    """The character of an octal escape: 040 is a blank, 134 a backslash."""
    return chr(int(escape[1], 8))
