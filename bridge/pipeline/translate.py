"""The loop that translates kept webhooks into events: claim a batch, decide, complete it in one transaction.

A source decides what a webhook becomes; the caller decides where its events go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from bridge.core import log
from bridge.core.conversions import KnownConversion
from bridge.core.errors import StoreUnavailable
from bridge.core.heartbeat import Heartbeat
from bridge.core.log_format import LogLine
from bridge.core.model import (
    Accepted,
    Event,
    EventNeeded,
    Ignored,
    Kept,
    Route,
    Routed,
    SetAside,
    Translated,
    Translation,
    Webhook,
    WebhookState,
)
from bridge.core.source import BROKEN_MAPPING, Source
from bridge.pipeline.fair_yield import FairYield
from bridge.pipeline.second_translator import SecondTranslator
from bridge.store.in_steps import replay_all
from bridge.store.protocol import Batch, Outcome, RowFilter, Store

BATCH = 250
"""Webhooks that one transaction completes: twice as many are 4 % faster, and keep the writer for twice as long."""
LEASE = timedelta(seconds=10)
"""How long a pass may take; what a killed process has claimed is due again after it."""
IDLE = 1.0
"""Seconds that an idle loop waits before it looks for webhooks that another process has kept."""


class TranslateMetrics(Protocol):
    """Counts the outcomes of webhooks."""

    def count_translated(self, source: str, outcome: str) -> None:
        """One webhook of a source was `translated`, `ignored` or `set_aside`, or was a redelivery (`again`)."""
        ...


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The next batch of a backlog, and what each of its webhooks becomes by these sources, where nothing is known."""

    batch: Batch
    outcomes: dict[int, Outcome]
    sources: Mapping[str, Source]


