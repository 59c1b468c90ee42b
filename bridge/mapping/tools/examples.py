"""Examples: a given webhook, and what a mapping must make of it; one file each, beside the mappings.

An example with another outcome is a problem at its `expect`, with the difference. Requests need no signature here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from urllib.parse import parse_qsl, urlencode

from bridge import contract, signature
from bridge.core import json_text
from bridge.core.conversions import KnownConversion
from bridge.core.errors import NotAnEvent, SettingsError
from bridge.core.json_text import Json
from bridge.core.model import (
    Event,
    EventNeeded,
    Ignored,
    Request,
    SetAside,
    SourceLocation,
    Translated,
    Translation,
    Webhook,
)
from bridge.mapping import Mapping, MappingReading
from bridge.mapping.engine.recall import NoEarlierEvents
from bridge.mapping.expressions.runtime import are_equal
from bridge.mapping.lint import ExampleWebhook, lint_unread_paths
from bridge.mapping.object_reader import ObjectReader
from bridge.mapping.schema.example import EARLIER_KEYS, EXAMPLE_KEYS, GIVEN_KEYS, REASON_KEYS
from bridge.mapping.tools.example_checks import ToldEvent, check_told_events, check_topics
from bridge.signature.locators import NOTHING, parse_pointer, value_at
from bridge.yaml import document
from bridge.yaml.document import MappingNode as Object
from bridge.yaml.document import Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

RECEIVED_AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""When the webhooks of examples are received."""

_CONTEXT = 3
_PLACES = re.compile(r"(?:^|(?<=; ))[^;]*?\.ya?ml:\d+:\d+: | \([^()]*\.ya?ml:\d+(?:, :\d+)*\)$")


@dataclass(frozen=True, slots=True)
class EarlierEvent:
    """An event that was kept before, and the dedupe key of its rule; its order id is known without one.

    `keys` are its conversion keys, where they are known.
    """

    event: Json
    dedupe: str | None = None
    keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class MappingExample:
    """One example. A `body` that is text is sent as it is, any other as JSON.

    `expect` is a list of events without their ids, or `{ignored: reason}` or `{set_aside: reason}` without places.
    """

    name: str
    body: Json
    expect: Json
    headers: Table[str, str] = field(default_factory=dict)
    query: Table[str, str] = field(default_factory=dict)
    vars: Table[str, str] = field(default_factory=dict)
    earlier: Sequence[EarlierEvent] = ()
    places: Table[str, SourceLocation] = field(default_factory=dict)

    @property
    def make_request(self) -> Request:
        """The request that is given."""
        content = self.body.encode() if isinstance(self.body, str) else json_text.write_json(self.body)
        kind = "application/json" if content[:1] in {b"{", b"["} else "application/x-www-form-urlencoded"
        headers = {"content-type": kind} | {name.lower(): value for name, value in self.headers.items()}
        return Request(
            method="POST",
            headers=tuple(headers.items()),
            body=content,
            query=tuple(self.query.items()),
            query_string=urlencode(self.query),
        )


def read_example(text: str | bytes, *, name: str, problems: Problems) -> MappingExample | None:
    """The example in a text; None, with problems, where it is none."""
    root = document.read_document(text, name=name, problems=problems)
    if root is None:
        return None
    before = len(problems.errors)
    reader = ObjectReader.read_object(root, EXAMPLE_KEYS, problems, what="an example")
    expect, given = reader.read_node("expect", needed=True), reader.read_node("given", needed=True)
    if expect is None or given is None or not isinstance(root, Object):
        return None
    below = ObjectReader.read_object(given, GIVEN_KEYS, problems, what="given")
    body = below.read_node("body", needed=True)
    _check_expected(expect, problems)
    texts = {key: _read_texts(below, key, problems) for key in ("headers", "query", "vars")}
    earlier = tuple(one for node in below.read_items("earlier") if (one := _read_earlier(node, problems)) is not None)
    if body is None or len(problems.errors) > before:
        return None
    places = {key: entry.key.place for key, entry in root.entries.items()}
    if isinstance(given, Object):
        places |= {key: entry.key.place for key, entry in given.entries.items()}
    return MappingExample(
        name, document.plain_value(body), document.plain_value(expect), **texts, earlier=earlier, places=places
    )


