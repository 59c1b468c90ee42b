"""Transactions of which statements are sent before the answers of earlier ones have come: a round trip for many.

Only where an answer is read, all that was sent is waited for; BEGIN goes with the first statements, and COMMIT with the
last ones. After an error the server passes over what was sent behind it, COMMIT too, and the error is raised where the
next answer is read. psycopg's own transactions wait for BEGIN and for COMMIT each, also in a pipeline.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

logging.getLogger("psycopg").setLevel(logging.ERROR)
"""It warns of what fails behind an error that it raises, as the end of a pipeline whose connection is lost."""


@contextmanager
def pipelined_transaction(db: psycopg.Connection[Any]) -> Iterator[None]:
    """A transaction of READ COMMITTED; it has been committed when this ends without an error.

    What is read of an answer besides its rows, such as `rowcount`, is there only after the rows were asked for.
    """
    try:
        with db.pipeline():
            db.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            yield
            db.execute("COMMIT")
    except BaseException:
        with suppress(psycopg.Error):
            db.rollback()
        raise
