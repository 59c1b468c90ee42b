"""A draft of a mapping, tried on webhooks that are kept: which ones, and what the child says that it makes of them.

The store is only looked at. Nothing is waited for, and no event is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.core.conversions import ConversionState, KnownConversion
from bridge.core.model import WebhookState
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.list_pages import LOOKED_AT
from bridge.http.console.mapping_files import MappingFile
from bridge.http.console.mapping_process import MappingProcess, TrialFailed
from bridge.http.console.mapping_trial import DraftAnswer, DraftQuestion, TrialWebhook, TriedOutcome
from bridge.store.protocol import RowFilter, Store, WholeWebhook

MOST_TRIED = 100
"""Webhooks that a draft is tried on."""
MOST_BYTES = 8 * 1024 * 1024
"""Bytes of their bodies together."""
_FAILED = frozenset({WebhookState.SET_ASIDE, WebhookState.RECEIVED})
_ROUNDS = 8
"""How often earlier events are looked up: a rule asks for one, and what it finds may lead to another."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that a mapping's file might have."""

    file: MappingFile
    text: str


@dataclass(frozen=True, slots=True)
class TriedWebhook:
    """A webhook, what the draft makes of it, and what the mapping in use makes of it, where one is in use.

    `fits` is whether it is one of those asked for, and not only the one that is shown.
    """

    kept: WholeWebhook
    fits: bool
    then: TriedOutcome | None
    now: TriedOutcome | None

    @property
    def becomes_events(self) -> bool:
        """Whether it made none, and would."""
        return self.kept.row.state is not WebhookState.TRANSLATED and self.makes_events

    @property
    def makes_events(self) -> bool:
        """Whether the draft makes events of it."""
        return self.then is not None and bool(self.then.events)

    @property
    def is_changed(self) -> bool:
        """Whether it made events, and the draft makes others or none of it."""
        if self.kept.row.state is not WebhookState.TRANSLATED or self.then is None or self.now is None:
            return False
        return self.then.events != self.now.events


@dataclass(frozen=True, slots=True)
class DraftTrial:
    """What a draft makes of webhooks. `more` is whether there are older ones that fit; `looked_back_to` how far."""

    answer: DraftAnswer
    tried: tuple[TriedWebhook, ...]
    shown: WholeWebhook | None
    more: bool
    looked_back_to: datetime | None

    @property
    def fitting(self) -> int:
        """How many webhooks were asked for."""
        return sum(one.fits for one in self.tried)

    @property
    def without_events(self) -> int:
        """How many of them failed to make an event; where none failed, how many made none on purpose."""
        return len(self._without())

    @property
    def become_events(self) -> int:
        """How many of those would."""
        return sum(one.becomes_events for one in self._without())

    @property
    def changed(self) -> int:
        """How many of the others would make other events, or none."""
        counted = {id(one) for one in self._without()}
        others = [one for one in self.tried if one.fits and id(one) not in counted]
        return sum(one.is_changed or one.becomes_events for one in others)

    def _without(self) -> list[TriedWebhook]:
        """Those that fit and have no event; ignored ones only where none failed: they have none on purpose."""
        fitting = [one for one in self.tried if one.fits]
        failed = [one for one in fitting if one.kept.row.state in _FAILED]
        return failed or [one for one in fitting if one.kept.row.state is WebhookState.IGNORED]

    @property
    def shown_outcome(self) -> TriedOutcome | None:
        """What the draft makes of the webhook that is shown."""
        return next((one.then for one in self.tried if one.kept is self.shown), None)


async def try_on_webhooks(
    deps: ConsoleDeps, process: MappingProcess, draft: Draft, which: RowFilter, *, shown: str | None
) -> DraftTrial:
    """Try a draft on the newest webhooks that fit; `shown` is the one to explain, else the newest.

    Raises TrialFailed where the child gives no answer.
    """
    page = await deps.store.search_webhooks(replace(which, limit=MOST_TRIED), most=LOOKED_AT)
    kept = list(await deps.store.read_whole([row.id for row in page.rows], most=MOST_BYTES))
    one = next((each for each in kept if each.row.id == shown), None)
    fitting = len(kept)
    if one is None and shown is not None:
        found = await deps.store.read_whole([shown], most=MOST_BYTES)
        kept += [each for each in found if each.row.source == which.source]
        one = next(iter(kept[fitting:]), None)
    one = one or next(iter(kept), None)
    source = which.source or draft.file.checked.provider
    known = deps.sources().get(source)
    question = DraftQuestion(
        draft.file.path,
        draft.text.encode(),
        None if draft.file.used is None else draft.file.used.text,
        source,
        known.scope if known else source,
        deps.source_vars(source),
        tuple(TrialWebhook(each.webhook) for each in kept),
        None if one is None else kept.index(one),
    )
    answer = await _ask_with_earlier(deps.store, process, question)
    tried = tuple(
        TriedWebhook(
            each, at < fitting, answer.then[at] if answer.then else None, answer.now[at] if answer.now else None
        )
        for at, each in enumerate(kept)
    )
    return DraftTrial(answer, tried, one, page.older is not None, page.back_to)


async def _ask_with_earlier(store: Store, process: MappingProcess, question: DraftQuestion) -> DraftAnswer:
    """The answer once every earlier event that is asked for was looked up."""
    first = answer = await process.ask(question, DraftAnswer)
    for _ in range(_ROUNDS):
        needs = [_needs_of(answer, at) for at in range(len(question.webhooks))]
        keys = {key for each in needs for key in each}
        if not keys:
            return answer
        found = await store.recall_events(tuple(keys))
        webhooks = tuple(
            TrialWebhook(one.webhook, {**one.earlier, **{key: _others(found.get(key, ()), one) for key in each}})
            for one, each in zip(question.webhooks, needs, strict=True)
        )
        question = replace(question, webhooks=webhooks, checked=False)
        answer = replace(await process.ask(question, DraftAnswer), problems=first.problems)
    raise TrialFailed("It asks for ever more earlier events, so it cannot be tried here.")


def _needs_of(answer: DraftAnswer, at: int) -> set[bytes]:
    return {key for outcomes in (answer.then, answer.now) if outcomes for key in outcomes[at].needs}


def _others(found: Sequence[KnownConversion], one: TrialWebhook) -> list[KnownConversion]:
    """What is known of others: a webhook is not told by itself, and nothing is waited for."""
    return [each for each in found if each.webhook != one.webhook.number and each.state is not ConversionState.DEFERRED]
