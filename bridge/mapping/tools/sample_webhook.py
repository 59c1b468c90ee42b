"""A webhook to try a source with: an example of its mapping, with ids of its own, signed with the source's secret.

It may be sent only where the source takes it for a test: else what it becomes would count as real.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bridge.core import json_text
from bridge.core.errors import NotGenuine
from bridge.core.json_text import Json
from bridge.core.model import Event, Request, Translated
from bridge.core.source import SignedBody, Source
from bridge.mapping import Mapping
from bridge.mapping.files import example_files
from bridge.mapping.tools.examples import MappingExample, example_topics, read_example
from bridge.yaml.problems import Problems

_NAMED = re.compile(r"(?=[^0-9]*[0-9])[a-z]{2,6}_[A-Za-z0-9_]{6,}")
"""An id with a prefix, such as those of Stripe."""
_SMALLEST = 10**8
"""The smallest number that is an id, where its key says so."""
_MARK = b"test: true"
"""What stands in an example that expects a test event; most have none, and are not read."""


@dataclass(frozen=True, slots=True)
class SampleWebhook:
    """A signed body, its topic, and the events that the source makes of it. `name` is that of the example's file."""

    name: str
    topic: str | None
    signed: SignedBody
    events: tuple[Event, ...]

    @property
    def is_test(self) -> bool:
        """Whether all of them are test events, so that it may be sent."""
        return all(one.test for one in self.events)


def read_samples(mapping: Mapping, path: Path) -> list[MappingExample]:
    """The examples beside a mapping's file that expect a test event; all of them where none does."""
    content = {file.name: file.read_bytes() for file in example_files(path, mapping.provider)}
    marked = {name: text for name, text in content.items() if _MARK in text}
    found = (read_example(text, name=name, problems=Problems()) for name, text in (marked or content).items())
    return [one for one in found if one is not None]


def find_sample(
    source: Source, mapping: Mapping, examples: Sequence[MappingExample], *, now: datetime, nonce: str
) -> SampleWebhook | None:
    """The first example that becomes test events, a purchase before others; else the first that becomes any events.

    None where none does.
    `nonce` are a few random letters and digits that make its ids differ from those of other samples. Raises
    SettingsError where the source has no secret, or only the provider could sign.
    """
    made = (_make_sample(source, mapping, example, now=now, nonce=nonce) for example in examples)
    samples = [one for one in made if one is not None and one.events]
    return min(samples, key=lambda one: (not one.is_test, one.events[0].event_type != "purchase"), default=None)


def _make_sample(
    source: Source, mapping: Mapping, example: MappingExample, *, now: datetime, nonce: str
) -> SampleWebhook | None:
    if example.earlier or example.query or isinstance(example.body, str):
        return None
    topic = example_topics(mapping, example)[0]
    body = json_text.write_json(renew_ids(example.body, nonce))
    signed = source.sign_body(body, topic=topic, now=now, nonce=nonce)
    headers = tuple((name.lower(), value) for name, value in signed.headers.items())
    try:
        webhooks = source.read_webhooks(Request(method="POST", headers=headers, body=signed.body), now=now)
    except NotGenuine:
        return None
    made = [source.translate(one) for one in webhooks]
    events = tuple(event for one in made if isinstance(one, Translated) for event in one.events)
    return SampleWebhook(example.name, topic, signed, events)


def renew_ids(document: Json, nonce: str) -> Json:
    """The same document with other ids: the same new one wherever an id stood."""
    return _renew_value(document, "", nonce, int.from_bytes(nonce.encode(), "big") % _SMALLEST)


def _renew_value(value: Json, key: str, nonce: str, number: int) -> Json:
    match value:
        case dict():
            return {name: _renew_value(below, name, nonce, number) for name, below in value.items()}
        case list():
            return [_renew_value(below, key, nonce, number) for below in value]
        case bool():
            return value
        case int() if (key == "id" or key.endswith("_id")) and value >= _SMALLEST:
            return value + number
        case str() if _NAMED.fullmatch(value):
            return f"{value}{nonce}"
        case _:
            return value
