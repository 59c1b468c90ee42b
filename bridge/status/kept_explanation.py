"""How a kept webhook became what it is, by the mapping that made it; where none is known, by the mapping in use."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from msgspec.structs import replace

from bridge import mapping
from bridge.core.conversions import ConversionState, KnownConversion
from bridge.core.errors import MappingError
from bridge.core.mapping_text import MappingText
from bridge.core.model import EventNeeded, Translation, Webhook, WebhookState
from bridge.core.source import Source
from bridge.mapping.tools.explain import Explanation, explain_webhook
from bridge.store.protocol import Store, WebhookDetail

_DEFERRED = ConversionState.DEFERRED
"""What waits, too, is left out: nothing is waited for here."""


@dataclass(frozen=True, slots=True)
class KeptExplanation:
    """How a webhook became what it is, and by which text.

    `is_kept` is whether that text is the one that made it; `is_in_use` whether the source uses that text now.
    """

    explanation: Explanation
    text: MappingText
    is_kept: bool
    is_in_use: bool


async def explain_kept(
    store: Store,
    kept: WebhookDetail,
    *,
    used: MappingText | None,
    vars: Mapping[str, str],  # noqa: A002  the word of the language
    scope: str,
) -> KeptExplanation | None:
    """How a webhook with a body became what it is; `used` is the text that its source uses now.

    A webhook that is received again, or that an earlier version translated, is explained by `used`, and so is one whose
    mapping cannot be read any more. None where there is neither. Raises MappingError if only `used` is left, and cannot
    be read.
    """
    made = None if kept.row.state is WebhookState.RECEIVED else kept.mapping
    for text in filter(None, (made, used)):
        reading = await asyncio.to_thread(_read_text, text)  # reading it takes some 30 ms
        if reading.mapping is None:
            if text is used:
                raise MappingError(reading.problems.errors)
            continue
        known = {name: value for name, value in vars.items() if name in reading.mapping.vars}
        source = reading.mapping.bind_source(kept.row.source, secrets=(), vars=known, scope=scope)
        earlier = await look_up_earlier(store, source, kept.webhook)
        patient = replace(kept.webhook, waited=True)
        explanation = await asyncio.to_thread(
            _explain_alone, reading, patient, variables=known, scope=scope, earlier=earlier
        )
        return KeptExplanation(explanation, text, is_kept=text is made, is_in_use=text == used)
    return None


_ONE = threading.Lock()
"""Explaining takes some 20 ms of a core: in a thread, and one at a time, it delays no webhook by that much."""


def _explain_alone(
    reading: mapping.MappingReading,
    webhook: Webhook,
    *,
    variables: Mapping[str, str],
    scope: str,
    earlier: Mapping[bytes, Sequence[KnownConversion]],
) -> Explanation:
    with _ONE:
        return explain_webhook(reading, webhook, vars=variables, scope=scope, earlier=earlier)


@lru_cache(maxsize=16)
def _read_text(text: MappingText) -> mapping.MappingReading:
    return mapping.read_mapping(text.text, name=text.name)


async def look_up_earlier(store: Store, source: Source, webhook: Webhook) -> dict[bytes, Sequence[KnownConversion]]:
    """The kept conversions that a webhook's rules ask for, without its own, where nothing is waited for."""
    earlier: dict[bytes, Sequence[KnownConversion]] = {}
    patient = replace(webhook, waited=True)
    while isinstance(made := source.translate_with_earlier(patient, earlier), EventNeeded):
        found = await store.recall_events(made.keys)
        earlier |= {
            key: [one for one in found.get(key, ()) if one.webhook != webhook.number and one.state != _DEFERRED]
            for key in made.keys
        }
    return earlier


async def translate_kept(store: Store, source: Source, webhook: Webhook) -> Translation:
    """What a kept webhook would become now; nothing is waited for."""
    earlier = await look_up_earlier(store, source, webhook)
    made = source.translate_with_earlier(replace(webhook, waited=True), earlier)
    assert not isinstance(made, EventNeeded), "all that it asks for is looked up"  # noqa: S101  a fault of ours
    return made
