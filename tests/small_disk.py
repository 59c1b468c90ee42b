"""A small disk of its own for a test, really mounted, that can really be filled. Skips where nothing may be mounted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MEBIBYTE = 1024 * 1024
BLOCK = 64 * 1024


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[Path]:
    """A folder on a disk of `size` bytes, gone at the end of the block."""
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no mount on this machine")
    if mounted.returncode:
        pytest.skip(f"no disk may be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path, *, leaving: int = 0) -> Iterator[None]:
    """Until the end of the block something else holds all of a disk but so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while free(disk) > leaving:
            if not file.write(b"x" * min(BLOCK, max(1, free(disk) - leaving))):
                break
    try:
        yield
    finally:
        ballast.unlink()


def free(disk: Path) -> int:
    """Bytes that are free."""
    found = os.statvfs(disk)
    return int(found.f_bavail * found.f_frsize)