def check_examples(
    found: MappingReading, examples: Sequence[MappingExample], problems: Problems, *, known_topics: Collection[str] = ()
) -> None:
    """Run examples through a mapping, and tell each difference; then what they show of it together.

    That are the paths that no example has, orders that share a key, and topics that neither an example has nor the
    provider's `known_topics`.
    """
    if found.mapping is None:
        return
    samples: list[ExampleWebhook] = []
    told: list[ToldEvent] = []
    for example in examples:
        for webhook, made in run_example(found.mapping, example, problems):
            samples.append(_make_sample(example, webhook))
            events = made.events if isinstance(made, Translated) and not example.earlier else ()
            told += [ToldEvent(PurePath(example.name).name, webhook.topic, event) for event in events]
    lint_unread_paths(found.parts, found.compile_info, samples, problems)
    check_told_events(found.parts, told, problems)
    check_topics(found.parts, {one.topic for one in samples if one.topic}, known_topics, problems)


def run_example(
    mapping: Mapping, example: MappingExample, problems: Problems
) -> tuple[tuple[Webhook, Translation | None], ...]:
    """Run one example, and tell where it becomes something else; the webhooks that it gives, and what each becomes."""
    webhooks = _example_webhooks(mapping, example)
    try:
        made = _translate_webhooks(mapping, example, webhooks)
    except SettingsError as error:
        problems.add_error(example.places["vars"], str(error).partition(": ")[2])
        return tuple((webhook, None) for webhook in webhooks)
    told = format_outcome(made)
    if not are_equal(told, example.expect):
        different = diff_documents(example.expect, told).split("\n")
        problems.add_error(example.places["expect"], "comes to something else:", different)
    return tuple(zip(webhooks, made, strict=False))  # nothing is waited for here, so there is one for each


def example_topics(mapping: Mapping, example: MappingExample) -> tuple[str | None, ...]:
    """What the mapping takes for the topic of each webhook that an example gives."""
    return tuple(webhook.topic for webhook in _example_webhooks(mapping, example))


def translate_example(mapping: Mapping, example: MappingExample) -> tuple[Translation, ...]:
    """What the mapping makes of each webhook that an example gives. Raises SettingsError for a var that cannot be."""
    return _translate_webhooks(mapping, example, _example_webhooks(mapping, example))


def _translate_webhooks(
    mapping: Mapping, example: MappingExample, webhooks: Sequence[Webhook]
) -> tuple[Translation, ...]:
    source = mapping.bind_source(
        mapping.provider, secrets=(), vars=example.vars, public_url="https://bridge.example.com/"
    )
    earlier = recallable_events(example.earlier, scope=source.scope)
    made = (source.translate_with_earlier(webhook, earlier) for webhook in webhooks)
    return tuple(one for one in made if not isinstance(one, EventNeeded))


def recallable_events(earlier: Sequence[EarlierEvent], *, scope: str) -> NoEarlierEvents:
    """Earlier events by their conversion keys in a scope, as `recall` looks for them. Raises NotAnEvent."""
    found = NoEarlierEvents()
    for one in earlier:
        event = _earlier_event(one, scope=scope)
        known = KnownConversion(event.text, by=event.id)
        found |= dict.fromkeys((*event.conversion_keys, *one.keys), (known,))
    return found


def example_outcome(mapping: Mapping, example: MappingExample) -> Json:
    """What an example becomes, as examples write it: events without ids, or a reason without places.

    Of several webhooks in one request the events together, or else the first one's reason.
    """
    return format_outcome(translate_example(mapping, example))


def format_outcome(made: Sequence[Translation]) -> Json:
    """The translations of one request's webhooks as examples write them."""
    events = [event for each in made if isinstance(each, Translated) for event in each.events]
    if not events:
        return _reason_without_places(made[0])
    documents = [json_text.parse_json(event.text) for event in events]
    return [{name: value for name, value in each.items() if name != "event_id"} for each in documents]


