"""What the tests of the mapping language write mappings and webhooks with."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime

from bridge import mapping
from bridge.core import dedupe_keys, json_text
from bridge.core.json_text import Json
from bridge.core.model import Event, Ignored, SetAside, Translated, Translation, Webhook
from bridge.mapping import MappedSource

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

HEAD = """\
mapping: 1
provider: shop
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Sig", signed: "{body}"}
  id: [header:X-Id]
  topic: [header:X-Topic]
"""
HEAD_LINES = HEAD.count("\n")


def written(rest: str, *, head: str = HEAD) -> str:
    """A whole mapping, of which `rest` is what follows the head."""
    return head + textwrap.dedent(rest)


def one_event(fields: str) -> str:
    """A mapping with one rule, whose event has `fields` beside its type."""
    head = "events:\n  - topic: made\n    event:\n      event_type: thing\n"
    return HEAD + head + textwrap.indent(textwrap.dedent(fields).rstrip("\n") + "\n", "      ")


def place(text: str, spot: str, *, after: str = "") -> str:
    """Where `spot` stands first in a mapping's text, behind `after`, which begins it."""
    index = text.index(after + spot) + len(after)
    line = text.count("\n", 0, index) + 1
    return f"shop.yaml:{line}:{index - text.rfind(chr(10), 0, index)}"


def source(text: str, *, vars: Mapping[str, str] | None = None) -> MappedSource:  # noqa: A002  the word of the language
    """A source of a mapping's text."""
    return mapping.parse_mapping(text, name="shop.yaml").bind_source("shop", secrets=["s3cret"], vars=vars or {})


def webhook(  # noqa: PLR0913  what a request brings, by name
    body: Json,
    *,
    topic: str | None = "made",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    item: str | None = None,
    webhook_id: str = "wh-1",
) -> Webhook:
    """A kept webhook; a body that is no bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json_text.write_json(body)
    return Webhook(
        source="shop",
        id=webhook_id,
        topic=topic,
        received_at=NOW,
        body=content,
        identity=(dedupe_keys.signed_webhook_key("shop", webhook_id),),
        headers=headers or {},
        query=query or {},
        item=item,
    )


def events(text: str, body: Json, **more: str | None) -> list[Json]:
    """What a mapping makes of a body: the events as documents, without their ids and the default time."""
    return [document(event) for event in made(source(text).translate(webhook(body, **more)))]  # type: ignore[arg-type]


def made(translation: Translation) -> tuple[Event, ...]:
    """The events of a translation that made some."""
    assert isinstance(translation, Translated), translation
    return translation.events


def document(event: Event) -> Json:
    """What an event sends, without its id and the time that it was given for want of one."""
    found = json_text.parse_json(event.text)
    assert found.pop("event_id") == event.id
    if found["timestamp"] == "2026-01-02T03:04:05.678Z":
        del found["timestamp"]
    return found


def set_aside(text: str, body: Json, **more: str | None) -> str:
    """Why a webhook is set aside."""
    outcome = source(text).translate(webhook(body, **more))  # type: ignore[arg-type]
    assert isinstance(outcome, SetAside), outcome
    return outcome.reason


def ignored(text: str, body: Json, **more: str | None) -> str:
    """Why a webhook is ignored."""
    outcome = source(text).translate(webhook(body, **more))  # type: ignore[arg-type]
    assert isinstance(outcome, Ignored), outcome
    return outcome.reason


def problems(text: str | bytes) -> list[str]:
    """Every problem of a mapping that is no mere advice, one line each."""
    return [str(problem) for problem in mapping.read_mapping(text, name="shop.yaml").problems.all_problems]
