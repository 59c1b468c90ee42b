"""A destination file in parts: plain values, as `definition` reads them and `compiler` and `lint` take them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from bridge.core.model import SourceLocation
from bridge.yaml.document import MappingNode, Node, Scalar

ItemPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlatformOption:
    """A var or a secret: what an operator sets. `default` None: it has none, and may be left out unless `needed`."""

    name: str
    place: SourceLocation
    needed: bool = False
    default: str | None = None
    allowed: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class PlatformLimits:
    """What a platform takes: events and bytes of a request, ages, requests a minute."""

    events: int = 1
    bytes: int | None = None
    oldest: timedelta | None = None
    ahead: timedelta | None = None
    rate: int = 0
    together: Scalar | None = None


@dataclass(frozen=True, slots=True)
class SkipRule:
    """An event for which `when` holds is not for the platform."""

    when: Scalar
    reason: str


@dataclass(frozen=True, slots=True)
class FollowsRule:
    """An event type that is sent only after the event of one of these types that it follows: that of its order."""

    place: SourceLocation
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathUse:
    """A path of the item that `identify` or `require` names, and where."""

    path: ItemPath
    place: SourceLocation


@dataclass(frozen=True, slots=True)
class SendRule:
    """One entry of `send`. `event_types` None takes every type; each of `identify` is a group that counts together."""

    place: SourceLocation
    event_types: tuple[str, ...] | None
    when: Scalar | None
    identify: tuple[tuple[PathUse, ...], ...]
    require: tuple[PathUse, ...]
    item: MappingNode


@dataclass(frozen=True, slots=True)
class AuthDefinition:
    """How a request proves who sends it: a kind of AUTH_KINDS and its parameters, literals or expressions."""

    kind: str
    place: SourceLocation
    parameters: MappingNode


@dataclass(frozen=True, slots=True)
class RequestDefinition:
    """The envelope around items."""

    place: SourceLocation
    url: Scalar
    method: str = "POST"
    headers: MappingNode | None = None
    auth: AuthDefinition | None = None
    body: Node | None = None
    format: str = "json"


@dataclass(frozen=True, slots=True)
class EachDefinition:
    """A rule's reading of the answer item by item."""

    name: str
    source: Scalar
    when: Scalar | None
    at: Scalar | None
    outcome: Scalar | None
    reason: Scalar | None


@dataclass(frozen=True, slots=True)
class AnswerDefinition:
    """One entry of `answers`: for the whole request, or by `each` for its items."""

    place: SourceLocation
    when: Scalar | None
    outcome: Scalar | None = None
    reason: Scalar | None = None
    after: Scalar | None = None
    note: Scalar | None = None
    each: EachDefinition | None = None
    rest: str = "retry"


@dataclass(frozen=True, slots=True)
class VerdictDefinition:
    """How a platform is asked later what became of a request. `refused` gives entries with `reason` and `count`.

    `after` is when it knows at the earliest; where `success` holds, every event of the request was taken.
    """

    place: SourceLocation
    url: Scalar
    pending: Scalar | None
    name: str
    source: Scalar
    reason: Scalar
    count: Scalar
    after: timedelta | None = None
    success: Scalar | None = None


@dataclass(slots=True)
class PlatformDefinition:
    """A destination file in parts."""

    kind: str = ""
    title: str = ""
    purpose: str = ""
    place: SourceLocation | None = None
    vars: dict[str, PlatformOption] = field(default_factory=dict)
    secrets: dict[str, PlatformOption] = field(default_factory=dict)
    events: dict[str, str | None] = field(default_factory=dict)
    follows: dict[str, FollowsRule] = field(default_factory=dict)
    limits: PlatformLimits = field(default_factory=PlatformLimits)
    lets: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    skips: list[SkipRule] = field(default_factory=list)
    sends: list[SendRule] = field(default_factory=list)
    request: RequestDefinition | None = None
    answers: list[AnswerDefinition] = field(default_factory=list)
    verdict: VerdictDefinition | None = None

    @property
    def names_events(self) -> bool:
        """Whether it says what an event is called; else an operator must. What follows another has no own name."""
        return any(name for event_type, name in self.events.items() if event_type not in self.follows)
