"""Reads the parts of a mapping file, with a problem for each mistake.

Unknown keys, wrong kinds of values and missing parts are found here; expressions and recipes are checked elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bridge.mapping.definition import (
    AliasRule,
    FieldRequirement,
    MappingDefinition,
    Rule,
    RuleCondition,
    RuleLoop,
    SetAsideRule,
)
from bridge.mapping.engine.defer import DeferTo, read_defer_to
from bridge.mapping.engine.recall import Recall, read_recall
from bridge.mapping.engine.rule_waits import find_bad_wait
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.language import EARLIER, MOST_RANK, NAME, ROOTS, VERSION
from bridge.mapping.misplaced_keys import NOT_AT_THE_TOP, NOT_IN_A_RULE, NOT_IN_WEBHOOK
from bridge.mapping.object_reader import ObjectReader
from bridge.mapping.schema.mapping import (
    ALIAS_KEYS,
    CONDITION_KEYS,
    MAPPING_KEYS,
    RULE_KEYS,
    SET_ASIDE_KEYS,
    UNIT_KEYS,
    WEBHOOK_KEYS,
)
from bridge.mapping.vars import read_var
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

WEBHOOK_EXPRESSIONS = ("occurred_at", "account", "test", "ping")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_definition(root: Node, problems: Problems) -> MappingDefinition:
    """The parts of a document."""
    return _DefinitionReader(problems).read_root(root)


class _DefinitionReader:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._layout = MappingDefinition()

    def read_root(self, root: Node) -> MappingDefinition:
        reader = ObjectReader.read_object(root, MAPPING_KEYS, self._problems, what="a mapping", remedies=NOT_AT_THE_TOP)
        self._read_version(reader)
        self._read_provider(reader)
        self._layout.title = reader.read_text("title") or self._layout.provider
        self._read_webhook(reader)
        self._read_vars(reader.read_entries("vars"))
        self._read_units(reader)
        self._read_lets(reader.read_entries("let"))
        self._layout.refusals = [
            refusal for entry in reader.read_items("set_aside") if (refusal := self._read_refusal(entry)) is not None
        ]
        named = self._layout.webhook is not None and self._layout.webhook.get_value("topic") is not None
        entries = reader.read_items("events", needed=True)
        rules = [self._read_rule(entry, entries, topic_needed=named) for entry in entries]
        self._layout.rules = [rule for rule in rules if rule is not None]
        aliases = [self._read_alias(entry, topic_needed=named) for entry in reader.read_items("aliases")]
        self._layout.aliases = [alias for alias in aliases if alias is not None]
        self._read_ignores(reader.read_entries("ignore"))
        self._check_waits(root)
        return self._layout

    def _check_waits(self, root: Node) -> None:
        defaults = {name: var.default for name, var in self._layout.vars.items()}
        bad = find_bad_wait(self._layout.defer_waits, self._layout.recall_waits, defaults)
        if bad is not None:
            self._problems.add_error(bad[0].place or root.place, bad[1])

    def _read_version(self, reader: ObjectReader) -> None:
        version = reader.read_scalar("mapping", needed=True)
        if version is not None and version.value != VERSION:
            self._problems.add_error(
                version.place, f"this is version {VERSION} of the language: write `mapping: {VERSION}`"
            )

    def _read_provider(self, reader: ObjectReader) -> None:
        provider = reader.read_scalar("provider", needed=True)
        if provider is None:
            return
        if not _PROVIDER.fullmatch(provider.text):
            self._problems.add_error(
                provider.place, "provider must be of a-z, 0-9, `-` and `_`: it stands in addresses"
            )
        self._layout.provider = provider.text

    def _read_webhook(self, reader: ObjectReader) -> None:
        node = reader.read_node("webhook", needed=True)
        if not isinstance(node, MappingNode):
            if node is not None:
                self._problems.add_error(node.place, "webhook must be an object")
            return
        below = ObjectReader.read_object(node, WEBHOOK_KEYS, self._problems, what="webhook", remedies=NOT_IN_WEBHOOK)
        self._layout.webhook = node
        self._layout.topic_places = tuple(item.text for item in below.read_scalars("topic"))
        for name in WEBHOOK_EXPRESSIONS:
            expression = below.read_expression(name)
            if expression is not None:
                self._layout.expressions[name] = expression

    def _read_vars(self, entries: Mapping[str, tuple[Scalar, Node]]) -> None:
        self._layout.vars = {name: read_var(name, key, node, self._problems) for name, (key, node) in entries.items()}

    def _read_units(self, reader: ObjectReader) -> None:
        node = reader.read_node("minor_units")
        if node is None:
            return
        below = ObjectReader.read_object(node, UNIT_KEYS, self._problems, what="minor_units")
        default = below.read_scalar("default")
        exponents: dict[str, int] = {}
        for key, (at, currencies) in below.read_entries("exponents").items():
            if not (key.isascii() and key.isdigit() and int(key) <= 9):  # noqa: PLR2004  one digit is plenty
                self._problems.add_error(at.place, f"the key '{key}' must be a number of decimals, such as 0 or 3")
                continue
            for currency in below.as_list(currencies):
                exponents[currency.text.lower()] = int(key)
        if default is not None and not isinstance(default.value, int):
            self._problems.add_error(default.place, "default must be a number of decimals, such as 2")
            return
        self._layout.units = MinorUnits(exponents, None if default is None else int(default.value))

    def _read_lets(self, entries: Mapping[str, tuple[Scalar, Node]]) -> None:
        for name, (key, _) in entries.items():
            if not NAME.fullmatch(name):
                self._problems.add_error(key.place, "a name must be of letters, digits and `_`")
            elif name in {*ROOTS, EARLIER}:
                self._problems.add_error(key.place, f"the name '{name}' is taken by a root")
        self._layout.lets = dict(entries)

    def _read_refusal(self, node: Node) -> SetAsideRule | None:
        reader = ObjectReader.read_object(node, SET_ASIDE_KEYS, self._problems, what="an entry of set_aside")
        when, reason = reader.read_expression("when", needed=True), reader.read_text("reason", needed=True)
        topics = tuple(item.text for item in reader.read_scalars("topic")) or None
        return SetAsideRule(topics, when, reason) if when and reason else None

    def _read_rule(self, node: Node, entries: Sequence[Node], *, topic_needed: bool) -> Rule | None:
        reader = ObjectReader.read_object(node, RULE_KEYS, self._problems, what="a rule", remedies=NOT_IN_A_RULE)
        named = reader.read_scalars("topic", needed=topic_needed)
        topics = tuple(item.text for item in named) or None
        when, loop = self._read_conditions(reader), self._read_loop(reader, node)
        require, remember = self._read_require(reader), reader.read_text("remember")
        rank = self._read_rank(reader)
        recall, defer_to = self._read_lookups(reader, rank)
        if not isinstance(node, MappingNode):
            return None
        model = node if remember is None else _remembered_like(node, topics, entries)
        below = reader if model is node else ObjectReader.read_object(model, RULE_KEYS, Problems(), what="a rule")
        dedupes = reader.read_expressions("dedupe") or below.read_expressions("dedupe")
        rank = rank or (0 if model is node else self._read_rank(below))
        event = below.read_node("event", needed=True)
        if event is None:
            return None
        if not isinstance(event, MappingNode):
            self._problems.add_error(event.place, "event must be an object")
            return None
        if remember is not None and not dedupes:
            self._problems.add_error(
                node.place, "a rule with `remember` needs `dedupe`, or one of its topic that has it"
            )
        return Rule(
            node.place, topics, when, tuple(dedupes), () if remember else require, event, model.entries["event"].key,
            recall, loop, defer_to, rank, remember, tuple(item.place for item in named),
        )  # fmt: skip

    def _read_rank(self, reader: ObjectReader) -> int:
        rank = reader.read_scalar("rank")
        if rank is None:
            if reader.read_node("defer_to") is not None:
                reader.read_scalar("rank", needed=True)
            return 0
        if rank.value.__class__ is not int or not 0 < rank.value <= MOST_RANK:
            self._problems.add_error(rank.place, f"rank must be a whole number from 1 to {MOST_RANK}; higher is richer")
            return 0
        return int(rank.value)

    def _read_lookups(self, reader: ObjectReader, rank: int) -> tuple[Recall | None, DeferTo | None]:
        asked, deferred = reader.read_node("recall"), reader.read_node("defer_to")
        recall = None if asked is None else read_recall(asked, self._durations, self._problems)
        defer_to = None if deferred is None else read_defer_to(deferred, rank, self._durations, self._problems)
        return recall, defer_to

    def _read_alias(self, node: Node, *, topic_needed: bool) -> AliasRule | None:
        reader = ObjectReader.read_object(node, ALIAS_KEYS, self._problems, what="an entry of aliases")
        topics = tuple(item.text for item in reader.read_scalars("topic", needed=topic_needed)) or None
        when = reader.read_expression("when")
        name, belongs_to = (reader.read_expression(key, needed=True) for key in ("name", "belongs_to"))
        return AliasRule(topics, when, name, belongs_to) if name and belongs_to else None

    def _read_conditions(self, reader: ObjectReader) -> tuple[RuleCondition, ...]:
        """One expression, or a list of expressions and of `{if: …, else: …}`."""
        node = reader.read_node("when")
        if node is None or isinstance(node, Scalar):
            only = reader.read_expression("when")
            return () if only is None else (RuleCondition(only),)
        if isinstance(node, SequenceNode):
            return tuple(one for item in node.items if (one := self._read_condition(item)) is not None)
        self._problems.add_error(node.place, "when must be an expression, or a list of `{if: =…, else: reason}`")
        return ()

    def _read_condition(self, node: Node) -> RuleCondition | None:
        if isinstance(node, Scalar):
            if node.is_expression:
                return RuleCondition(node)
            self._problems.add_error(node.place, "a condition must be an expression, or `{if: =…, else: reason}`")
            return None
        reader = ObjectReader.read_object(node, CONDITION_KEYS, self._problems, what="a condition")
        test, reason = reader.read_expression("if", needed=True), reader.read_text("else")
        return None if test is None else RuleCondition(test, reason)

    def _read_loop(self, reader: ObjectReader, node: Node) -> RuleLoop | None:
        name, source = reader.read_scalar("for_each"), reader.read_expression("in")
        if name is None and source is None:
            return None
        if name is None or source is None:
            self._problems.add_error(
                node.place, "a rule with `for_each` needs `in`, and one with `in` needs `for_each`"
            )
            return None
        if not NAME.fullmatch(name.text):
            self._problems.add_error(name.place, "for_each must be a name of letters, digits and `_`")
            return None
        if name.text in {*ROOTS, EARLIER, *self._layout.lets}:
            self._problems.add_error(name.place, f"the name '{name.text}' is taken; give the elements another one")
            return None
        return RuleLoop(name.text, source)

    @property
    def _durations(self) -> frozenset[str]:
        return frozenset(name for name, var in self._layout.vars.items() if var.type == "duration")

    def _read_require(self, reader: ObjectReader) -> tuple[FieldRequirement, ...] | None:
        if reader.read_node("require") is None:
            return None
        return tuple(
            FieldRequirement(tuple(item.text.split(".")), item.place) for item in reader.read_scalars("require")
        )

    def _read_ignores(self, entries: Mapping[str, tuple[Scalar, Node]]) -> None:
        named = {topic for rule in self._layout.rules for topic in rule.topics or ()}
        for topic, (key, node) in entries.items():
            if topic in named:
                self._problems.add_error(
                    key.place,
                    f"the topic '{topic}' stands under `events` too; keep one: where no rule's `when` holds it is "
                    "ignored by itself",
                )
            if isinstance(node, Scalar) and node.is_expression:
                self._layout.ignore_reasons[topic] = node
            elif isinstance(node, Scalar) and isinstance(node.literal, str) and node.text:
                self._layout.ignores[topic] = str(node.literal)
            else:
                self._problems.add_error(node.place, "must be a text that says why the topic is ignored")


def _remembered_like(node: MappingNode, topics: Sequence[str] | None, entries: Sequence[Node]) -> MappingNode:
    """The entry that says what is kept of a webhook that makes no event on purpose.

    It is the rule itself where it has an `event`; else the first rule that makes one of the same topic: what is
    remembered is what that would have told.
    """
    if node.get_value("event") is not None:
        return node
    for entry in entries:
        if not isinstance(entry, MappingNode) or not isinstance(entry.get_value("event"), MappingNode):
            continue
        named = entry.get_value("topic")
        own = () if named is None else named.items if isinstance(named, SequenceNode) else (named,)
        texts = {item.text for item in own if isinstance(item, Scalar)}
        if not topics or not texts or texts & set(topics):
            return entry
    return node
