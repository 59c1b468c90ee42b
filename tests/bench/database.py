"""A PostgreSQL server that flushes what it commits, on the same cores as all else, and fresh databases on it.

Not concerned with what is measured there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

sys.path.append(str(Path(__file__).parents[1] / "store"))
from postgres_server import running_postgres

OPTIONS = ("-c", "shared_buffers=256MB", "-c", "max_connections=400", "-c", "max_wal_size=4GB", "-c", "jit=off")
"""What any operator sets; all else is as the server has it: fsync and synchronous_commit are on."""


class Database:
    """One server for a part of the benchmark."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of an empty database, which goes at the end."""
        self._count += 1
        name = f"bench_{self._count}"
        self._administer(f"CREATE DATABASE {name}")
        try:
            yield self._url.replace("/postgres?", f"/{name}?")
        finally:
            self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def _administer(self, query: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as db:
            db.execute(query.encode())

    def process(self) -> int:
        """The server's first process, of which all others are children."""
        with psycopg.connect(self._url) as db:
            [(folder,)] = db.execute("SHOW data_directory").fetchall()
        return int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])


@contextmanager
def database(place: Path) -> Iterator[Database]:
    """A server whose files lie in a folder of `place`."""
    with running_postgres(options=OPTIONS, place=place) as url:
        yield Database(url)


def described(db: psycopg.Connection[Any]) -> str:
    """What the figures depend on."""
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "wal_sync_method")
    return ", ".join(f"{name}={db.execute('SELECT current_setting(%s)', (name,)).fetchall()[0][0]}" for name in names)
