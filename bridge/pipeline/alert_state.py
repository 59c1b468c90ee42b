"""What people were told, in a file beside the store, so that a restart repeats nothing.

It holds causes and times and no sentence, and is in no backup: a restored store tells anew what it needs.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from bridge.core.regular_file import read_regular_file

AT_MOST_EVERY = timedelta(hours=1)
"""How long nothing is told of a cause after something was."""
_SUFFIX = "-alerts"


class ToldCause(msgspec.Struct, frozen=True):
    """The last that people were told of a cause: that it needs them, or that it is over; and when."""

    needs: bool
    at: datetime


class AlertState:
    """What was told of each cause; `path` is the file, whose content is lost where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, ToldCause] = {}
        with suppress(OSError, msgspec.DecodeError):
            self._told = msgspec.json.decode(read_regular_file(path), type=dict[str, ToldCause])

    def find_begun(self, current: Collection[str], *, now: datetime) -> list[str]:
        """The causes to tell that need a person now: those that were not told, nor anything of them within the hour."""
        told = self._told
        return [one for one in current if one not in told or (not told[one].needs and self._may_tell(one, now))]

    def find_over(self, current: Collection[str], *, now: datetime) -> list[str]:
        """The causes to tell that they are over: those that were told at least an hour ago."""
        gone = [one for one, told in self._told.items() if told.needs and one not in current]
        return [one for one in gone if self._may_tell(one, now)]

    def _may_tell(self, cause: str, now: datetime) -> bool:
        """A clock that was set back by more than the hour ends it, too."""
        return abs(now - self._told[cause].at) >= AT_MOST_EVERY

    def record_told(self, begun: Collection[str], over: Collection[str], *, now: datetime) -> None:
        """Write durably that these were told; what is over and was told an hour ago is forgotten. Raises OSError."""
        self._told |= {cause: ToldCause(needs=True, at=now) for cause in begun}
        self._told |= {cause: ToldCause(needs=False, at=now) for cause in over}
        self._told = {cause: told for cause, told in self._told.items() if told.needs or not self._may_tell(cause, now)}
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.encode(self._told))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)


def alert_file(store: Path) -> Path:
    """The file of a store."""
    return store.with_name(store.name + _SUFFIX)
