"""Opens the store on a PostgreSQL server that a URL names, and says what there is. It needs the extra `postgres`."""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from bridge.core.errors import StoreUnavailable
from bridge.store.postgres import schema
from bridge.store.postgres.db.server_errors import server_error
from bridge.store.postgres.db.server_url import connection_info, shown_url
from bridge.store.postgres.db.timeline_fence import TimelineFence
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import AdmissionLimits

T = TypeVar("T")
_MOST_NODE = 2**31 - 1
_COPIES = re.compile(r"(?:ANY|FIRST)?\s*(\d+)\s*\(", re.IGNORECASE)


def open_server_store(  # noqa: PLR0913  by name
    url: str,
    *,
    ledger_window: timedelta,
    bounds: AdmissionLimits,
    node_id: str,
    is_prepared: bool,
    timeline_file: Path | None = None,
) -> PostgresStore:
    """Open the store in the database at `url`; its tables are made if there are none, or brought to this version.

    Processes of one host name and `node_id` are one node: it takes first what it has kept itself. In `timeline_file`,
    if there is such a file, they tell each other which primary is the newest. One that `is_prepared` is opened, too,
    while the server is not reachable.
    """
    node = zlib.crc32(f"{socket.gethostname()}/{node_id}".encode()) & _MOST_NODE
    fence = TimelineFence(timeline_file)
    return PostgresStore(
        url, node=node, ledger_window=ledger_window, bounds=bounds, fence=fence, is_prepared=is_prepared
    )


def has_tables(url: str) -> bool:
    """Whether there is a store in the database at `url`. Raises StoreUnavailable where it cannot be reached."""
    return _ask_server(url, "SELECT (to_regclass('steps_taken') IS NOT NULL)::text") == "true"


def server_version(url: str) -> str:
    """The version of the server. Raises StoreUnavailable as above."""
    return _ask_server(url, "SHOW server_version").split()[0]


def unfinished_steps(url: str) -> tuple[str, ...]:
    """The steps by which `migrate --finish` would remove something. Raises StoreUnavailable as above."""
    return _with_server(url, schema.unfinished_steps)


def finish_steps(url: str) -> tuple[str, ...]:
    """Take them; returns their names. Raises StoreUnavailable as above, and where others hold what is removed."""
    return _with_server(url, schema.finish_database)


def describe_copies(url: str) -> str:
    """On how many machines it is what a 200 has answered. Raises StoreUnavailable as above."""
    return copies_text(_ask_server(url, "SHOW synchronous_standby_names"))


def copies_text(standbys: str) -> str:
    """The same by `synchronous_standby_names`; the store itself asks each commit to wait for them."""
    if not standbys.strip():
        return "a 200 is on one machine"
    found = _COPIES.match(standbys.strip())
    return f"a 200 is on {1 + int(found[1]) if found else 2} machines"


def _ask_server(url: str, question: str) -> str:
    row = _with_server(url, lambda db: db.execute(question.encode()).fetchone())
    return str(row[0]) if row else ""


def _with_server(url: str, ask: Callable[[psycopg.Connection[Any]], T]) -> T:
    shown = shown_url(url)
    try:
        with psycopg.connect(connection_info(url), autocommit=True, prepare_threshold=None) as db:
            return ask(db)
    except psycopg.Error as error:
        raise (server_error(error, shown) or StoreUnavailable(f"the store {shown} does not answer")) from error
