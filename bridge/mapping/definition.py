"""What stands where in a mapping file: the document as the parts that the compiler works on, with every slip told.

Unknown keys, wrong kinds of values and missing parts are problems here. Not concerned with what expressions or
signature recipes mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.model import Place
from bridge.mapping.engine.recall import Recall
from bridge.mapping.engine.recall import read as read_recall
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.language import NAME, ROOTS
from bridge.mapping.problems import Problems
from bridge.mapping.yaml.document import Node, Scalar, Table
from bridge.mapping.yaml.reader import Sheet

VERSION = 1
KEYS = ("mapping", "provider", "title", "webhook", "vars", "minor_units", "set_aside", "let", "events", "ignore")
WEBHOOK_EXPRESSIONS = ("occurred_at", "account", "test")
WEBHOOK_RECIPE = ("signature", "id", "topic", "items", "challenge")
RULE_KEYS = ("topic", "when", "dedupe", "require", "recall", "event")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]*")
REQUIRED = (("properties", "order_id"), ("properties", "value"), ("properties", "currency"))
REQUIRING = frozenset({"purchase", "subscription", "refund"})
"""The event types that need REQUIRED unless `require` says otherwise."""


@dataclass(frozen=True, slots=True)
class Var:
    """What an operator may set: its default, the values it may have (none: any text), and a line of help."""

    name: str
    default: str
    allowed: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A field that an event must have, and where that is asked for."""

    path: tuple[str, ...]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `events`. `topics` None takes every topic; `require` None is the event type's default."""

    place: Place
    topics: tuple[str, ...] | None
    when: Scalar | None
    dedupe: Scalar | None
    require: tuple[Requirement, ...] | None
    event: Table
    event_key: Scalar
    recall: Recall | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entry of `set_aside`: webhooks of these topics (None: all) for which `when` holds are set aside."""

    topics: tuple[str, ...] | None
    when: Scalar
    reason: str


@dataclass(slots=True)
class Layout:
    """A mapping file in parts. `webhook` holds what the signature's recipe is read from."""

    provider: str = ""
    title: str = ""
    webhook: Table | None = None
    expressions: dict[str, Scalar] = field(default_factory=dict)
    vars: dict[str, Var] = field(default_factory=dict)
    units: MinorUnits | None = None
    lets: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    ignores: dict[str, str] = field(default_factory=dict)
    topic_places: tuple[str, ...] = ()


