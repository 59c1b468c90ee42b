"""What the playground shows of a trial: the body, the draft and the event side by side. Pure.

Everything is masked, unless the webhook was asked for in clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.core.model import Problem, WebhookState
from bridge.http.console.body_lines import DocumentLine, document_lines, read_body
from bridge.http.console.draft_trials import DraftTrial, TriedWebhook
from bridge.http.console.mapping_lines import failed_line
from bridge.http.console.mapping_trial import TriedOutcome
from bridge.http.console.mappings_page import TextLine, text_lines
from bridge.http.console.masking import shown_reason, shown_word
from bridge.http.console.provenance import fields_by_line, private_paths
from bridge.http.console.shown_fields import ShownEvent, number_lines, show_events
from bridge.http.console.words import local_time, state_tone, state_word, value_words
from bridge.store.protocol import WholeWebhook


@dataclass(frozen=True, slots=True)
class OutcomeWords:
    """What becomes of a webhook, in words, and their tone."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class ShownResult:
    """A webhook that was tried: what it is now, and what the draft makes of it."""

    id: str
    topic: str
    received: str
    now: OutcomeWords
    then: OutcomeWords
    is_changed: bool


@dataclass(frozen=True, slots=True)
class TrialView:
    """All of it. `shown` is the webhook whose body is shown, None for none; `lines` are the draft's.

    `fields_of` has for a line of the draft the ids of the fields that it went into; `now` and `then` are what becomes
    of the shown webhook by the mapping in use and by the draft, which fails at the line `failed`, where it does.
    """

    lines: tuple[TextLine, ...]
    problems: tuple[Problem, ...] = ()
    fields_of: Mapping[int, str] | None = None
    shown: WholeWebhook | None = None
    body_lines: Sequence[tuple[str, DocumentLine, str, bool]] = ()
    events: Sequence[ShownEvent] = ()
    now: OutcomeWords | None = None
    then: OutcomeWords | None = None
    failed: int | None = None
    results: tuple[ShownResult, ...] = ()

    @property
    def errors(self) -> int:
        """How many errors the draft has."""
        return sum(one.severity == "error" for one in self.problems)


def view_trial(trial: DraftTrial | None, draft: str, *, name: str, clear: bool) -> TrialView:
    """What is shown of a trial; of none the draft alone. `name` is the file's, as places have it."""
    if trial is None:
        return TrialView(tuple(text_lines(draft, ())))
    answer, tried = trial.answer, next((one for one in trial.tried if one.kept is trial.shown), None)
    lines = tuple(text_lines(draft, [one for one in answer.problems if one.place.path == name]))
    sources = answer.shown.events if answer.shown else ()
    body = None if trial.shown is None else read_body(trial.shown.webhook.body)
    body_lines = () if body is None else document_lines(body, private=None if clear else private_paths(sources))
    return TrialView(
        lines,
        answer.problems,
        {line: " ".join(f"f{one}" for one in each) for line, each in fields_by_line(sources).items()},
        trial.shown,
        number_lines(body_lines, sources),
        show_events(sources, body_lines, clear=clear),
        None if tried is None else describe_now(tried, clear=clear),
        None if tried is None else describe_outcome(tried.then, clear=clear),
        None if tried is None or tried.then is None else failed_line(tried.then.reason, name),
        tuple(map(_show_result, trial.tried)),
    )


def _show_result(one: TriedWebhook) -> ShownResult:
    row = one.kept.row
    return ShownResult(
        row.id,
        shown_word(row.topic) or "no topic",
        local_time(row.received_at),
        describe_now(one),
        describe_outcome(one.then),
        one.is_changed or one.becomes_events,
    )


def describe_now(one: TriedWebhook, *, clear: bool = False) -> OutcomeWords:
    """What a webhook is now: its events as the mapping in use makes them, or why it has none."""
    row = one.kept.row
    if row.state is WebhookState.TRANSLATED and one.now is not None:
        return describe_outcome(one.now, clear=clear)
    reason = (row.reason or "") if clear else shown_reason(row.reason)
    return OutcomeWords(state_word(row.state) + (f": {reason}" if reason else ""), state_tone(row.state.value))


def describe_outcome(one: TriedOutcome | None, *, clear: bool = False) -> OutcomeWords:
    """What becomes of a webhook by a draft, or by the mapping in use."""
    if one is None:
        return OutcomeWords("not tried: the draft has errors", "")
    if one.state == "translated":
        made = (
            " ".join(filter(None, (shown_word(each.event_type), value_words(each.value, each.currency))))
            for each in one.events
        )
        return OutcomeWords(", ".join(made) or "no event", "good" if one.events else "")
    reason = one.reason if clear else shown_reason(one.reason)
    return OutcomeWords(f"{state_word(one.state)}: {reason}", state_tone(one.state))
