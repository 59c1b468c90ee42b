"""What the figures depend on and cannot say themselves: the machine, its disk, and how the store writes to it."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

from bridge.store.engines import open_store

WRITES = 200


def described(folder: Path) -> dict[str, str | float]:
    """Names and values, as they are told."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "store": store_mode(folder),
        "file system": _file_system(folder),
        "write + fdatasync, ms": round(median(_synced(folder / "synced")) * 1000, 3),
    }


def store_mode(folder: Path) -> str:
    """How the store keeps what it takes: the journal and the fsync of the connections that a fresh one writes by.

    `synchronous` is a connection's, not the file's, so that it is asked of the store's own, wherever it has them.
    """
    found = asyncio.run(_modes(folder / "mode.db"))
    return ", ".join(
        sorted(f"SQLite {log_writer.upper()}, synchronous={_LEVELS[level]}" for log_writer, level in found)
    )


_LEVELS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


async def _modes(path: Path) -> set[tuple[str, int]]:
    store = open_store(f"sqlite:///{path}")
    try:
        await store.probe(now=datetime.now(UTC))
        return {
            (_pragma(one, "journal_mode"), int(_pragma(one, "synchronous")))
            for one in gc.get_objects()
            if isinstance(one, sqlite3.Connection) and _writes_to(one, path)
        }
    finally:
        await store.close()


def _writes_to(db: sqlite3.Connection, path: Path) -> bool:
    try:
        file = db.execute("PRAGMA database_list").fetchone()[2]
        return Path(file) == path.resolve() and _pragma(db, "query_only") == "0"
    except sqlite3.ProgrammingError:  # closed, or another thread's alone
        return False


def _pragma(db: sqlite3.Connection, name: str) -> str:
    return str(db.execute(f"PRAGMA {name}").fetchone()[0])


def _synced(path: Path) -> Iterator[float]:
    """Seconds that each of so many small appends took until it was on disk."""
    with path.open("wb", buffering=0) as file:
        for _ in range(WRITES):
            began = perf_counter()
            file.write(b"x" * 512)
            os.fdatasync(file.fileno())
            yield perf_counter() - began


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _file_system(folder: Path) -> str:
    if not shutil.which("stat"):
        return "unknown"
    said = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
