"""The log: one wide line of `key=value` for each webhook kept, each event made, each attempt.

What goes in is ids, names, numbers, outcomes and times: never a body, a secret or a personal datum. Not concerned
with metrics.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta

LOGGER = logging.getLogger("trackbridge")
SERVER = logging.getLogger("uvicorn.error")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/+-*#@")


def line(what: str, **fields: object) -> None:
    """Write one line: what happened, then its fields; those that are None are left out."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info("%s", _spelt(what, fields))


def trouble(what: str, **fields: object) -> None:
    """The same for what a person should look at."""
    LOGGER.warning("%s", _spelt(what, fields))


class Seldom:
    """Trouble that would repeat: at most one line a minute for each kind."""

    def __init__(self, every: timedelta = timedelta(minutes=1)) -> None:
        self._every = every
        self._last: dict[str, datetime] = {}

    def trouble(self, what: str, *, now: datetime, **fields: object) -> None:
        """Write the line unless one of its kind was written within the last minute."""
        last = self._last.get(what)
        if last is None or not timedelta() <= now - last < self._every:
            self._last[what] = now
            trouble(what, **fields)


def start(level: int = logging.INFO) -> None:
    """Send the log to standard error, each line with its UTC time."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Stamped("%(message)s"))
    for logger, least in ((LOGGER, level), (SERVER, logging.WARNING)):
        logger.handlers[:] = [handler]
        logger.setLevel(least)
        logger.propagate = False


class _Stamped(logging.Formatter):
    """One line a record, also for an exception: its traceback would show what a request held."""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_info = record.exc_text = None
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"{at} {record.levelname.lower()} {super().format(record)}"


def _spelt(what: str, fields: dict[str, object]) -> str:
    return " ".join([what, *(f"{key}={_quoted(value)}" for key, value in fields.items() if value is not None)])


def _quoted(value: object) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    if text and _PLAIN.issuperset(text):
        return text
    escaped = text[:500].encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
