"""What `doctor` looks at on this machine: Python, limits, the files of the store, its version, and the disk."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bridge.core.errors import BridgeError
from bridge.store.engines import (
    check_store,
    describe_server,
    is_on_server,
    require_local_disk,
    shown_store,
    sqlite_file,
    store_exists,
    store_versions,
)

NEWEST_PYTHON = (3, 14)
"""The newest that the tests have run on."""
CONNECTIONS = 4096 + 512
"""Files that a web process with all its connections has open."""
FSYNCS = 15
SLOW, TOO_SLOW = 0.05, 0.5
"""Seconds that a flush takes on a disk that is slow, and on one with which requests wait in line."""
MEBIBYTE = 1024 * 1024
ROOMY = 1024 * MEBIBYTE
"""Free space below which it is worth knowing how much is left."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line: `wrong` needs a person, `note` is worth knowing."""

    name: str
    state: Literal["ok", "note", "wrong"]
    text: str


def check_python() -> Iterator[CheckResult]:
    """The versions of Python and SQLite."""
    found = sys.version_info[:2]
    text = f"{sys.version.split()[0]} with SQLite {sqlite3.sqlite_version}"
    if found > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        yield CheckResult("python", "note", f"{text}; trackbridge was tested on Python 3.11 to {newest}")
    else:
        yield CheckResult("python", "ok", text)


def check_open_files() -> Iterator[CheckResult]:
    """Whether a process may have as many files open as it has connections."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < CONNECTIONS:
        text = (
            f"a process may have {soft} files open, too few for {CONNECTIONS} connections; start serve with "
            "LimitNOFILE=65536 (systemd) or after `ulimit -n 65536`"
        )
        yield CheckResult("limits", "note", text)
    else:
        yield CheckResult("limits", "ok", f"a process may have {soft if soft > 0 else 'any number of'} files open")


def check_store_files(url: str) -> Iterator[CheckResult]:
    """Whose the store's files are, whether they are sound, and which version wrote them; of a server what it says."""
    if is_on_server(url):
        yield _check_server(url)
        return
    try:
        path = Path(sqlite_file(url))
        require_local_disk(url)
        exposed = check_store(url)
        versions = store_versions(url)
    except BridgeError as error:
        yield CheckResult("store", "wrong", str(error))
        return
    yield from _check_folder(path.absolute().parent)
    yield from (CheckResult("permissions", "wrong", text) for text in exposed)
    if versions is None:
        yield CheckResult("store", "note", f"there is none at {path} yet; the first `trackbridge serve` makes it")
        return
    there, ours = versions
    if there > ours:
        text = f"{path} is of version {there}, and this trackbridge writes {ours}; install the newer one again"
        yield CheckResult("store", "wrong", text)
    elif there < ours:
        text = f"{path} is of version {there}; the next start of serve makes it version {ours}. Make a backup before"
        yield CheckResult("store", "note", text)
    else:
        yield CheckResult("store", "ok", f"{path} is sound, as far as two seconds tell, and of version {there}")


def _check_server(url: str) -> CheckResult:
    try:
        text, is_there = f"{shown_store(url)} answers: {describe_server(url)}", store_exists(url)
    except BridgeError as error:
        return CheckResult("store", "wrong", str(error))
    if is_there:
        return CheckResult("store", "ok", text)
    return CheckResult("store", "note", f"{text}; it has no store yet, which the first `trackbridge serve` makes")


def _check_folder(folder: Path) -> Iterator[CheckResult]:
    try:
        mode = folder.stat().st_mode
    except OSError as error:
        yield CheckResult("permissions", "wrong", f"{folder}: {error.strerror}; make it, or set BRIDGE_STORE")
        return
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        text = f"other users may exchange the files in {folder}: `chmod o-w {folder}`"
        yield CheckResult("permissions", "wrong", text)
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield CheckResult("permissions", "wrong", f"this user may not write in {folder}; run this as the user of serve")


def check_disk(url: str, *, least: int) -> Iterator[CheckResult]:
    """Free space, and how long a flush takes: every answer waits for one. A server has its own disk."""
    if is_on_server(url):
        return
    try:
        folder = Path(sqlite_file(url)).absolute().parent
        found = os.statvfs(folder)
        seconds = measure_flush(folder)
    except BridgeError:
        return  # the store's check says so
    except OSError as error:
        yield CheckResult("disk", "wrong", f"the disk of the store takes no file: {error.strerror}")
        return
    free = found.f_bavail * found.f_frsize
    left = f"{free / MEBIBYTE:.0f} MiB are free on the disk of the store"
    if free < least:
        text = f"{left}, less than the {least / MEBIBYTE:.0f} MiB of BRIDGE_MIN_FREE: requests get 503; free some"
        yield CheckResult("disk", "wrong", text)
    else:
        yield CheckResult("disk", "note" if free < ROOMY else "ok", left)
    yield CheckResult("disk", *_rate_flush(seconds))


def measure_flush(folder: Path) -> float:
    """Seconds that a write of 4 KiB and its flush take in a folder, in the median. Raises OSError."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            os.write(file.fileno(), b"\0" * 4096)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _rate_flush(seconds: float) -> tuple[Literal["ok", "note", "wrong"], str]:
    text = f"a flush takes {seconds * 1000:.1f} ms"
    if seconds >= TOO_SLOW:
        return "wrong", f"{text}, so long that providers may give up; put the store on a local SSD"
    return ("note", f"{text}, which is slow; every answer waits for one") if seconds >= SLOW else ("ok", text)
