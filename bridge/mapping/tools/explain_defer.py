"""To which richer webhooks a rule's `defer_to` left a conversion, until when, and what came of it: for `explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.mapping.engine.context import as_key
from bridge.mapping.engine.defer import DeferTo, leave_to_told
from bridge.mapping.engine.recall import Known, NotTold, RecallContext
from bridge.mapping.expressions.runtime import CannotEvaluate


@dataclass(frozen=True, slots=True)
class DeferExplanation:
    """How a rule deferred. `topics` are those of the richer rules, `wait` is as a person writes it.

    `keys` are the names that the conversion goes by. `told_by` is the public id of the webhook, or else of the event,
    that told it; None: no other one did that is as rich.
    """

    place: SourceLocation
    topics: tuple[str, ...]
    wait: str
    until: datetime
    keys: tuple[str, ...]
    told_by: str | None = None


@dataclass(slots=True)
class _Asking:
    """What may find earlier events, for one look."""

    recalling: RecallContext | None
    notes: list[str]


def explain_defer(  # noqa: PLR0913  what is asked and what is known, by name
    defer_to: DeferTo,
    names: Sequence[Json],
    *,
    topics: tuple[str, ...],
    vars: Mapping[str, str],  # noqa: A002  the word of the language
    received_at: datetime,
    scope: str,
    test: bool,
    earlier: Known,
) -> DeferExplanation:
    """What became of a conversion that goes by these names, among what is known in the ledger's scope `scope`."""
    keys = [key for name in names if (key := _key_of(name)) is not None]
    found = DeferExplanation(
        defer_to.dedupes[0].place,
        topics,
        defer_to.wait.explain(vars),
        received_at + defer_to.wait.length_for(vars),
        tuple(dict.fromkeys(keys)),
    )
    try:
        leave_to_told(_Asking(RecallContext(scope, test, earlier, vars, has_waited=True), []), defer_to, keys)
    except NotTold as told:
        return replace(found, told_by=(told.by.by if told.by else None) or "an earlier event")
    return found


def _key_of(name: Json) -> str | None:
    try:
        return None if name is None else as_key(name)
    except CannotEvaluate:
        return None
