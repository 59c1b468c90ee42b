"""The shipped mappings and their examples as tests use them: a request signed with a made-up secret, received, translated.

Not concerned with what comes out of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge import jsontext, mapping
from bridge.jsontext import Json
from bridge.mapping import document
from bridge.mapping.problems import Problems
from bridge.model import Ignored, Request, SetAside, Translated, Translation

MAPPINGS = Path(__file__).parents[2] / "mappings"
PROVIDERS = sorted(path.stem for path in MAPPINGS.glob("*.yaml"))
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
_SECRET = "whsec_made_up_for_tests_0123456789"
_PLACES = re.compile(r"^[\w-]+\.yaml:\d+:\d+: | \([\w-]+\.yaml:\d+(, :\d+)*\)$")
_LOADED: dict[str, mapping.Mapping] = {}


@dataclass(frozen=True)
class Example:
    """One example file: what is given, and what is expected of it."""

    provider: str
    name: str
    headers: Mapping[str, str]
    body: Json
    settings: Mapping[str, str]
    expect: Json

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"

    @property
    def topic(self) -> str:
        """The topic that the body or a header names."""
        return str(self.body["type"] if self.provider == "stripe" else self.headers["X-Shopify-Topic"])


def examples(provider: str) -> list[Example]:
    """Every example of a provider."""
    return [_example(path) for path in sorted((MAPPINGS / "examples" / provider).glob("*.yaml"))]


def written(path: Path) -> Json:
    """What a YAML file holds, read as mappings are read."""
    problems = Problems()
    node = document.read(path.read_bytes(), name=path.name, problems=problems)
    assert node is not None, problems.all
    assert not problems.all
    return document.plain(node)


def _example(path: Path) -> Example:
    content = written(path)
    given = content.pop("given")
    made = Example(
        path.parent.name,
        path.stem,
        given.pop("headers", {}),
        given.pop("body"),
        given.pop("vars", {}),
        content.pop("expect"),
    )
    assert not content, f"{path}: unknown keys"
    assert not given, f"{path}: unknown keys under given"
    return made


def load(provider: str) -> mapping.Mapping:
    """A shipped mapping, loaded once."""
    if provider not in _LOADED:
        _LOADED[provider] = mapping.load(MAPPINGS / f"{provider}.yaml")
    return _LOADED[provider]


def translation(provider: str, headers: Mapping[str, str], body: bytes, settings: Mapping[str, str]) -> Translation:
    """What a body comes to, signed as its provider would sign it, with `settings` as the source's vars."""
    source = load(provider).bind("shop", secrets=[_SECRET], vars=settings)
    own = {name.lower(): value for name, value in headers.items()}
    topic = own.pop("x-shopify-topic", None)
    signed = source.sign(body, topic=topic, now=NOW, luck="abcdef")
    sent = {name.lower(): value for name, value in signed.headers.items()} | own
    [webhook] = source.receive(Request("POST", tuple(sent.items()), signed.body), now=NOW)
    return source.translate(webhook)


def outcome(translation: Translation) -> Json:
    """A translation as examples write it: events without the ids that were made for them, reasons without places."""
    match translation:
        case Translated(events):
            return [
                {name: value for name, value in jsontext.parse(event.text).items() if name != "event_id"}
                for event in events
            ]
        case Ignored(reason):
            return {"ignored": _PLACES.sub("", reason)}
        case SetAside(reason):
            return {"set_aside": _PLACES.sub("", reason)}
