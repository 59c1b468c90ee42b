"""The parts of a mapping file, as the compiler takes them: what was read. `read_definition.py` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.core.model import SourceLocation
from bridge.mapping.engine.defer import DeferTo
from bridge.mapping.engine.recall import Recall
from bridge.mapping.engine.rule_waits import RuleWait
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.vars import VarDefinition
from bridge.yaml.document import MappingNode, Node, Scalar


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """A field that an event must have, and where that is asked for."""

    path: tuple[str, ...]
    place: SourceLocation | None = None


@dataclass(frozen=True, slots=True)
class RuleCondition:
    """One condition of a rule, and why there is no event where it does not hold; None where that says nothing."""

    test: Scalar
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RuleLoop:
    """The `for_each` of a rule: what an element is called, and the list that it is in."""

    name: str
    source: Scalar


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `events`. `topics` None takes every topic; `require` None is the event type's default.

    The first of `dedupes` that comes out as something decides what is a duplicate, and all are registered. With
    `remember` it makes no event on purpose, for that reason, and keeps what the event would lend. With a `loop`
    it makes one event of each element.
    """

    place: SourceLocation
    topics: tuple[str, ...] | None
    when: tuple[RuleCondition, ...]
    dedupes: tuple[Scalar, ...]
    require: tuple[FieldRequirement, ...] | None
    event: MappingNode
    event_key: Scalar
    recall: Recall | None = None
    loop: RuleLoop | None = None
    defer_to: DeferTo | None = None
    rank: int = 0
    remember: str | None = None
    topic_places: tuple[SourceLocation, ...] = ()

    @property
    def dedupe(self) -> Scalar | None:
        """The first of its dedupe keys."""
        return self.dedupes[0] if self.dedupes else None


@dataclass(frozen=True, slots=True)
class AliasRule:
    """One entry of `aliases`: webhooks of these topics say that what `name` names belongs to what the other names."""

    topics: tuple[str, ...] | None
    when: Scalar | None
    name: Scalar
    belongs_to: Scalar


@dataclass(frozen=True, slots=True)
class SetAsideRule:
    """One entry of `set_aside`: webhooks of these topics (None: all) for which `when` holds are set aside."""

    topics: tuple[str, ...] | None
    when: Scalar
    reason: str


@dataclass(slots=True)
class MappingDefinition:
    """A mapping file in parts. `webhook` holds what the signature's recipe is read from."""

    provider: str = ""
    title: str = ""
    webhook: MappingNode | None = None
    expressions: dict[str, Scalar] = field(default_factory=dict)
    vars: dict[str, VarDefinition] = field(default_factory=dict)
    units: MinorUnits | None = None
    lets: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    refusals: list[SetAsideRule] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    aliases: list[AliasRule] = field(default_factory=list)
    ignores: dict[str, str] = field(default_factory=dict)
    ignore_reasons: dict[str, Scalar] = field(default_factory=dict)
    """The topics whose reason is an expression."""
    topic_places: tuple[str, ...] = ()

    @property
    def defer_waits(self) -> tuple[RuleWait, ...]:
        """How long its rules wait for richer webhooks."""
        return tuple(rule.defer_to.wait for rule in self.rules if rule.defer_to is not None)

    @property
    def recall_waits(self) -> tuple[RuleWait, ...]:
        """How long its rules wait for earlier events."""
        return tuple(rule.recall.wait for rule in self.rules if rule.recall is not None)
