"""Examples: a webhook that is given, and what a mapping must make of it, one a file beside the mappings.

An example that comes to anything else is a problem at its `expect`, with the difference. Requests need no signature
here. Not concerned with where the files lie.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from bridge import contract, signature
from bridge.core import json_text
from bridge.core.errors import NotAnEvent, SettingsError
from bridge.core.json_text import Json
from bridge.core.model import (
    Event,
    Ignored,
    Place,
    Request,
    SetAside,
    Translated,
    Translation,
    Wanting,
    Webhook,
)
from bridge.mapping import Mapping, Reading
from bridge.mapping.engine.recall import Nothing
from bridge.mapping.expressions.runtime import equal
from bridge.mapping.lint import Sample, unread
from bridge.mapping.problems import Problems
from bridge.mapping.yaml import document
from bridge.mapping.yaml.document import Node, Scalar, Series
from bridge.mapping.yaml.document import Table as Object
from bridge.mapping.yaml.reader import Sheet
from bridge.signature.locators import NOTHING, at, pointer

RECEIVED_AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""When the webhooks of examples are received."""

GIVEN = ("headers", "query", "body", "vars", "earlier")
REASONS = ("ignored", "set_aside")
_CONTEXT = 3
_PLACES = re.compile(r"(?:^|(?<=; ))[^;]*?\.ya?ml:\d+:\d+: | \([^()]*\.ya?ml:\d+(?:, :\d+)*\)$")


@dataclass(frozen=True, slots=True)
class Earlier:
    """An event that was kept before, and the dedupe key of its rule; its order id is known without one."""

    event: Json
    dedupe: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One example. A `body` that is text is sent as it stands, any other as JSON.

    `expect` is a list of events without their ids, or `{ignored: reason}` or `{set_aside: reason}` without places.
    """

    name: str
    body: Json
    expect: Json
    headers: Table[str, str] = field(default_factory=dict)
    query: Table[str, str] = field(default_factory=dict)
    vars: Table[str, str] = field(default_factory=dict)
    earlier: Sequence[Earlier] = ()
    places: Table[str, Place] = field(default_factory=dict)

    @property
    def request(self) -> Request:
        """The request that is given."""
        content = self.body.encode() if isinstance(self.body, str) else json_text.write(self.body)
        kind = "application/json" if content[:1] in {b"{", b"["} else "application/x-www-form-urlencoded"
        headers = {"content-type": kind} | {name.lower(): value for name, value in self.headers.items()}
        return Request(
            method="POST",
            headers=tuple(headers.items()),
            body=content,
            query=tuple(self.query.items()),
            query_string=urlencode(self.query),
        )


def read(text: str | bytes, *, name: str, problems: Problems) -> Example | None:
    """The example in a text; None, with problems, where it is none."""
    root = document.read(text, name=name, problems=problems)
    if root is None:
        return None
    before = len(problems.errors)
    sheet = Sheet.of(root, ("given", "expect"), problems, what="an example")
    expect, given = sheet.node("expect", needed=True), sheet.node("given", needed=True)
    if expect is None or given is None or not isinstance(root, Object):
        return None
    below = Sheet.of(given, GIVEN, problems, what="given")
    body = below.node("body", needed=True)
    _check_expected(expect, problems)
    texts = {key: _texts(below, key, problems) for key in ("headers", "query", "vars")}
    earlier = tuple(one for node in below.series("earlier") if (one := _earlier(node, problems)) is not None)
    if body is None or len(problems.errors) > before:
        return None
    places = {key: entry.key.place for key, entry in root.entries.items()}
    if isinstance(given, Object):
        places |= {key: entry.key.place for key, entry in given.entries.items()}
    return Example(name, document.plain(body), document.plain(expect), **texts, earlier=earlier, places=places)


def check(found: Reading, examples: Sequence[Example], problems: Problems) -> None:
    """Run examples through a mapping, and tell each difference; then the paths of the mapping that no example has."""
    if found.mapping is None:
        return
    samples: list[Sample] = []
    for example in examples:
        webhooks = run(found.mapping, example, problems)
        samples.extend(_sample(example, webhook) for webhook in webhooks)
    unread(found.parts, found.learnt, samples, problems)


def run(mapping: Mapping, example: Example, problems: Problems) -> tuple[Webhook, ...]:
    """Run one example, and tell where it comes to something else; the webhooks that it gives."""
    webhooks = _webhooks(mapping, example)
    try:
        told = outcome(mapping, example)
    except SettingsError as error:
        problems.error(example.places["vars"], str(error).partition(": ")[2])
        return webhooks
    if not equal(told, example.expect):
        problems.error(example.places["expect"], f"comes to something else:\n{difference(example.expect, told)}")
    return webhooks


def topics(mapping: Mapping, example: Example) -> tuple[str | None, ...]:
    """What the mapping takes for the topic of each webhook that an example gives."""
    return tuple(webhook.topic for webhook in _webhooks(mapping, example))


def translations(mapping: Mapping, example: Example) -> tuple[Translation, ...]:
    """What the mapping makes of each webhook that an example gives. Raises SettingsError for a var that cannot be."""
    source = mapping.bind(mapping.provider, secrets=(), vars=example.vars, public_url="https://bridge.example.com/")
    earlier = recallable(example.earlier, scope=source.scope)
    made = (source.translate_among(webhook, earlier) for webhook in _webhooks(mapping, example))
    return tuple(one for one in made if not isinstance(one, Wanting))


def recallable(earlier: Sequence[Earlier], *, scope: str) -> Nothing:
    """Earlier events by their claims in a scope, as `recall` looks for them. Raises NotAnEvent."""
    found = Nothing()
    for one in earlier:
        event = _event(one, scope=scope)
        found |= dict.fromkeys(event.claims, event.text)
    return found


def outcome(mapping: Mapping, example: Example) -> Json:
    """What an example comes to, as examples write it: events without ids, or a reason without places.

    Of several webhooks in one request the events together, or else the first one's reason.
    """
    return spelt(translations(mapping, example))


def spelt(made: Sequence[Translation]) -> Json:
    """The translations of one request's webhooks as examples write them."""
    events = [event for each in made if isinstance(each, Translated) for event in each.events]
    if not events:
        return _reason(made[0])
    documents = [json_text.parse(event.text) for event in events]
    return [{name: value for name, value in each.items() if name != "event_id"} for each in documents]