def read(root: Node, problems: Problems) -> Layout:
    """The parts of a document."""
    return _Reader(problems).layout(root)


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._layout = Layout()

    def layout(self, root: Node) -> Layout:
        sheet = Sheet.of(root, KEYS, self._problems, what="a mapping")
        self._version(sheet)
        self._provider(sheet)
        self._layout.title = sheet.text("title") or self._layout.provider
        self._webhook(sheet)
        self._vars(sheet.table("vars"))
        self._units(sheet)
        self._lets(sheet.table("let"))
        self._layout.refusals = [
            refusal for entry in sheet.series("set_aside") if (refusal := self._refusal(entry)) is not None
        ]
        named = self._layout.webhook is not None and self._layout.webhook.get("topic") is not None
        rules = [self._rule(entry, topic_needed=named) for entry in sheet.series("events", needed=True)]
        self._layout.rules = [rule for rule in rules if rule is not None]
        self._ignores(sheet.table("ignore"))
        return self._layout

    def _version(self, sheet: Sheet) -> None:
        version = sheet.scalar("mapping", needed=True)
        if version is not None and version.value != VERSION:
            self._problems.error(
                version.place, f"this is version {VERSION} of the language: write `mapping: {VERSION}`"
            )

    def _provider(self, sheet: Sheet) -> None:
        provider = sheet.scalar("provider", needed=True)
        if provider is None:
            return
        if not _PROVIDER.fullmatch(provider.text):
            self._problems.error(provider.place, "provider must be of a-z, 0-9, `-` and `_`: it stands in addresses")
        self._layout.provider = provider.text

    def _webhook(self, sheet: Sheet) -> None:
        node = sheet.node("webhook", needed=True)
        if not isinstance(node, Table):
            if node is not None:
                self._problems.error(node.place, "webhook must be an object")
            return
        below = Sheet.of(node, (*WEBHOOK_RECIPE, *WEBHOOK_EXPRESSIONS), self._problems, what="webhook")
        self._layout.webhook = node
        self._layout.topic_places = tuple(item.text for item in below.scalars("topic"))
        for name in WEBHOOK_EXPRESSIONS:
            expression = below.expression(name)
            if expression is not None:
                self._layout.expressions[name] = expression

    def _vars(self, entries: Mapping[str, tuple[Scalar, Node]]) -> None:
        for name, (_, node) in entries.items():
            sheet = Sheet.of(node, ("default", "allowed", "help"), self._problems, what=f"the var {name}")
            allowed = tuple(item.text for item in sheet.scalars("allowed"))
            default = sheet.scalar("default", needed=True)
            if default is not None and allowed and default.text not in allowed:
                self._problems.error(default.place, f"the default must be one of {', '.join(allowed)}")
            text = default.text if default else ""
            self._layout.vars[name] = Var(name, text, allowed, sheet.text("help") or "")

    def _units(self, sheet: Sheet) -> None:
        node = sheet.node("minor_units")
        if node is None:
            return
        below = Sheet.of(node, ("default", "exponents"), self._problems, what="minor_units")
        default = below.scalar("default")
        exponents: dict[str, int] = {}
        for key, (at, currencies) in below.table("exponents").items():
            if not (key.isascii() and key.isdigit() and int(key) <= 9):  # noqa: PLR2004  one digit is plenty
                self._problems.error(at.place, f"the key '{key}' must be a number of decimals, such as 0 or 3")
                continue
            for currency in below.listed(currencies):
                exponents[currency.text.lower()] = int(key)
        if default is not None and not isinstance(default.value, int):
            self._problems.error(default.place, "default must be a number of decimals, such as 2")
            return
        self._layout.units = MinorUnits(exponents, None if default is None else int(default.value))

    def _lets(self, entries: Mapping[str, tuple[Scalar, Node]]) -> None:
        for name, (key, _) in entries.items():
            if not NAME.fullmatch(name):
                self._problems.error(key.place, "a name must be of letters, digits and `_`")
            elif name in ROOTS:
                self._problems.error(key.place, f"the name '{name}' is taken by a root")
        self._layout.lets = dict(entries)

    def _refusal(self, node: Node) -> Refusal | None:
        sheet = Sheet.of(node, ("topic", "when", "reason"), self._problems, what="an entry of set_aside")
        when, reason = sheet.expression("when", needed=True), sheet.text("reason", needed=True)
        topics = tuple(item.text for item in sheet.scalars("topic")) or None
        return Refusal(topics, when, reason) if when and reason else None

    def _rule(self, node: Node, *, topic_needed: bool) -> Rule | None:
        sheet = Sheet.of(node, RULE_KEYS, self._problems, what="a rule")
        topics = tuple(item.text for item in sheet.scalars("topic", needed=topic_needed)) or None
        asked = sheet.node("recall")
        recall = None if asked is None else read_recall(asked, self._problems)
        event = sheet.node("event", needed=True)
        when, dedupe, require = sheet.expression("when"), sheet.expression("dedupe"), self._require(sheet)
        if event is None or not isinstance(node, Table):
            return None
        if not isinstance(event, Table):
            self._problems.error(event.place, "event must be an object")
            return None
        return Rule(node.place, topics, when, dedupe, require, event, node.entries["event"].key, recall)

    def _require(self, sheet: Sheet) -> tuple[Requirement, ...] | None:
        if sheet.node("require") is None:
            return None
        return tuple(Requirement(tuple(item.text.split(".")), item.place) for item in sheet.scalars("require"))

    def _ignores(self, entries: Mapping[str, tuple[Scalar, Node]]) -> None:
        named = {topic for rule in self._layout.rules for topic in rule.topics or ()}
        for topic, (key, node) in entries.items():
            if topic in named:
                self._problems.error(
                    key.place,
                    f"the topic '{topic}' stands under `events` too; keep one: where no rule's `when` holds it is ignored by itself",
                )
            if isinstance(node, Scalar) and isinstance(node.literal, str) and not node.is_expression and node.text:
                self._layout.ignores[topic] = str(node.literal)
            else:
                self._problems.error(node.place, "must be a text that says why the topic is ignored")