class TranslateLoop:
    """The loop. `run` continues until `stop`; `heartbeat` has when a round last succeeded."""

    def __init__(  # noqa: PLR0913  all that the loop depends on, by name
        self,
        *,
        store: Store,
        sources: Callable[[], Mapping[str, Source]],
        route: Callable[[Event, tuple[str, ...] | None], tuple[Route, ...]],
        clock: Callable[[], datetime],
        notify: Callable[[], None],
        metrics: TranslateMetrics,
        second: SecondTranslator | None = None,
    ) -> None:
        self._store = store
        self._second = second
        self._sources = sources
        self._route = route
        self._clock = clock
        self._notify = notify
        self._metrics = metrics
        self._turns = FairYield()
        self._ahead: _Ahead | None = None
        self._apart = 0
        """Passes in which webhooks are translated one by one, after a batch that failed."""
        self._wake = asyncio.Event()
        self._seldom = log.RateLimitedLog()
        self._replayed_for: Mapping[str, Source] | None = None
        """The sources whose webhooks were looked through for those that were set aside for errors of a mapping."""
        self._stopping = False
        self.heartbeat = Heartbeat()

    def notify(self) -> None:
        """Wake the loop: there is something to translate."""
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what was claimed is recorded."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Translate batches until stopped; no error ends the loop."""
        while not self._stopping or self._ahead is not None:
            self._wake.clear()
            busy = 0
            try:
                busy = await self.translate_batch()
            except StoreUnavailable as error:
                self._seldom.warn("translate.waits", now=self._clock(), why=str(error))
                self.heartbeat.record_failure()
            except Exception as error:  # noqa: BLE001  a fault of ours must not stop the loop; its lease makes the work due again
                self._seldom.warn("translate.fault", now=self._clock(), error=type(error).__name__)
                self.heartbeat.record_failure()
            else:
                self.heartbeat.record_success()
            if not busy:
                await self._wait_for_work()

    async def translate_batch(self) -> int:
        """One pass; returns how many webhooks it translated."""
        await self._replay_mended()
        batch, first = await self._take_batch()
        if not batch.webhooks:
            return 0
        outcomes = await self._decide_all(batch, first)
        if batch.webhooks[0].number:
            self._apart = max(0, self._apart - 1)
        following = await self._read_ahead(batch)
        ahead = asyncio.ensure_future(self._decide_ahead(following))
        await asyncio.sleep(0)  # the child has its part before the writer needs this process
        try:
            is_written = await self._complete_batch(batch, outcomes)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  one webhook must not hold up the others
            await self._complete_apart(batch, outcomes, error)
            is_written = False
        finally:
            found = await ahead  # never cancelled: the child would answer the next question with this one's answer
        self._ahead = found if is_written else None
        return len(outcomes)

    async def _take_batch(self) -> tuple[Batch, dict[int, Outcome] | None]:
        """The next batch, and what each of its webhooks becomes where nothing is known, if that was decided ahead."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead.batch, ahead.outcomes if ahead.sources is self._sources() else None
        limit = 1 if self._apart else BATCH
        return await self._store.claim_batch(now=self._clock(), limit=limit, lease=LEASE), None

    async def _read_ahead(self, batch: Batch) -> Batch:
        """In a backlog, the batch that follows this one, which is not written yet; else none.

        It is read before this one is written: at the same time, each waits for the other's turn of Python's lock.
        """
        if len(batch.webhooks) < BATCH or self._stopping:
            return Batch(())
        return await self._store.read_ahead(batch, now=self._clock(), limit=BATCH, lease=LEASE)

    async def _decide_ahead(self, following: Batch) -> _Ahead | None:
        """Decide on the next batch of a backlog, with nothing that is known, while the one before it is written.

        Else this process and the child of `second_translator.py` wait for each other (a burst that drains, 2 cores,
        medians of two rounds in turns: 2,370 webhooks a second where nothing is decided ahead, 2,712 where it is).
        """
        if not following.webhooks:
            return None
        sources = self._sources()
        self._turns.begin_pass()
        return _Ahead(following, await self._decide_first(following.webhooks, {}), sources)

    async def _replay_mended(self) -> None:
        """Make webhooks due again that were set aside for errors of a mapping that has none now: once for each load."""
        sources = self._sources()
        if sources is self._replayed_for:
            return
        counts = (await self._store.state_counts()).webhooks
        aside = WebhookState.SET_ASIDE
        for name, source in sources.items():
            if source.defect is not None or not counts.get((name, aside.value)):
                continue
            which = RowFilter(state=aside, source=name, reason=BROKEN_MAPPING)
            if count := await replay_all(self._store, which, now=self._clock()):
                log.log_line("webhook.replayed", source=name, count=count, why="their mapping is mended")
        self._replayed_for = sources

    async def _decide_all(self, batch: Batch, first: dict[int, Outcome] | None) -> list[Outcome]:
        """Decide on each; what their rules ask for is looked up for all of them at once.

        `first` is what they become where nothing is known, if that was decided ahead.
        """
        until = batch.looked_until
        webhooks = [replace(one, looked_until=until) for one in batch.webhooks] if until else batch.webhooks
        earlier = dict(batch.known)
        self._turns.begin_pass()
        outcomes = await self._decide_first(webhooks, earlier) if first is None else first
        while wanting := {
            place: asked
            for place, outcome in outcomes.items()
            if isinstance(asked := outcome.result, EventNeeded) and not asked.is_looked_up
        }:
            keys = list(dict.fromkeys(key for asked in wanting.values() for key in asked.keys if key not in earlier))
            found = await self._store.recall_events(keys) if keys else {}
            earlier |= {key: found.get(key, ()) for key in keys}
            for place, asked in wanting.items():
                outcomes[place] = self._decide_webhook(webhooks[place], earlier, asked)
                await self._turns.yield_if_due()
        return [outcomes[place] for place in range(len(webhooks))]

    async def _decide_first(
        self, webhooks: Sequence[Webhook], earlier: Mapping[bytes, Sequence[KnownConversion]]
    ) -> dict[int, Outcome]:
        """Decide on each with what is known; in a backlog a child process translates them."""
        sources = self._sources()
        made = None
        if self._second and not webhooks[0].number and self._second.is_ready(sources, webhooks):
            made = await self._second.translate(webhooks)
        outcomes: dict[int, Outcome] = {}
        for place, webhook in enumerate(webhooks):
            if made is None or sources is not self._sources():  # there is no child, or the mappings are others now
                outcomes[place] = self._decide_webhook(webhook, earlier)
                await self._turns.yield_if_due()
            else:
                outcomes[place] = self._outcome_of(webhook, sources[webhook.source], made[place])
        return outcomes

    async def _complete_batch(self, batch: Batch, outcomes: Sequence[Outcome]) -> bool:
        """Write a batch and log it; returns whether it was written: another process may have been first."""
        is_new = not batch.webhooks[0].number
        completed = await self._store.complete_batch(batch, outcomes, now=self._clock())
        lines: list[LogLine] = []
        for outcome, one in zip(outcomes, completed or (), strict=bool(completed)):
            if is_new:
                lines.append(self._tell_kept(one.kept))
            if not one.kept.is_known:
                self._tell_outcome(lines, outcome, one.kept.number, one.accepted)
        log.log_all(lines)
        if completed and any(isinstance(outcome.result, tuple) for outcome in outcomes):
            self._notify()
        return completed is not None

    async def _complete_apart(self, batch: Batch, outcomes: Sequence[Outcome], error: Exception) -> None:
        """Of several webhooks, translate each alone from now on; set a single one aside with the fault."""
        self._seldom.warn("translate.fault", now=self._clock(), error=type(error).__name__)
        if len(outcomes) > 1:
            log.log_all([self._tell_kept(kept) for kept in await self._store.split_batch(batch, now=self._clock())])
            self._apart = len(outcomes)
        elif isinstance(outcomes[0].result, SetAside):
            raise error
        else:
            await self._complete_batch(batch, [Outcome(outcomes[0].webhook, _fault_outcome(error))])

    def _decide_webhook(
        self, webhook: Webhook, earlier: Mapping[bytes, Sequence[KnownConversion]], asked: EventNeeded | None = None
    ) -> Outcome:
        """What a webhook becomes; EventNeeded while something may still arrive: the store decides how long."""
        source = self._sources().get(webhook.source)
        if source is None:
            gone = f"no source is called {webhook.source} any more; set it again, then replay this webhook"
            return Outcome(webhook, SetAside(gone))
        try:
            return self._outcome_of(webhook, source, source.translate_with_earlier(webhook, earlier, asked))
        except Exception as error:  # noqa: BLE001  one webhook must not hold up the others
            return Outcome(webhook, _fault_outcome(error))

    def _outcome_of(self, webhook: Webhook, source: Source, made: Translation | EventNeeded) -> Outcome:
        match made:
            case Translated(events=events, effects=effects, after=after):
                if after:  # told since nothing richer came
                    webhook = replace(webhook, waited=True)
                routed = tuple(Routed(event, self._route(event, source.to)) for event in events)
                return Outcome(webhook, routed, effects, source.mapping_text)
            case Ignored(effects=effects) as ignored:
                return Outcome(webhook, ignored, effects, source.mapping_text)
            case SetAside() | EventNeeded() as other:
                return Outcome(webhook, other, mapping=source.mapping_text)

    def _tell_kept(self, kept: Kept) -> LogLine:
        """Count a webhook that is known, and return the line of the log."""
        if kept.is_known:
            self._metrics.count_translated(kept.source, "again")
        same = None if kept.same_bytes_as is None else f"wh_{kept.same_bytes_as}"
        fields = {"source": kept.source, "id": f"wh_{kept.number}", "topic": kept.topic, "same_bytes_as": same}
        return LogLine("webhook.again" if kept.is_known else "webhook.kept", fields)

    def _tell_outcome(self, lines: list[LogLine], outcome: Outcome, number: int, answers: tuple[Accepted, ...]) -> None:
        """Count what a webhook became, and add the lines of the log; one that is set aside is warned of behind them."""
        webhook, result, id_ = outcome.webhook, outcome.result, f"wh_{number}"
        about = {"id": id_, "source": webhook.source, "topic": webhook.topic}
        if isinstance(result, EventNeeded):
            lines.append(LogLine("webhook.waits", about))
            return
        state, reason = _state_and_reason(result)
        if isinstance(result, SetAside):
            log.log_all(lines)
            lines.clear()
            self._seldom.warn(
                "webhook.set_aside", now=self._clock(), id=id_, source=webhook.source, topic=webhook.topic,
                reason=reason, mend=f"see trackbridge show {id_}; once it is mended, trackbridge replay --set-aside",
            )  # fmt: skip
        else:
            lines.append(LogLine("webhook.translated", about | {"state": state, "reason": reason}))
        for routed, answer in zip(result, answers, strict=True) if isinstance(result, tuple) else ():
            made = {
                "id": answer.event_id, "webhook": id_, "type": log.mask_event_type(routed.event.event_type),
                "test": routed.event.test or None, "duplicate_of": answer.duplicate_of,
            }  # fmt: skip
            lines.append(LogLine("event.made", made))
        self._metrics.count_translated(webhook.source, state)

    async def _wait_for_work(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE)
        except TimeoutError:
            return


def _fault_outcome(error: Exception) -> SetAside:
    return SetAside(f"a fault of trackbridge itself ({type(error).__name__}); report it, then replay this webhook")


def _state_and_reason(result: tuple[Routed, ...] | Ignored | SetAside) -> tuple[str, str | None]:
    match result:
        case Ignored(reason):
            return "ignored", reason
        case SetAside(reason):
            return "set_aside", reason
        case _:
            return "translated", None
