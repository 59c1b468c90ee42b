"""A compiled destination file, as the engine runs it, and the frame that its code reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.destinations.language.parts import ItemPath
from bridge.mapping.engine.context import BuildFrame, FailureNotes
from bridge.mapping.engine.module import CompiledModule

Destination = dict[str, Json]
"""The root `destination`: `name`, `test` and `vars`."""


class PlatformFrame(BuildFrame):
    """The roots of one event, request or answer: those that its part of the file may read."""

    __slots__ = (
        "conversion_id",
        "destination",
        "event",
        "event_name",
        "items",
        "note",
        "response",
        "secrets",
        "value_left",
        "vars",
    )

    def __init__(  # noqa: PLR0913  the roots, by name
        self,
        *,
        destination: Destination,
        names: int,
        teller: FailureNotes,
        event: Json = None,
        event_name: str = "",
        conversion_id: str | None = None,
        value_left: Decimal | None = None,
        items: Sequence[Json] = (),
        secrets: Mapping[str, str | None] | None = None,
        response: Json = None,
        note: str = "",
    ) -> None:
        super().__init__(names=names, teller=teller)
        self.destination = destination
        self.vars: Mapping[str, str | None] = destination["vars"]
        self.event = event
        self.event_name = event_name
        self.conversion_id = conversion_id
        self.value_left = value_left
        self.items = items
        self.secrets = secrets or {}
        self.response = response
        self.note = note

    def put(self, target: Json, key: str | None, value: Json) -> None:
        """The same; items are without what is nothing already, and may be many."""
        if value is not self.items:
            super().put(target, key, value)
        elif key is None:
            target.append(value)
        else:
            target[key] = value


@dataclass(frozen=True, slots=True)
class SendCode:
    """An entry of `send` that runs: gives the item, or None where its `when` does not hold."""

    event_types: tuple[str, ...] | None
    make_item: Callable[[PlatformFrame], dict[str, Json] | None]
    identify: tuple[tuple[ItemPath, ...], ...]
    require: tuple[ItemPath, ...]


@dataclass(frozen=True, slots=True)
class RequestCode:
    """The envelope that runs: address, headers, body, and the parameters of `auth`."""

    url: Callable[[PlatformFrame], Json]
    headers: Callable[[PlatformFrame], dict[str, Json]]
    body: Callable[[PlatformFrame], Json]
    auth_kind: str | None
    auth: Callable[[PlatformFrame], dict[str, Json]]


@dataclass(frozen=True, slots=True)
class AnswerCode:
    """An entry of `answers` that runs. `each` gives place, outcome and reason of the items that it names."""

    place: SourceLocation
    holds: Callable[[PlatformFrame], bool]
    outcome: Callable[[PlatformFrame], Json] | None
    reason: Callable[[PlatformFrame], Json]
    after: Callable[[PlatformFrame], Json]
    note: Callable[[PlatformFrame], Json]
    each: Callable[[PlatformFrame], list[tuple[Json, Json, Json]]] | None
    rest: str


@dataclass(frozen=True, slots=True)
class VerdictCode:
    """The question about a request; of its answer, whether it is too early, and how many were refused why.

    It is asked `after` the request at the earliest. `is_success`: whether every event of the request was taken.
    """

    url: Callable[[PlatformFrame], Json]
    is_pending: Callable[[PlatformFrame], bool]
    refused: Callable[[PlatformFrame], list[tuple[Json, Json]]]
    is_success: Callable[[PlatformFrame], bool]
    after: timedelta


@dataclass(frozen=True, slots=True)
class PlatformProgram:
    """A compiled destination file. `names` is how many values a frame keeps.

    `limits_sale` is whether an item says that its person opted out of sale, `names_conversions` whether it has an id
    that is made of the order's. `follows` has the types that each event type follows.
    """

    compiled: CompiledModule
    names: int
    skips: tuple[tuple[Callable[[PlatformFrame], bool], str], ...]
    sends: tuple[SendCode, ...]
    request: RequestCode
    answers: tuple[AnswerCode, ...]
    together: Callable[[PlatformFrame], Json] | None
    limits_sale: bool
    names_conversions: bool
    follows: Mapping[str, tuple[str, ...]]
    verdict: VerdictCode | None = None
