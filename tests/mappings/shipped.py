"""The shipped mappings and their examples as tests use them.

A request signed with a made-up secret, received, translated.

Not concerned with what comes out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge import mapping
from bridge.core.json_text import Json
from bridge.core.model import Request, Translation
from bridge.mapping.files import example_files
from bridge.mapping.tools import examples as given
from bridge.yaml import document
from bridge.yaml.problems import Problems

MAPPINGS = Path(__file__).parents[2] / "mappings"
PROVIDERS = sorted(path.stem for path in MAPPINGS.glob("*.yaml"))
NOW = given.RECEIVED_AT
_SECRET = "whsec_made_up_for_tests_0123456789"
_LOADED: dict[str, mapping.Mapping] = {}


@dataclass(frozen=True)
class Example:
    """One example file of a provider."""

    provider: str
    name: str
    given: given.MappingExample

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"

    @property
    def headers(self) -> Mapping[str, str]:
        return self.given.headers

    @property
    def body(self) -> Json:
        return self.given.body

    @property
    def settings(self) -> Mapping[str, str]:
        return self.given.vars

    @property
    def expect(self) -> Json:
        return self.given.expect

    @property
    def topic(self) -> str:
        """The topic that the body or a header names."""
        [topic] = given.example_topics(load(self.provider), self.given)
        assert topic is not None
        return topic


def examples(provider: str) -> list[Example]:
    """Every example of a provider."""
    return [_example(path) for path in example_files(MAPPINGS / f"{provider}.yaml", provider)]


def written(path: Path) -> Json:
    """What a YAML file holds, read as mappings are read."""
    problems = Problems()
    node = document.read_document(path.read_bytes(), name=path.name, problems=problems)
    assert node is not None, problems.all_problems
    assert not problems.all_problems
    return document.plain_value(node)


def _example(path: Path) -> Example:
    problems = Problems()
    made = given.read_example(path.read_bytes(), name=path.name, problems=problems)
    assert made is not None, problems.all_problems
    assert not problems.all_problems
    return Example(path.parent.name, path.stem, made)


def load(provider: str) -> mapping.Mapping:
    """A shipped mapping, loaded once."""
    if provider not in _LOADED:
        _LOADED[provider] = mapping.load_mapping(MAPPINGS / f"{provider}.yaml")
    return _LOADED[provider]


def translation(provider: str, headers: Mapping[str, str], body: bytes, settings: Mapping[str, str]) -> Translation:
    """What a body comes to, signed as its provider would sign it, with `settings` as the source's vars."""
    source = load(provider).bind_source(provider, secrets=[_SECRET], vars=settings)
    own = {name.lower(): value for name, value in headers.items()}
    topic = own.pop("x-shopify-topic", None)
    signed = source.sign_body(body, topic=topic, now=NOW, nonce="abcdef")
    sent = {name.lower(): value for name, value in signed.headers.items()} | own
    [webhook] = source.read_webhooks(Request("POST", tuple(sent.items()), signed.body), now=NOW)
    return source.translate(webhook)


def outcome(translation: Translation) -> Json:
    """A translation as examples write it: events without the ids that were made for them, reasons without places."""
    return given.format_outcome([translation])
