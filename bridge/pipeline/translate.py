"""The loop in which kept webhooks become events: claim, decide, record, each pass in one transaction.

What a webhook becomes is its source's to say; where its events go is the caller's. Not concerned with how they are
delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core import log
from bridge.core.errors import StoreUnavailable
from bridge.core.heartbeat import Heartbeat
from bridge.core.model import (
    Accepted,
    Event,
    Ignored,
    Kept,
    Route,
    Routed,
    SetAside,
    Translated,
    Translation,
    Wanting,
    Webhook,
)
from bridge.core.source import Source
from bridge.pipeline.fair_yield import Turns
from bridge.store.protocol import Batch, Outcome, Store

BATCH = 100
LEASE = timedelta(seconds=10)
"""How long a pass may take; what a killed process had claimed is translated after it."""
IDLE = 1.0
"""Seconds after which an idle loop looks again, for work that another process has kept."""


class Watching(Protocol):
    """Who counts what webhooks came to."""

    def translated(self, source: str, outcome: str) -> None:
        """One webhook of a source came to `translated`, `ignored` or `set_aside`, or was there `again`."""
        ...


class Translator:
    """The loop. `run` goes on until `stop`; `heartbeat` says when a round last succeeded."""

    def __init__(  # noqa: PLR0913  what it knows of the world, all by name
        self,
        *,
        store: Store,
        sources: Callable[[], Mapping[str, Source]],
        route: Callable[[Event, tuple[str, ...] | None], tuple[Route, ...]],
        clock: Callable[[], datetime],
        woke: Callable[[], None],
        watching: Watching,
    ) -> None:
        self._store = store
        self._sources = sources
        self._route = route
        self._clock = clock
        self._woke = woke
        self._watching = watching
        self._turns = Turns()
        self._apart = 0
        """Passes in which webhooks are translated one by one, after a batch that failed."""
        self._wake = asyncio.Event()
        self._seldom = log.Seldom()
        self._stopping = False
        self.heartbeat = Heartbeat()

    def wake(self) -> None:
        """There is something to translate."""
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the pass under way is recorded."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Go round until stopped; nothing that goes wrong ends the loop."""
        while not self._stopping:
            self._wake.clear()
            busy = 0
            try:
                busy = await self.once()
            except StoreUnavailable as error:
                self._seldom.trouble("translate.waits", now=self._clock(), why=str(error))
                self.heartbeat.failed()
            except Exception as error:  # noqa: BLE001  a fault of ours must not stop the loop; what it had comes again
                self._seldom.trouble("translate.fault", now=self._clock(), error=type(error).__name__)
                self.heartbeat.failed()
            else:
                self.heartbeat.succeeded()
            if not busy:
                await self._pause()

    async def once(self) -> int:
        """One pass: how many webhooks it translated."""
        limit = 1 if self._apart else BATCH
        batch = await self._store.claim_batch(now=self._clock(), limit=limit, lease=LEASE)
        if not batch.webhooks:
            return 0
        outcomes = await self._outcomes(batch.webhooks)
        if batch.webhooks[0].number:
            self._apart = max(0, self._apart - 1)
        try:
            await self._complete(batch, outcomes)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  one webhook must not hold up the others
            await self._complete_apart(batch, outcomes, error)
        return len(outcomes)

    async def _outcomes(self, webhooks: Sequence[Webhook]) -> list[Outcome]:
        outcomes = []
        self._turns.begin()
        for webhook in webhooks:
            outcomes.append(Outcome(webhook, await self._decided(webhook)))
            await self._turns.taken()
        return outcomes

    async def _complete(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        is_new = not batch.webhooks[0].number
        completed = await self._store.complete_batch(batch, outcomes, now=self._clock())
        for outcome, one in zip(outcomes, completed or (), strict=bool(completed)):
            if is_new:
                self._tell_kept(one.kept)
            if not one.kept.again:
                self._tell(outcome, one.kept.number, one.accepted)
        if completed and any(isinstance(outcome.result, tuple) for outcome in outcomes):
            self._woke()

    async def _complete_apart(self, batch: Batch, outcomes: Sequence[Outcome], error: Exception) -> None:
        """Of several webhooks, translate each alone from now on; set a single one aside with the fault."""
        self._seldom.trouble("translate.fault", now=self._clock(), error=type(error).__name__)
        if len(outcomes) > 1:
            for kept in await self._store.split_batch(batch, now=self._clock()):
                self._tell_kept(kept)
            self._apart = len(outcomes)
        elif isinstance(outcomes[0].result, SetAside):
            raise error
        else:
            await self._complete(batch, [Outcome(outcomes[0].webhook, _fault(error))])

    async def _decided(self, webhook: Webhook) -> tuple[Routed, ...] | Ignored | SetAside | Wanting:
        source = self._sources().get(webhook.source)
        if source is None:
            return SetAside(f"no source is called {webhook.source} any more; set it again, then replay this webhook")
        try:
            match await self._translated(source, webhook):
                case Translated(events):
                    return tuple(Routed(event, self._route(event, source.to)) for event in events)
                case Ignored() | SetAside() | Wanting() as other:
                    return other
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  one webhook must not hold up the others
            return _fault(error)

    async def _translated(self, source: Source, webhook: Webhook) -> Translation | Wanting:
        """What a webhook comes to among the events that it asks for; Wanting while one may still come.

        The store says when it has waited long enough: it knows whether the clock is to be believed.
        """
        earlier: dict[bytes, bytes | None] = {}
        while True:
            made = source.translate_among(webhook, earlier)
            if not isinstance(made, Wanting):
                return made
            found = (await self._store.recall((made.key,))).get(made.key)
            if found is None and not webhook.waited:
                return made
            earlier[made.key] = found

    def _tell_kept(self, kept: Kept) -> None:
        what = "webhook.again" if kept.again else "webhook.kept"
        same = None if kept.same_bytes_as is None else f"wh_{kept.same_bytes_as}"
        log.line(what, source=kept.source, id=f"wh_{kept.number}", topic=kept.topic, same_bytes_as=same)
        if kept.again:
            self._watching.translated(kept.source, "again")

    def _tell(self, outcome: Outcome, number: int, answers: tuple[Accepted, ...]) -> None:
        webhook, result = outcome.webhook, outcome.result
        if isinstance(result, Wanting):
            log.line("webhook.waits", id=f"wh_{number}", source=webhook.source, topic=webhook.topic)
            return
        state, reason = _told(result)
        log.line(
            "webhook.translated", id=f"wh_{number}", source=webhook.source, topic=webhook.topic, state=state,
            reason=reason,
        )  # fmt: skip
        if isinstance(result, tuple):
            for routed, answer in zip(result, answers, strict=True):
                log.line(
                    "event.made", id=answer.event_id, webhook=f"wh_{number}", type=routed.event.event_type,
                    test=routed.event.test or None, duplicate_of=answer.duplicate_of,
                )  # fmt: skip
        self._watching.translated(webhook.source, state)

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE)
        except TimeoutError:
            return


def _fault(error: Exception) -> SetAside:
    return SetAside(f"a fault of trackbridge itself ({type(error).__name__}); report it, then replay this webhook")


def _told(result: tuple[Routed, ...] | Ignored | SetAside) -> tuple[str, str | None]:
    match result:
        case Ignored(reason):
            return "ignored", reason
        case SetAside(reason):
            return "set_aside", reason
        case _:
            return "translated", None