def difference(expected: Json, told: Json) -> str:
    """The unified difference of two documents, as JSON; what is equal is written as it was expected."""
    before, after = _lines(expected), _lines(_like(told, expected))
    return "\n".join(difflib.unified_diff(before, after, "expected", "came", lineterm="", n=_CONTEXT))


def _webhooks(mapping: Mapping, example: Example) -> tuple[Webhook, ...]:
    return signature.webhooks(mapping.recipe, example.request, source=mapping.provider, now=RECEIVED_AT)


def _sample(example: Example, webhook: Webhook) -> Sample:
    whole = example.body
    if isinstance(whole, str):
        try:
            whole = json_text.parse(whole, strict=False)
        except ValueError:
            whole = dict(reversed(parse_qsl(whole, keep_blank_values=True)))
    item = whole if webhook.item is None else at(whole, pointer(webhook.item))
    return Sample(webhook.topic, None if item is NOTHING else item, whole)


def _reason(told: Translation) -> Json:
    """Why there is no event, without places: a line added to a mapping changes no example."""
    match told:
        case Translated():
            return []
        case Ignored(reason):
            return {"ignored": _PLACES.sub("", reason)}
        case SetAside(reason):
            return {"set_aside": _PLACES.sub("", reason)}


# ---------------------------------------------------------------------------------------------------------- reading


def _texts(sheet: Sheet, key: str, problems: Problems) -> dict[str, str]:
    """The texts under a key, by name."""
    texts: dict[str, str] = {}
    for name, (_, node) in sheet.table(key).items():
        if isinstance(node, Scalar) and isinstance(node.literal, str):
            texts[name] = node.literal
        else:
            problems.error(node.place, f"{key}.{name} must be text: put it in quotes")
    return texts


def _earlier(node: Node, problems: Problems) -> Earlier | None:
    sheet = Sheet.of(node, ("dedupe", "event"), problems, what="an earlier event")
    event, dedupe = sheet.node("event", needed=True), sheet.scalar("dedupe")
    if event is None:
        return None
    made = Earlier(document.plain(event), None if dedupe is None else dedupe.text)
    try:
        _event(made, scope="")
    except NotAnEvent as error:
        for problem in error.problems:
            problems.error(event.place, problem.text)
        return None
    return made


def _event(earlier: Earlier, *, scope: str) -> Event:
    return contract.event(
        earlier.event,
        door="source:",
        scope=scope,
        received_at=RECEIVED_AT,
        default_id="evt_earlier",
        dedupe=earlier.dedupe,
    )


def _check_expected(node: Node, problems: Problems) -> None:
    match node:
        case Series() if node.items:
            for item in node.items:
                if not isinstance(item, Object):
                    problems.error(item.place, "each expected event must be an object")
        case Object():
            sheet = Sheet.of(node, REASONS, problems, what="expect")
            for key in REASONS:
                sheet.text(key)
            if not node.entries or node.entries.keys() == set(REASONS):
                problems.error(node.place, "expect must be a list of events, or `ignored: …` or `set_aside: …`")
        case _:
            problems.error(node.place, "expect must be a list of events, or `ignored: …` or `set_aside: …`")


# ------------------------------------------------------------------------------------------------------- difference


def _lines(value: Json) -> list[str]:
    return json_text.readable(json_text.write(value)).splitlines()


def _like(value: Json, model: Json) -> Json:
    """A value in the order, and with the digits, of another where the two agree."""
    if isinstance(value, dict) and isinstance(model, dict):
        names = [*(name for name in model if name in value), *(name for name in value if name not in model)]
        return {name: _like(value[name], model.get(name)) for name in names}
    if isinstance(value, list) and isinstance(model, list):
        return [_like(item, model[place] if place < len(model) else None) for place, item in enumerate(value)]
    return model if equal(value, model) else value
