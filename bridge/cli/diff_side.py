"""One of the two mappings that `diff` compares: what it makes of each webhook, and what its `recall` finds.

`recall` finds first what this mapping made of earlier webhooks, so that a changed purchase shows in its refund; then
what the store holds. It only reads.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from bridge.core.conversions import ConversionState, KnownConversion
from bridge.core.model import EventNeeded, Translated, Translation, Webhook
from bridge.mapping import MappedSource
from bridge.store.protocol import Store

MOST_KEYS = 50_000
"""Claims of its own events that it remembers; the store has the older ones."""


class DiffSide:
    """A mapping bound to each source by name. Without a `store` there are no events but its own."""

    def __init__(self, sources: Mapping[str, MappedSource], store: Store | None = None) -> None:
        self._sources = sources
        self._store = store
        self._made: dict[bytes, Sequence[KnownConversion]] = {}

    async def translate(self, webhook: Webhook) -> Translation:
        """What a webhook becomes among the events that came before it. One that is not there is not waited for."""
        source = self._sources[webhook.source]
        looked: dict[bytes, Sequence[KnownConversion]] = {}
        patient = replace(webhook, waited=True)
        while isinstance(made := source.translate_with_earlier(patient, ChainMap(self._made, looked)), EventNeeded):
            looked |= await self._kept_events([key for key in made.keys if key not in self._made])
        if isinstance(made, Translated):
            for event in made.events:
                self._remember_event(event.conversion_keys, event.text)
        return made

    async def _kept_events(self, keys: Sequence[bytes]) -> dict[bytes, Sequence[KnownConversion]]:
        found = {} if self._store is None else await self._store.recall_events(keys)
        return {key: [one for one in found.get(key, ()) if one.state != ConversionState.DEFERRED] for key in keys}

    def _remember_event(self, conversion_keys: tuple[bytes, ...], text: bytes) -> None:
        """Keep the first event of each conversion key, as the ledger does."""
        if any(key in self._made for key in conversion_keys):
            return
        self._made |= dict.fromkeys(conversion_keys, (KnownConversion(text),))
        while len(self._made) > MOST_KEYS:
            del self._made[next(iter(self._made))]
