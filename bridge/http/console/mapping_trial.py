"""What the mapping child is asked, and its answers: problems of files, and what a draft makes of webhooks.

Pure, but for what is kept of the last question.

The answers are JSON, not pickled: they come from a process in which somebody's draft ran.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path as FilePath
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from bridge import mapping
from bridge.core.conversions import KnownConversion
from bridge.core.errors import SettingsError
from bridge.core.model import EventNeeded, Ignored, Problem, SetAside, SourceLocation, Translated, Webhook
from bridge.core.regular_file import read_regular_file
from bridge.http.console.provenance import EventSources, find_sources
from bridge.mapping import MappingReading
from bridge.mapping.tools.check_files import check_file_examples
from bridge.mapping.tools.explain import explain_webhook
from bridge.yaml.document import plain_value

Answer = TypeVar("Answer")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class CheckQuestion:
    """What is wrong with this file, and with the examples beside it?"""

    path: FilePath


@dataclass(frozen=True, slots=True)
class CheckedMapping:
    """A file: its provider, its problems as `check` has them, and how many examples it was held against."""

    provider: str
    title: str
    problems: tuple[Problem, ...]
    examples: int


@dataclass(frozen=True, slots=True)
class TrialWebhook:
    """A webhook, and what is known of the earlier events that were looked up for it."""

    webhook: Webhook
    earlier: Mapping[bytes, Sequence[KnownConversion]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DraftQuestion:
    """What does a draft make of these webhooks, and what the mapping that is `running`, if there is one?

    `path` is the file that the draft would replace; `shown` is the place of the webhook that is explained, if any is.
    `checked` is whether the problems are asked for, with those that its examples show.
    """

    path: FilePath
    draft: bytes
    running: bytes | None
    source: str
    scope: str
    vars: Mapping[str, str]
    webhooks: tuple[TrialWebhook, ...]
    shown: int | None = None
    checked: bool = True


@dataclass(frozen=True, slots=True)
class DraftEvent:
    """An event that would be made; `text` is its JSON."""

    event_type: str
    value: str | None
    currency: str | None
    text: str


@dataclass(frozen=True, slots=True)
class TriedOutcome:
    """What becomes of a webhook: events, or the `reason` why there is none.

    `needs` are the ledger keys of earlier events that must be looked up first; then it is no outcome yet.
    """

    state: str
    reason: str = ""
    events: tuple[DraftEvent, ...] = ()
    needs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownTrial:
    """How the draft makes what it makes of the webhook that is shown; `lines` are those that had a hand in it."""

    events: tuple[EventSources, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """The draft's problems, and one outcome a webhook of the draft and of the running mapping.

    Without outcomes the draft has errors. `unlike` is whether it changes what is under `webhook`: how webhooks are
    verified and named.
    """

    problems: tuple[Problem, ...]
    provider: str
    then: tuple[TriedOutcome, ...] = ()
    now: tuple[TriedOutcome, ...] = ()
    shown: ShownTrial | None = None
    unlike: bool = False


def encode_answer(answer: object) -> bytes:
    """An answer as the parent reads it, digits kept."""
    return _ENCODER.encode(answer)


def decode_answer(content: bytes, kind: type[Answer]) -> Answer:
    """The same the other way. Raises ValueError."""
    return msgspec.json.Decoder(kind, float_hook=Decimal).decode(content)


def check_file(path: FilePath) -> CheckedMapping:
    """The problems of a file and of its examples."""
    try:
        reading = mapping.read_mapping(read_regular_file(path), name=path.name)
        examples = check_file_examples(reading, path, read_regular_file)
    except OSError as error:
        unread = Problem(SourceLocation(path.name, 1, 1), "error", f"cannot be read: {error.strerror}")
        return CheckedMapping(path.stem, "", (unread,), 0)
    return CheckedMapping(reading.parts.provider or path.stem, reading.parts.title, _problems_of(reading), examples)


def _problems_of(reading: MappingReading) -> tuple[Problem, ...]:
    """All problems, those of examples too, each named by its file alone."""
    return tuple(map(_with_file_name, reading.all_problems))


def _with_file_name(one: Problem) -> Problem:
    place = one.place
    return Problem(
        SourceLocation(FilePath(place.path).name, place.line, place.column), one.severity, one.text, one.details
    )


def try_draft(question: DraftQuestion) -> DraftAnswer:
    """What the draft and the running mapping make of the webhooks."""
    reading = mapping.read_mapping(question.draft, name=question.path.name)
    running = None if question.running is None else _read_running(question.running, question.path.name)
    provider, unlike = reading.parts.provider, running is not None and _is_verified_otherwise(reading, running)
    try:
        if question.checked:
            check_file_examples(reading, question.path, read_regular_file)
        if reading.mapping is None:
            return DraftAnswer(_problems_of(reading), provider, unlike=unlike)
        then = _translate_all(reading, question, question.webhooks)
    except SettingsError as error:  # a var that is set has a value that the draft does not allow
        wrong = Problem(SourceLocation(question.path.name, 1, 1), "error", str(error))
        return DraftAnswer((wrong, *_problems_of(reading)), provider, unlike=unlike)
    now = _RUNNING.find_outcomes(running, question) if running is not None and running.mapping is not None else ()
    shown = None
    if question.shown is not None and not (then[question.shown].needs or (now and now[question.shown].needs)):
        shown = _explain_one(reading, question, question.webhooks[question.shown])
    return DraftAnswer(_problems_of(reading), provider, then, now, shown, unlike)


@lru_cache(maxsize=8)
def _read_running(text: bytes, name: str) -> MappingReading:
    return mapping.read_mapping(text, name=name)


def _is_verified_otherwise(one: MappingReading, other: MappingReading) -> bool:
    """Whether they differ in anything under `webhook`, or in the unsigned headers that it reads."""
    webhooks = [None if each.parts.webhook is None else plain_value(each.parts.webhook) for each in (one, other)]
    saying = [None if each.recipe is None else each.recipe.saying for each in (one, other)]
    return webhooks[0] != webhooks[1] or saying[0] != saying[1]


def _known_vars(reading: MappingReading, given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name in reading.parts.vars}


@dataclass(slots=True)
class _RunningOutcomes:
    """What the running mapping makes of the webhooks of the last question: the next draft is mostly tried on the same.

    They are kept with it, 8 MiB of bodies at most.
    """

    _last: DraftQuestion | None = None
    _made: Mapping[tuple[int, str, str | None], tuple[TrialWebhook, TriedOutcome]] = field(default_factory=dict)

    def find_outcomes(self, running: MappingReading, question: DraftQuestion) -> tuple[TriedOutcome, ...]:
        """One a webhook, worked out where the webhook, its earlier events or the mapping is another than it was."""
        known = self._made if self._last is not None and _asks_of_same(self._last, question) else {}
        new = [one for one in question.webhooks if known.get(_name_of(one), (None,))[0] != one]
        made = zip(new, _translate_all(running, question, new), strict=True)
        found = {**known, **{_name_of(one): (one, outcome) for one, outcome in made}}
        self._last, self._made = question, {_name_of(one): found[_name_of(one)] for one in question.webhooks}
        return tuple(self._made[_name_of(one)][1] for one in question.webhooks)


_RUNNING = _RunningOutcomes()


def _name_of(one: TrialWebhook) -> tuple[int, str, str | None]:
    return one.webhook.number, one.webhook.id, one.webhook.item


def _asks_of_same(one: DraftQuestion, other: DraftQuestion) -> bool:
    """Whether the running mapping would make the same of the same webhook."""
    parts = [(each.running, each.path.name, each.source, each.scope, each.vars) for each in (one, other)]
    return parts[0] == parts[1]


def _translate_all(
    reading: MappingReading, question: DraftQuestion, webhooks: Sequence[TrialWebhook]
) -> tuple[TriedOutcome, ...]:
    assert reading.mapping is not None  # noqa: S101  the caller has looked
    given = _known_vars(reading, question.vars)
    source = reading.mapping.bind_source(question.source, secrets=(), vars=given, scope=question.scope)
    outcomes: list[TriedOutcome] = []
    for one in webhooks:
        match source.translate_with_earlier(replace(one.webhook, waited=True), one.earlier):
            case Translated(events=events):
                tried = (
                    DraftEvent(each.event_type, each.value, each.currency, each.text.decode("utf-8", "replace"))
                    for each in events
                )
                outcomes.append(TriedOutcome("translated", events=tuple(tried)))
            case Ignored(reason=reason):
                outcomes.append(TriedOutcome("ignored", reason))
            case SetAside(reason=reason):
                outcomes.append(TriedOutcome("set_aside", reason))
            case EventNeeded(keys=keys):
                outcomes.append(TriedOutcome("received", needs=keys))
    return tuple(outcomes)


def _explain_one(reading: MappingReading, question: DraftQuestion, one: TrialWebhook) -> ShownTrial:
    given, patient = _known_vars(reading, question.vars), replace(one.webhook, waited=True)
    made = explain_webhook(reading, patient, vars=given, scope=question.scope, earlier=one.earlier)
    sources = find_sources(made)
    lines = {line for event in sources for line in event.lines} | {rule.place.line for rule in made.rules}
    lines |= {place.line for rule in made.rules for one in rule.conditions if (place := one.place) is not None}
    return ShownTrial(sources, tuple(sorted(lines)))
