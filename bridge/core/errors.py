"""Every error that trackbridge raises on purpose, as one tree. A message names the thing and the remedy, and no secret.

BridgeError
├── SettingsError         a setting cannot be used
├── MappingError          a mapping file has problems; carries all of them
├── NotGenuine            a request did not prove that its provider sent it
├── HeadersTooLarge       a genuine request has more in its headers than is kept with a webhook
├── NotAnEvent            a document is no track event; carries every problem
├── CannotTranslate       a value of a kept webhook cannot be evaluated; carries its place
├── IdempotencyConflict   a known Idempotency-Key was sent with another body
├── NotFound              no webhook, event or delivery has that id
├── AlertFailed           an alert was not taken
├── BackupError           a backup cannot be made, read or restored
├── BodyGone              a webhook's body was deleted, so it cannot be translated again
└── StoreUnavailable      the store cannot do its work now; try again later
    ├── RoleTaken         another process has that role of serve on the store
    └── StoreUnusable     the file is no store of trackbridge, is damaged, or is a newer version's
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bridge.core.model import EventProblem, Problem, SourceLocation


class BridgeError(Exception):
    """The root: whatever trackbridge raises on purpose."""


class SettingsError(BridgeError):
    """What the operator set cannot be used. The message begins with `place`, which is in a file, if there is one."""

    def __init__(self, text: str, *, place: SourceLocation | None = None) -> None:
        super().__init__(f"{place}: {text}" if place is not None else text)
        self.text = text
        self.place = place


class MappingError(BridgeError):
    """A mapping file has problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class NotGenuine(BridgeError):
    """A request did not prove genuine. `reason` is one of a few words, for counting; the caller never sees it.

    `skew` is by how much this clock is ahead of the time of a request that is `stale`, whose signature is right.
    """

    def __init__(self, reason: str, *, skew: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.skew = skew


class HeadersTooLarge(BridgeError):
    """The headers of a genuine request that are needed to translate it are more than is kept. Its text is an answer."""


class NotAnEvent(BridgeError):
    """A document is no track event."""

    def __init__(self, problems: Sequence[EventProblem]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = tuple(problems)


class CannotTranslate(BridgeError):
    """A value of a kept webhook cannot be evaluated. The text says why and never holds the value."""

    def __init__(self, place: SourceLocation | None, text: str) -> None:
        super().__init__(f"{place}: {text}" if place else text)
        self.place = place
        self.text = text


class IdempotencyConflict(BridgeError):
    """A known Idempotency-Key was sent with another body."""


class NotFound(BridgeError):
    """No webhook, event or delivery has that id."""


class AlertFailed(BridgeError):
    """An alert was not taken by whom it was sent to. Its text holds no address and no key."""


class BackupError(BridgeError):
    """A backup cannot be made, read or put back."""


class BodyGone(BridgeError):
    """A webhook's body was kept long enough: it cannot be mapped again."""


class StoreUnavailable(BridgeError):
    """The store cannot take or give it now. `retry_after` is how long the caller should wait."""

    def __init__(self, text: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after

    def copy_error(self) -> StoreUnavailable:
        """The same for one more caller: each raises an error of its own."""
        return type(self)(str(self), retry_after=self.retry_after)


class RoleTaken(StoreUnavailable):
    """Another process has that role of `serve` on the store."""


class StoreUnusable(StoreUnavailable):
    """The store's file is no store of ours, is damaged, or was written by a newer version."""


def error_location(error: Exception) -> str:
    """File and line that raised it: enough to find it, and no value of anybody's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "unknown"