def diff_documents(expected: Json, told: Json) -> str:
    """The unified difference of two documents, as JSON; what is equal is written as it was expected."""
    before, after = _json_lines(expected), _json_lines(_shape_like(told, expected))
    return "\n".join(difflib.unified_diff(before, after, "expected", "came", lineterm="", n=_CONTEXT))


def _example_webhooks(mapping: Mapping, example: MappingExample) -> tuple[Webhook, ...]:
    return signature.identify_webhooks(mapping.recipe, example.make_request, source=mapping.provider, now=RECEIVED_AT)


def _make_sample(example: MappingExample, webhook: Webhook) -> ExampleWebhook:
    whole = example.body
    if isinstance(whole, str):
        try:
            whole = json_text.parse_json(whole, strict=False)
        except ValueError:
            whole = dict(reversed(parse_qsl(whole, keep_blank_values=True)))
    item = whole if webhook.item is None else value_at(whole, parse_pointer(webhook.item))
    return ExampleWebhook(webhook.topic, None if item is NOTHING else item, whole)


def _reason_without_places(told: Translation) -> Json:
    """Why there is no event, without places: a line added to a mapping changes no example."""
    match told:
        case Translated():
            return []
        case Ignored(reason):
            return {"ignored": _PLACES.sub("", reason)}
        case SetAside(reason):
            return {"set_aside": _PLACES.sub("", reason)}


# ---------------------------------------------------------------------------------------------------------- reading


def _read_texts(reader: ObjectReader, key: str, problems: Problems) -> dict[str, str]:
    """The texts under a key, by name."""
    texts: dict[str, str] = {}
    for name, (_, node) in reader.read_entries(key).items():
        if isinstance(node, Scalar) and isinstance(node.literal, str):
            texts[name] = node.literal
        else:
            problems.add_error(node.place, f"{key}.{name} must be text: put it in quotes")
    return texts


def _read_earlier(node: Node, problems: Problems) -> EarlierEvent | None:
    reader = ObjectReader.read_object(node, EARLIER_KEYS, problems, what="an earlier event")
    event, dedupe = reader.read_node("event", needed=True), reader.read_scalar("dedupe")
    if event is None:
        return None
    made = EarlierEvent(document.plain_value(event), None if dedupe is None else dedupe.text)
    try:
        _earlier_event(made, scope="")
    except NotAnEvent as error:
        for problem in error.problems:
            problems.add_error(event.place, problem.text)
        return None
    return made


def _earlier_event(earlier: EarlierEvent, *, scope: str) -> Event:
    return contract.validate_event(
        earlier.event,
        origin="source:",
        scope=scope,
        received_at=RECEIVED_AT,
        default_id="evt_earlier",
        dedupe=() if earlier.dedupe is None else (earlier.dedupe,),
    )


def _check_expected(node: Node, problems: Problems) -> None:
    match node:
        case SequenceNode() if node.items:
            for item in node.items:
                if not isinstance(item, Object):
                    problems.add_error(item.place, "each expected event must be an object")
        case Object():
            reader = ObjectReader.read_object(node, REASON_KEYS, problems, what="expect")
            for key in REASON_KEYS:
                reader.read_text(key)
            if not node.entries or node.entries.keys() == set(REASON_KEYS):
                problems.add_error(node.place, "expect must be a list of events, or `ignored: …` or `set_aside: …`")
        case _:
            problems.add_error(node.place, "expect must be a list of events, or `ignored: …` or `set_aside: …`")


# ------------------------------------------------------------------------------------------------------- difference


def _json_lines(value: Json) -> list[str]:
    return json_text.indent_json(json_text.write_json(value)).splitlines()


def _shape_like(value: Json, model: Json) -> Json:
    """A value in the order, and with the digits, of another where the two agree."""
    if isinstance(value, dict) and isinstance(model, dict):
        names = [*(name for name in model if name in value), *(name for name in value if name not in model)]
        return {name: _shape_like(value[name], model.get(name)) for name in names}
    if isinstance(value, list) and isinstance(model, list):
        return [_shape_like(item, model[place] if place < len(model) else None) for place, item in enumerate(value)]
    return model if are_equal(value, model) else value
